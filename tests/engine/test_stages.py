import os

import pytest
from mmengine.config import Config

from ganet_mm.engine.stages import (
    best_checkpoint,
    calibrated_checkpoint,
    latest_checkpoint,
    stage_config,
    work_root,
)

CONFIGS = ("configs/ganet_culane.py", "configs/ganet_synlane.py")


@pytest.mark.parametrize("path", CONFIGS)
def test_float_is_the_config_itself(path):
    cfg = Config.fromfile(path)
    staged = stage_config(cfg, "float")
    assert staged.stage == "float"
    assert staged.model == cfg.model
    assert "stage" not in cfg  # the input is left alone


@pytest.mark.parametrize("path", CONFIGS)
@pytest.mark.parametrize("stage", ["calibration", "qat"])
def test_a_quantized_stage_wraps_the_float_model(path, stage):
    cfg = Config.fromfile(path)
    staged = stage_config(cfg, stage)
    assert staged.stage == stage
    assert staged.model.type == "QuantLaneDetector"
    architecture = dict(cfg.model)
    preprocessor = architecture.pop("data_preprocessor")
    assert staged.model.architecture == architecture
    assert staged.model.data_preprocessor == preprocessor
    assert cfg.model.type == "GaNet"


def test_each_stage_runs_mmrazors_loop():
    cfg = Config.fromfile("configs/ganet_culane.py")
    assert stage_config(cfg, "calibration").test_cfg.type == "mmrazor.PTQLoop"
    qat = stage_config(cfg, "qat")
    assert qat.train_cfg.type == "mmrazor.QATEpochBasedLoop"
    assert qat.optim_wrapper.optimizer.type == "Adam"  # merged over, not replaced
    assert qat.optim_wrapper.optimizer.lr < cfg.optim_wrapper.optimizer.lr


def test_an_unknown_or_undescribed_stage_is_named():
    cfg = Config.fromfile("configs/ganet_culane.py")
    with pytest.raises(ValueError, match="stage 'int8' is unknown"):
        stage_config(cfg, "int8")
    del cfg.stages["qat"]
    with pytest.raises(ValueError, match=r"no `stages.qat`"):
        stage_config(cfg, "qat")


def test_work_root_prefers_the_command_line():
    cfg = Config.fromfile("configs/ganet_culane.py")
    assert work_root(cfg).as_posix() == "work_dirs/ganet_culane"
    cfg.work_dir = "from/config"
    assert work_root(cfg).as_posix() == "from/config"
    assert work_root(cfg, "from/line").as_posix() == "from/line"


def touch(path, age: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (1e9 - age, 1e9 - age))


def test_the_newest_best_checkpoint_is_found(tmp_path):
    touch(tmp_path / "float/best_culane_F1@50_epoch_2.pth", age=9)
    touch(tmp_path / "float/best_culane_F1@50_epoch_5.pth", age=1)
    touch(tmp_path / "float/epoch_6.pth", age=0)
    assert best_checkpoint(tmp_path, "float").name == "best_culane_F1@50_epoch_5.pth"


def test_without_validation_the_last_checkpoint_serves(tmp_path):
    touch(tmp_path / "float/epoch_3.pth", age=0)
    (tmp_path / "float/last_checkpoint").write_text("/moved/elsewhere/float/epoch_3.pth")
    assert best_checkpoint(tmp_path, "float") == tmp_path / "float/epoch_3.pth"


def test_a_missing_checkpoint_says_which_command_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`python tools/train.py CONFIG`"):
        best_checkpoint(tmp_path, "float")
    with pytest.raises(FileNotFoundError, match=r"CONFIG --stage qat`"):
        best_checkpoint(tmp_path, "qat")
    with pytest.raises(FileNotFoundError, match=r"CONFIG --stage calibration`"):
        calibrated_checkpoint(tmp_path)


def test_the_newest_calibration_is_found(tmp_path):
    touch(tmp_path / "calibration/20260101_000000/model_ptq.pth", age=5)
    touch(tmp_path / "calibration/20260102_000000/model_ptq.pth", age=2)
    assert calibrated_checkpoint(tmp_path).parent.name == "20260102_000000"


@pytest.mark.parametrize(
    ("stage", "left"),
    [("float", {"ema", "stop"}), ("calibration", set()), ("qat", {"stop"})],
)
def test_a_stage_keeps_only_the_hooks_that_suit_it(stage, left):
    cfg = Config.fromfile("configs/ganet_culane.py")
    cfg.default_hooks.ema = dict(type="EMAHook")
    cfg.custom_hooks = [
        dict(type="mmengine.EMAHook"),
        dict(type="EarlyStoppingHook", monitor="culane/F1@50"),
        dict(type="SyncBuffersHook"),
    ]
    staged = stage_config(cfg, stage)
    names = {"mmengine.EMAHook": "ema", "EarlyStoppingHook": "stop"}
    kept = [hook.type for hook in staged.custom_hooks]
    assert {names[name] for name in kept if name in names} == left
    assert "SyncBuffersHook" in kept
    assert ("ema" in staged.default_hooks) == ("ema" in left)
    assert "checkpoint" in staged.default_hooks
    assert len(cfg.custom_hooks) == 3  # the input is left alone


def test_the_latest_checkpoint_is_the_one_noted(tmp_path):
    assert latest_checkpoint(tmp_path, "float") is None
    touch(tmp_path / "float/epoch_2.pth", age=5)
    touch(tmp_path / "float/epoch_3.pth", age=1)
    touch(tmp_path / "float/best_culane_F1@50_epoch_3.pth", age=0)
    note = tmp_path / "float/last_checkpoint"
    note.write_text("/moved/elsewhere/float/epoch_2.pth")
    assert latest_checkpoint(tmp_path, "float").name == "epoch_2.pth"
    # a run killed while it wrote the note, and one whose noted file was removed
    for text in ("", "float/epoch_1.pth"):
        note.write_text(text)
        assert latest_checkpoint(tmp_path, "float").name == "epoch_3.pth"
