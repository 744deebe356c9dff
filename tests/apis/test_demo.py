import os

import pytest
from mmengine.config import Config

from ganet_mm.apis import demo


def touch(path, when: float):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (when, when))
    return path


def step(tmp_path, words=("-c", "pass"), inputs=()) -> demo.Step:
    return demo.Step("a step", lambda: words, lambda: tmp_path / "out", lambda: inputs)


def test_a_step_is_done_when_its_output_is_newer_than_its_inputs(tmp_path):
    source = touch(tmp_path / "source", 1000)
    assert not step(tmp_path, inputs=[source]).is_done()
    touch(tmp_path / "out", 900)
    assert not step(tmp_path, inputs=[source]).is_done()
    touch(tmp_path / "out", 1100)
    assert step(tmp_path, inputs=[source]).is_done()


def test_a_done_step_is_not_run_again(tmp_path, capfd):
    touch(tmp_path / "out", 1000)
    step(tmp_path, ("-c", "print('ran')")).run()
    assert "ran" not in capfd.readouterr().out.splitlines()


def test_a_failed_step_stops_the_demo_and_names_itself(tmp_path):
    with pytest.raises(SystemExit, match=r"'a step' failed \(exit status 3\)"):
        step(tmp_path, ("-c", "raise SystemExit(3)")).run()


def test_the_steps_are_the_tools_in_their_order(tmp_path):
    cfg = Config.fromfile("configs/ganet_synlane.py")
    titles = [s.title for s in demo.steps(cfg, tmp_path, cfg.filename, (8, 2, 9), seed=0)]
    assert titles == [
        "Draw roads in CULane's layout",
        "Pack train",
        "Pack val",
        "Pack test",
        "Train float",
        "Calibrate",
        "Train QAT",
        "Export to int8",
        "Evaluate float",
        "Evaluate calibration",
        "Evaluate qat",
        "Evaluate int8",
    ]


def test_an_interrupted_training_is_resumed(tmp_path):
    cfg = Config.fromfile("configs/ganet_synlane.py")

    def words():
        steps = demo.steps(cfg, tmp_path, cfg.filename, (8, 2, 9), seed=0)
        return next(s for s in steps if s.title == "Train float").command()

    assert "--resume" not in words()
    touch(tmp_path / "float" / "last_checkpoint", 1000)
    assert "--resume" in words()
