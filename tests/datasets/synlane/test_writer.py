"""The folder: CULane's layout, same bytes from any number of workers, whole or not at all."""

import filecmp
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from ganet_mm.datasets.synlane import CATEGORIES, Plan, make_synlane, writer
from ganet_mm.datasets.synlane.levels import category_of

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / "tools" / "dataset_converters" / "make_synlane.py"


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def tool_main(*args: str) -> int:
    spec = importlib.util.spec_from_file_location("make_synlane_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main(list(args))


def test_layout(folder, plan):
    lists = {split: (folder / "list" / f"{split}.txt").read_text() for split in writer.SPLITS}
    for split, text in lists.items():
        lines = text.splitlines()
        assert text.endswith("\n") and len(lines) == getattr(plan, split)
        for line in lines:
            assert re.fullmatch(r"/driver_\d\d_synlane/\d{5}\.MP4/\d{5}\.jpg", line)
            picture = cv2.imread(str(folder / line[1:]))
            assert picture.shape == (590, 1640, 3)
            assert (folder / line[1:]).with_suffix(".lines.txt").is_file()
    everything = [line for text in lists.values() for line in text.splitlines()]
    assert len(set(everything)) == len(everything) == len(list(folder.rglob("*.jpg")))


@pytest.mark.parametrize("split", ["val", "test"])
def test_categories_partition_a_split(folder, split):
    found = {}
    for number, category in enumerate(CATEGORIES):
        path = folder / "list" / f"{split}_split" / f"{split}{number}_{category}.txt"
        for line in path.read_text().splitlines():
            assert not line.startswith("/") and line not in found
            found[line] = category
    whole = (folder / "list" / f"{split}.txt").read_text().splitlines()
    assert sorted(found) == sorted(line[1:] for line in whole)
    if split == "test":
        assert set(found.values()) == set(CATEGORIES)
    assert len(list((folder / "list" / f"{split}_split").iterdir())) == 9
    for name, category in found.items():
        text = (folder / name).with_suffix(".lines.txt").read_text()
        assert (text == "") == (category == "cross")


def test_annotation_text(folder):
    beyond = 0
    for path in folder.rglob("*.lines.txt"):
        text = path.read_text()
        assert text == "" or text.endswith(" \n")
        assert text.count("\n") <= 4
        for line in text.splitlines():
            assert re.fullmatch(r"(-?\d+(\.\d{1,4})? \d+ )+", line)
            lane = np.array(line.split(), dtype=float).reshape(-1, 2)
            assert (np.diff(lane[:, 1]) == -10).all() and lane[0, 1] <= 590
            beyond += bool((lane[:, 0] < 0).any() or (lane[:, 0] >= 1640).any())
    assert beyond > 0


def test_format_lane_has_no_negative_zero_and_no_exponent():
    lane = np.array([[-0.00001, 590.0], [1e-7, 580.0], [1305.4812, 570.0], [-12.27214, 560.0]])
    assert writer.format_lane(lane) == "0 590 0 580 1305.48 570 -12.2721 560 "


def test_same_bytes_from_two_processes(folder, plan, tmp_path):
    assert make_synlane(tmp_path / "two", plan, workers=2, quiet=True)
    assert names(tmp_path / "two") == names(folder)
    _, mismatch, errors = filecmp.cmpfiles(folder, tmp_path / "two", names(folder), shallow=False)
    assert mismatch == errors == []


def test_a_frame_does_not_depend_on_the_counts(plan):
    more = Plan(**{**writer.asdict(plan), "train": 500})
    assert writer.draw_frame(plan, "train", 3) == writer.draw_frame(more, "train", 3)
    other = Plan(**{**writer.asdict(plan), "seed": plan.seed + 1})
    assert writer.draw_frame(plan, "train", 3) != writer.draw_frame(other, "train", 3)


def test_seeds_never_overlap():
    states = set()
    count = 0
    for level in ("standard", "hard"):
        for seed in (0, 1):
            plan = Plan(1, 1, 1, level, seed)
            for split in writer.SPLITS:
                for index in range(300):
                    states.add(tuple(writer.frame_seed(plan, split, index).generate_state(4)))
                    count += 1
    assert len(states) == count


def test_drawing_again_changes_nothing(folder, plan):
    before = {name: (folder / name).stat().st_mtime_ns for name in names(folder)}
    assert not make_synlane(folder, plan, quiet=True)
    assert before == {name: (folder / name).stat().st_mtime_ns for name in names(folder)}


def test_another_plan_is_refused(folder, plan):
    other = Plan(**{**writer.asdict(plan), "seed": 6, "quality": 70})
    with pytest.raises(FileExistsError, match=r"quality 80 \(asked for: 70\), seed 5"):
        make_synlane(folder, other, quiet=True)


def test_foreign_and_damaged_folders_are_refused(tmp_path):
    plan = Plan(1, 0, 0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="no SynLane folder"):
        make_synlane(tmp_path / "mine", plan, quiet=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"

    (tmp_path / "empty").mkdir()
    assert make_synlane(tmp_path / "empty", plan, quiet=True)
    lost = tmp_path / "empty" / writer.frame_name("train", 0)
    lost.unlink()
    with pytest.raises(FileExistsError, match=r"00000\.jpg or its \.lines\.txt is missing"):
        make_synlane(tmp_path / "empty", plan, quiet=True)
    (tmp_path / "empty" / "synlane.json").write_text("{")
    with pytest.raises(FileExistsError, match="no JSON"):
        make_synlane(tmp_path / "empty", plan, quiet=True)


def test_nothing_half_made_is_left(tmp_path, monkeypatch):
    def broken(plan, split, index):
        if index == 2:
            raise OSError(28, "No space left on device")
        return b"x", ""

    monkeypatch.setattr(writer, "draw_frame", broken)
    with pytest.raises(OSError, match="No space left"):
        make_synlane(tmp_path / "out", Plan(3, 0, 0), quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_run_are_replaced(tmp_path):
    out = tmp_path / "out"
    args = ["--out", str(out), "--train", "400", "--workers", "2"]
    run = subprocess.Popen([sys.executable, str(TOOL), *args], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.02)
    run.kill()
    run.wait()
    (partial,) = tmp_path.iterdir()
    assert partial.name == f".out.partial-{run.pid}"
    assert make_synlane(out, Plan(1, 0, 0), quiet=True)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert len(list(out.rglob("*.jpg"))) == 1
    time.sleep(0.5)  # a worker that outlived the kill would be drawing still
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_being_drawn_is_left_alone(tmp_path):
    busy = tmp_path / f".out.partial-{os.getppid()}"
    busy.mkdir()
    with pytest.raises(FileExistsError, match=f"process {os.getppid()} is drawing"):
        make_synlane(tmp_path / "out", Plan(1, 0, 0), quiet=True)
    assert busy.is_dir()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": -1}, "train must be 0 or more"),
        ({"train": 0}, "nothing to draw"),
        ({"level": "easy"}, "level must be one of standard, hard"),
        ({"seed": -3}, "seed must be 0 or more"),
        ({"quality": 0}, "quality must be within 1..100"),
    ],
)
def test_bad_plans_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Plan(**{"train": 1, "val": 0, "test": 0, **changes})


def test_tool(tmp_path, capsys):
    out = str(tmp_path / "out")
    args = ["--out", out, "--test", "2", "--workers", "1", "--level", "hard"]
    assert tool_main(*args) == 0
    assert "drawn, 2 frames" in capsys.readouterr().out
    held = json.loads((tmp_path / "out" / "synlane.json").read_text())
    assert held["level"] == "hard" and held["test"] == 2 and held["seed"] == 0
    assert category_of(0, "hard") == "normal"
    assert tool_main(*args) == 0
    assert "already whole" in capsys.readouterr().out
    assert tool_main(*args, "--seed", "1") == 1
    assert "seed 0 (asked for: 1)" in capsys.readouterr().err
    assert tool_main(*args, "--workers", "0") == 1
    assert "workers must be 1 or more" in capsys.readouterr().err
