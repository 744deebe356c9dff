import pytest
import torch
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from ganet_mm.engine.hooks import CheckpointHook
from ganet_mm.engine.stages import best_checkpoint, latest_checkpoint


class Stopped(Exception):
    """Stands in for whatever ends a run in the middle of a save."""


def names(work) -> list[str]:
    return sorted(path.name for path in work.glob("*.pth"))


def hooks(**settings) -> dict:
    return {
        "checkpoint": {
            "type": "CheckpointHook",
            "interval": 1,
            "save_best": "culane/F1@50",
            "rule": "greater",
            **settings,
        }
    }


def test_a_config_gets_this_hook_and_keeps_what_mmengines_keeps(make_runner, work):
    runner = make_runner(hooks(max_keep_ckpts=2))
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, MMEngineCheckpointHook)]
    assert type(hook) is CheckpointHook
    runner.train()
    assert names(work) == ["best_culane_F1@50_epoch_4.pth", "epoch_3.pth", "epoch_4.pth"]
    assert (work / "last_checkpoint").read_text() == str(work / "epoch_4.pth")


@pytest.mark.parametrize("at", range(1, 12))
def test_a_run_stopped_in_a_save_keeps_a_best_and_a_latest_checkpoint(
    make_runner, work, monkeypatch, at
):
    """The write number ``at`` never happens, and nothing after it."""
    runner = make_runner(hooks(max_keep_ckpts=1))
    saves = iter(range(1, 100))
    save = runner.save_checkpoint
    seen_best = []

    def stopping_save(out_dir, filename, *args, **kwargs):
        if next(saves) == at:
            raise Stopped
        save(out_dir, filename, *args, **kwargs)
        seen_best.extend([filename] * filename.startswith("best"))

    monkeypatch.setattr(runner, "save_checkpoint", stopping_save)
    try:
        runner.train()
    except Stopped:
        latest = latest_checkpoint(work.parent, "work")
        assert (latest is None) == (at == 1)
        if latest is not None:
            torch.load(latest, weights_only=True)
        if seen_best:
            assert best_checkpoint(work.parent, "work").name == seen_best[-1]
    else:
        assert at > next(saves) - 2


def test_resume_after_a_stop_in_a_save(make_runner, work, monkeypatch):
    runner = make_runner(hooks(max_keep_ckpts=1))
    save = runner.save_checkpoint

    def stopping_save(out_dir, filename, *args, **kwargs):
        if filename == "epoch_3.pth":
            raise Stopped
        save(out_dir, filename, *args, **kwargs)

    monkeypatch.setattr(runner, "save_checkpoint", stopping_save)
    with pytest.raises(Stopped):
        runner.train()
    assert "epoch_2.pth" in names(work)
    again = make_runner(
        hooks(max_keep_ckpts=1), resume=True, load_from=str(latest_checkpoint(work.parent, "work"))
    )
    again.train()
    assert again.epoch == 4
    assert "epoch_4.pth" in names(work)
    assert best_checkpoint(work.parent, "work").name == "best_culane_F1@50_epoch_4.pth"
