from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOL = ROOT / "tools/analysis_tools/get_flops.py"
CONFIG = ROOT / "configs/_base_/models/ganet_mixvargenet.py"


def run(monkeypatch, capsys, *args):
    monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, args)])
    runpy.run_path(str(TOOL), run_name="__main__")
    return capsys.readouterr().out


def rows_of(out):
    rows = [line.strip("│ ").split("│") for line in out.splitlines() if line.startswith("│")]
    return {name.strip(): (int(n.replace(" ", "")), float(macs)) for name, n, macs in rows}


def conv_macs(cin, cout, kernel, positions, groups=1):
    return cin // groups * cout * kernel * kernel * positions


def test_table_of_the_recipe(monkeypatch, capsys):
    rows = rows_of(run(monkeypatch, capsys, CONFIG))
    assert rows["total"] == (1_210_166, pytest.approx(5.369, abs=1e-3))
    assert rows["backbone stem"] == (
        960,
        pytest.approx(conv_macs(3, 32, 3, 64_000) / 1e9, abs=6e-4),
    )
    # conv_in, query and key, value, energy, weighted sum, conv_out on 250 positions
    attention = conv_macs(160, 32, 3, 250) + 2 * conv_macs(32, 8, 1, 250)
    attention += conv_macs(32, 32, 1, 250) + 250 * 250 * (8 + 32) + conv_macs(32, 32, 3, 250)
    assert rows["attention"] == (57_073, pytest.approx(attention / 1e9, abs=6e-4))
    head = 3 * conv_macs(32, 32, 3, 4000) + conv_macs(32, 5, 1, 4000)
    assert rows["head"] == (27_909, pytest.approx(head / 1e9, abs=6e-4))
    assert rows["FPN"][0] == 8_352
    parts = [row for name, row in rows.items() if name != "total"]
    assert sum(count for count, _ in parts) == 1_210_166
    assert sum(macs for _, macs in parts) == pytest.approx(rows["total"][1], abs=5e-3)


def test_another_shape(monkeypatch, capsys):
    rows = rows_of(run(monkeypatch, capsys, CONFIG, "--shape", 96, 192))
    assert rows["total"][0] == 1_210_166
    assert rows["head"][1] == pytest.approx(0.111 * 96 * 192 / (320 * 800), abs=1e-3)


def test_bad_shape_and_config_are_named(monkeypatch, capsys, tmp_path):
    with pytest.raises(SystemExit, match="divisible by 32"):
        run(monkeypatch, capsys, CONFIG, "--shape", 160, 400)
    empty = tmp_path / "empty.py"
    empty.write_text("lr = 1\n")
    with pytest.raises(SystemExit, match=r"empty\.py has no `model`"):
        run(monkeypatch, capsys, empty)
    other = tmp_path / "other.py"
    other.write_text(f"_base_ = ['{CONFIG.as_posix()}']\nmodel = dict(neck=dict(foo=1))\n")
    with pytest.raises(SystemExit, match=r"error: \S*other\.py.*'foo'"):
        run(monkeypatch, capsys, other)
