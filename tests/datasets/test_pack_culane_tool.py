"""The packer's command line: exit codes, messages, and what is on disk afterwards."""

import importlib.util
import json
from pathlib import Path

import pytest

from ganet_mm.datasets.lmdb_store import LmdbReader

from .conftest import COUNT

TOOL = Path(__file__).parents[2] / "tools/dataset_converters/pack_culane.py"


@pytest.fixture(scope="module")
def main():
    spec = importlib.util.spec_from_file_location("pack_culane", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *args: module.main([str(arg) for arg in args])


def test_pack_then_verify_then_again(main, folder, tmp_path, capsys):
    out = tmp_path / "train_lmdb"
    pack = ("--data-root", folder, "--split", "train", "--out", out)
    assert main(*pack) == 0
    assert f"{COUNT} frames, 48 lanes" in capsys.readouterr().out
    assert main("--verify", "--verify-images", "--out", out) == 0
    assert f"{COUNT} of {COUNT} records are whole" in capsys.readouterr().out
    before = (out / "data.mdb").stat().st_mtime_ns
    assert main(*pack) == 0
    assert "packed already, 20 frames; nothing to do" in capsys.readouterr().out
    assert (out / "data.mdb").stat().st_mtime_ns == before


def test_shards_and_merge(main, folder, tmp_path, capsys):
    list_file = folder / "list" / "train.txt"
    for i in (1, 2):
        options = ("--shard", f"{i}/2", "--out", tmp_path / f"part{i}", "--workers", 2)
        assert main("--data-root", folder, "--list", list_file, *options) == 0
    merged = tmp_path / "merged"
    assert main("--merge", tmp_path / "part2", tmp_path / "part1", "--out", merged) == 0
    assert "20 frames of 2 shards" in capsys.readouterr().out
    assert main("--data-root", folder, "--split", "train", "--out", merged) == 0
    assert "packed already" in capsys.readouterr().out


def test_bad_frame_is_named_and_nothing_is_left(main, folder, tmp_path, capsys):
    (folder / "clip_0.MP4/00003.lines.txt").write_text("1 2 oops 4\n")
    args = ("--data-root", folder, "--split", "train", "--out", tmp_path / "out")
    assert main(*args) == 1
    error = capsys.readouterr().err
    assert "00003.lines.txt:1: 'oops' is no pixel; expected finite numbers" in error
    assert not list(tmp_path.glob("out*"))

    report = tmp_path / "report.json"
    assert main(*args, "--skip-bad", report) == 0
    assert len(LmdbReader(tmp_path / "out")) == COUNT - 1
    skipped = json.loads(report.read_text())["skipped"]
    assert list(skipped) == ["clip_0.MP4/00003.jpg"]
    assert "oops" in skipped["clip_0.MP4/00003.jpg"]


def test_verify_fails_on_a_flipped_byte(main, folder, tmp_path, capsys):
    out = tmp_path / "out"
    main("--data-root", folder, "--split", "train", "--out", out)
    data = bytearray((out / "data.mdb").read_bytes())
    data[data.index((folder / "clip_0.MP4/00004.jpg").read_bytes()) + 300] ^= 4
    (out / "data.mdb").write_bytes(data)
    assert main("--verify", "--out", out) == 1
    output = capsys.readouterr().out
    assert "record '00000004': damaged record" in output
    assert "19 of 20 records are whole" in output


def test_culanes_totals_are_checked_for_culanes_names_only(main, folder, tmp_path, capsys):
    args = ("--data-root", folder, "--split", "train", "--out")
    assert main(*args, tmp_path / "a") == 0
    assert "warning" not in capsys.readouterr().out
    (folder / "clip_0.MP4").rename(folder / "driver_23_30frame")
    for path in folder.glob("list/**/*.txt"):
        lines = path.read_text().replace("clip_0.MP4", "driver_23_30frame").splitlines()
        path.write_text("\n".join(line for line in lines if "clip_" not in line))
    assert main(*args, tmp_path / "b") == 0
    assert "warning: train has 8 frames; CULane's has 88880" in capsys.readouterr().out


def test_read_only_folder(main, folder, tmp_path, capsys, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert main("--data-root", folder, "--split", "train", "--out", tmp_path / "out") == 1
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--data-root", "nowhere", "--split", "train"], "nowhere: no such folder"),
        (["--merge", "nowhere"], "nowhere: no LMDB here"),
        (["--verify"], "no LMDB here"),
    ],
)
def test_errors_of_use(main, tmp_path, capsys, args, message):
    assert main(*args, "--out", tmp_path / "out") == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("args", [[], ["--shard", "0/2"], ["--shard", "3/2"], ["--workers", "0"]])
def test_impossible_options(main, args):
    with pytest.raises(SystemExit) as error:
        main("--out", "x", *args)
    assert error.value.code == 2
