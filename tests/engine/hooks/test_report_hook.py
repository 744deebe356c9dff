import re
import shutil

import cv2
import numpy as np
import pytest

from ganet_mm.engine.hooks import report_hook
from ganet_mm.engine.hooks.report_hook import ReportHook
from ganet_mm.engine.run_summary import training_panels
from ganet_mm.files import read_json, write_json

HOOKS = {"report": {"type": "ReportHook", "num": 2}}


def links(report: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", report)


def read(folder) -> str:
    """The report, all of whose pictures must be there and decode."""
    text = (folder / "report.md").read_text(encoding="utf-8")
    for name in links(text):
        assert cv2.imread(str(folder / name)) is not None, name
    return text


def cells(text: str, row: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {row} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_training_ends_with_a_report(make_runner, work):
    runner = make_runner(HOOKS)
    runner.train()
    text = read(work)
    assert text.startswith("# toy: float\n")
    assert "4 of 4 epochs of 6 frames; 24 iterations of 1 × 1 frames" in text
    assert "last checkpoint: `epoch_4.pth`" in text
    best = next(work.glob("best_*.pth")).name
    assert f"best checkpoint: `{best}`" in text
    # after epoch e the lanes are 30 − 6e pixels aside, and at 6 all but the last frame's are right
    assert best == "best_culane_F1@50_epoch_4.pth"
    assert "## Scores (validation, epoch 4, 6 frames)" in text
    assert cells(text, "category")[:3] == ["frames", "lanes", "F1@50"]
    assert cells(text, "normal")[:3] == ["2", "2", "1.0000"]
    assert cells(text, "night")[:5] == ["4", "4", "0.7500", "0.7500", "0.7500"]
    assert cells(text, "all")[:3] == ["6", "6", f"{5 / 6:.4f}"]
    assert "`clip.MP4/00005.jpg` (night): 0 hit, 1 false, 1 missed at IoU 0.5" in text
    assert "`clip.MP4/00000.jpg` (normal): 1 hit, 0 false, 0 missed at IoU 0.5" in text
    assert links(text) == [
        "report/curves.png",
        "report/worst_1.jpg",
        "report/best_1.jpg",
        "report/best_2.jpg",
    ]
    # the frames' own pixels: the wrong one is frame 5, brightness 200
    worst = cv2.imread(str(work / "report/worst_1.jpg"))
    assert abs(float(np.median(worst[60:])) - 200) < 3


def test_own_data_without_categories(make_runner, lists, work):
    shutil.rmtree(lists / "list/test_split")
    make_runner(HOOKS, epochs=1).train()
    text = read(work)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows] == ["category", "---", "all"]
    assert "normal" not in text
    assert "`clip.MP4/00000.jpg`: 0 hit, 1 false, 1 missed" in text


def test_resume_goes_on_with_the_same_report(make_runner, work, tmp_path):
    make_runner(HOOKS).train()
    whole, state = read(work), read_json(work / "report/report.json")
    first = make_runner(HOOKS, work_dir=str(tmp_path / "again"), epochs=2)
    first.train()
    again = tmp_path / "again"
    # what came after the checkpoint that the run resumes from is redone
    before = read_json(again / "report/report.json")
    assert len(before["validations"]) == 2
    later = {"epoch": 3, "iter": 18, "metrics": {"culane/F1@50": 0.99}}
    before["validations"].append(later)
    before["best"].update(later)
    write_json(again / "report/report.json", before)
    second = make_runner(
        HOOKS, work_dir=str(again), resume=True, load_from=str(again / "epoch_2.pth")
    )
    second.train()
    assert read_json(again / "report/report.json") == state
    line = next(line for line in whole.splitlines() if line.startswith("- training"))
    assert line.rsplit(" in ", 1)[0] in read(again)
    losses = training_panels(second, state["validations"])["loss"]["loss"]
    assert list(np.round(losses[0] * 6)) == list(range(1, 25))


def test_a_new_training_starts_a_new_report(make_runner, work):
    make_runner(HOOKS, epochs=2).train()
    runner = make_runner(HOOKS, epochs=1)
    runner.train()
    assert len(read_json(work / "report/report.json")["validations"]) == 1


def test_an_interrupted_training_leaves_no_report(make_runner, work, monkeypatch):
    make_runner(HOOKS, epochs=1).train()
    assert (work / "report.md").is_file()
    runner = make_runner(HOOKS)
    hook = next(hook for hook in runner.hooks if isinstance(hook, ReportHook))

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(hook, "after_val_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert not (work / "report.md").exists()
    monkeypatch.undo()
    runner = make_runner(HOOKS, epochs=1)
    monkeypatch.setattr(report_hook, "write_picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert not (work / "report.md").exists()


def test_a_test_is_reported_beside_its_log(make_runner, work):
    runner = make_runner(HOOKS)
    runner.test()
    (path,) = work.glob("*/report.md")
    text = read(path.parent)
    assert path.parent == work / runner.timestamp
    assert "## Scores (test, 6 frames)" in text and "## Curves" not in text
    assert cells(text, "all")[2] == "0.0000"  # 30 pixels aside
    assert not (work / "report.md").exists()


def test_a_training_by_iterations(make_runner, work):
    loop = {"type": "IterBasedTrainLoop", "max_iters": 24, "val_interval": 12}
    hooks = HOOKS | {"checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 12}}
    make_runner(hooks, train_cfg=loop).train()
    text = read(work)
    assert "training: 24 iterations of 1 × 1 frames" in text
    assert "last checkpoint: `iter_24.pth`" in text
    assert "## Scores (validation, iteration 24, 6 frames)" in text  # the latest: no save_best


def test_another_metric_is_listed(make_runner, work):
    metric = {"type": "TuSimpleMetric"}
    make_runner(HOOKS, epochs=4, val_evaluator=metric, default_hooks=HOOKS).train()
    text = read(work)
    assert cells(text, "metric") == ["value"]
    assert "### Worst" in text and "`clip.MP4/00005.jpg` (night): 0 hit, 1 false, 1 missed" in text


def test_senseless_settings_are_refused():
    with pytest.raises(ValueError, match="num must be"):
        ReportHook(num=-1)
