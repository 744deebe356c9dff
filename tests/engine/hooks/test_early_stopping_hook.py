import pytest

from ganet_mm.engine.hooks import EarlyStoppingHook

LINE = {
    "type": "EarlyStoppingHook",
    "monitor": "culane/F1@50",
    "rule": "greater",
    "min_delta": 0.001,
    "patience": 2,
}


def hook_of(runner) -> EarlyStoppingHook:
    return next(hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook))


@pytest.mark.parametrize("loop", ["EpochBasedTrainLoop", "mmrazor.QATEpochBasedLoop"])
def test_a_plateau_ends_the_training(make_runner, loop):
    runner = make_runner(
        {"early_stopping": LINE | {"patience": 4}},
        train_cfg={"type": loop, "max_epochs": 20},
    )
    runner.model.sync_qparams = lambda src_mode: None  # what mmrazor's loop asks of its models
    runner.train()
    # the lanes are 30 pixels aside, 6 less every epoch; the score is 0, then 5/6, and stays there
    assert hook_of(runner).best_score == pytest.approx(5 / 6)
    assert hook_of(runner).wait_count == 4
    assert 7 <= runner.epoch <= 8


def test_resume_does_not_forget_the_patience(make_runner, work):
    line = {"early_stopping": LINE | {"patience": 50}}
    first = make_runner(line, epochs=9)
    first.train()
    second = make_runner(line, epochs=10, resume=True, load_from=str(work / "epoch_9.pth"))
    second.train()
    # the validation after the last checkpoint is not in it
    assert hook_of(second).wait_count == hook_of(first).wait_count
    assert hook_of(second).best_score == hook_of(first).best_score


def test_an_unknown_metric_is_an_error_that_names_the_known_ones(make_runner):
    runner = make_runner({"early_stopping": LINE | {"monitor": "culane/F1@5"}})
    with pytest.raises(ValueError, match=r"monitor='culane/F1@5'.*culane/F1@50"):
        runner.train()
