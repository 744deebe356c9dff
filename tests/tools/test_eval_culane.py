from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).parents[2] / "tools" / "analysis_tools" / "eval_culane.py"
GOOD = [np.float32([[x, y] for y in range(590, 290, -10)]) for x in (200, 600, 1000)]


def run(monkeypatch, *args):
    monkeypatch.setattr(sys, "argv", [str(TOOL), *(str(arg) for arg in args)])
    runpy.run_path(str(TOOL), run_name="__main__")


def text(lanes) -> str:
    return "".join(" ".join(f"{value:g}" for value in lane.ravel()) + " \n" for lane in lanes)


def write(folder: Path, name: str, content: str) -> None:
    path = folder / f"{name}.lines.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.fixture
def folders(tmp_path):
    """Five pictures in three lists; the predictions lack one file and have a blank line."""
    gt, pred, lists = (tmp_path / name for name in ("gt", "pred", "test_split"))
    lists.mkdir()
    for name in ("d/0", "d/1", "d/2"):
        write(gt, name, text(GOOD))
    write(gt, "d/3", "")
    write(gt, "d/4", "")
    write(pred, "d/0", text(GOOD))
    write(pred, "d/1", text(GOOD[:1]) + "\n")
    write(pred, "d/3", text(GOOD[:2]))
    write(pred, "d/4", "")
    (lists / "test0_normal.txt").write_text("/d/0.jpg\r\n\n/d/1.jpg \r\n")
    (lists / "test7_cross.txt").write_text("d/3.jpg\nd/4.jpg\n")
    (lists / "test8_night.txt").write_text("d/2.jpg")
    return gt, pred, lists


def scores(tp, fp, fn):
    return {
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "precision": pytest.approx(tp / (tp + fp) if tp + fp else 0),
        "recall": pytest.approx(tp / (tp + fn) if tp + fn else 0),
        "f1": pytest.approx(2 * tp / (2 * tp + fp + fn) if tp else 0),
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_json_and_table(folders, tmp_path, monkeypatch, capsys, workers):
    gt, pred, lists = folders
    out = tmp_path / "scores.json"
    run(
        monkeypatch,
        *("--gt-dir", gt, "--pred-dir", pred, "--list-dir", lists, "--workers", workers),
        *("--out", out, "--iou-thr", 0.5, 0.75),
    )
    expected = {
        "test0_normal": scores(4, 1, 2),
        "test7_cross": scores(0, 2, 0),
        "test8_night": scores(0, 0, 3),
        "total": scores(4, 3, 5),
    }
    found = json.loads(out.read_text())
    assert found == {name: {"0.5": values, "0.75": values} for name, values in expected.items()}
    assert list(found) == list(expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "gt",
        "pred",
        "scores.json",
        "test_split",
    ]
    captured = capsys.readouterr()
    lines = [line.split() for line in captured.out.splitlines() if line.split()]
    assert [line[0] for line in lines if line[0] in expected] == list(expected)
    assert "test8_night" in captured.err and "no prediction file" in captured.err


def test_several_lists_and_mf1(folders, tmp_path, monkeypatch):
    gt, pred, lists = folders
    out = tmp_path / "scores.json"
    run(
        monkeypatch,
        *("--gt-dir", gt, "--pred-dir", pred, "--out", out, "--mf1", "--iou-thr", 0.5),
        *("--list", lists / "test8_night.txt", "--list", lists / "test0_normal.txt"),
    )
    found = json.loads(out.read_text())
    assert list(found) == ["test8_night", "test0_normal", "total"]
    thresholds = [f"{0.5 + 0.05 * step:.2f}".rstrip("0") for step in range(10)]
    assert list(found["total"]) == [*thresholds, "mF1"]
    f1 = [found["total"][thr]["f1"] for thr in thresholds]
    assert found["total"]["mF1"] == pytest.approx(np.mean(f1))


def test_img_size(folders, tmp_path, monkeypatch):
    gt, _, lists = folders
    out = tmp_path / "scores.json"
    # In a picture of 400 columns two of the three lanes lie wholly outside.
    common = ("--gt-dir", gt, "--pred-dir", gt, "--list", lists / "test8_night.txt", "--out", out)
    run(monkeypatch, *common, "--img-size", 400, 590)
    assert json.loads(out.read_text())["total"]["0.5"]["tp"] == 0
    run(monkeypatch, *common, "--img-size", 400, 590, "--fix-degenerate")
    assert json.loads(out.read_text())["total"]["0.5"]["tp"] == 1


def fails(monkeypatch, capsys, *args) -> str:
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, *args)
    assert stop.value.code not in (0, None)
    return f"{stop.value.code} {capsys.readouterr().err}"


def test_a_list_naming_a_missing_annotation(folders, monkeypatch, capsys):
    gt, pred, lists = folders
    (lists / "test1_crowd.txt").write_text("d/0.jpg\nd/99.jpg\n")
    for workers in (0, 2):
        message = fails(
            monkeypatch,
            capsys,
            *("--gt-dir", gt, "--pred-dir", pred, "--list-dir", lists, "--workers", workers),
        )
        assert "test1_crowd.txt names d/99.jpg" in message
        assert str(gt / "d/99.lines.txt") in message


def test_a_prediction_folder_with_none_of_the_names(folders, tmp_path, monkeypatch, capsys):
    gt, _, lists = folders
    empty = tmp_path / "elsewhere"
    write(empty, "0", text(GOOD))
    out = tmp_path / "scores.json"
    message = fails(
        monkeypatch,
        capsys,
        *("--gt-dir", gt, "--pred-dir", empty, "--list-dir", lists, "--out", out),
    )
    assert str(gt) in message and str(empty) in message
    assert "d/0.lines.txt, d/1.lines.txt, d/3.lines.txt" in message
    assert not out.exists()


@pytest.mark.parametrize("thr", ["0", "1", "1.5", "-0.5", "nan"])
def test_thresholds_out_of_range(folders, monkeypatch, capsys, thr):
    gt, pred, lists = folders
    message = fails(
        monkeypatch,
        capsys,
        *("--gt-dir", gt, "--pred-dir", pred, "--list-dir", lists, f"--iou-thr={thr}"),
    )
    assert "not inside (0, 1)" in message


def test_files_that_are_not_text(folders, monkeypatch, capsys):
    gt, pred, lists = folders
    (pred / "d/1.lines.txt").write_bytes(b"\x89PNG\0\0")
    message = fails(monkeypatch, capsys, *("--gt-dir", gt, "--pred-dir", pred, "--list-dir", lists))
    assert "1.lines.txt" in message and "not a text file" in message


def test_missing_and_empty_inputs(folders, tmp_path, monkeypatch, capsys):
    gt, pred, lists = folders
    common = ("--gt-dir", gt, "--pred-dir", pred)
    assert "No list of pictures" in fails(monkeypatch, capsys, *common)
    assert "no such folder of lists" in fails(monkeypatch, capsys, *common, "--list-dir", "nowhere")
    assert "nowhere.txt" in fails(monkeypatch, capsys, *common, "--list", "nowhere.txt")
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    assert "all empty" in fails(monkeypatch, capsys, *common, "--list", empty)
    twice = ("--list", lists / "test8_night.txt") * 2
    assert "rename one" in fails(monkeypatch, capsys, *common, *twice)
    message = fails(
        monkeypatch, capsys, "--gt-dir", gt, "--pred-dir", "nowhere", "--list-dir", lists
    )
    assert "nowhere: no such folder of predictions" in message
    out = tmp_path / "nowhere" / "scores.json"
    assert "no such folder for --out" in fails(
        monkeypatch, capsys, *common, "--list-dir", lists, "--out", out
    )
    assert "--workers" in fails(monkeypatch, capsys, *common, "--list-dir", lists, "--workers=-1")
