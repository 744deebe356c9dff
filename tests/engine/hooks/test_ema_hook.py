import pytest
import torch

from ganet_mm.engine.hooks import EMAHook

LINE = {"ema": {"type": "EMAHook"}}


def weight(checkpoint, key="state_dict") -> float:
    state = checkpoint[key]
    name = "weight" if key == "state_dict" else "module.weight"
    return float(state[name])


def test_validated_and_saved_are_averaged_weights(make_runner, work):
    runner = make_runner(LINE)
    seen = []
    hook = next(hook for hook in runner.hooks if isinstance(hook, EMAHook))
    forward = runner.model.forward

    def watching(inputs, data_samples=None, mode="tensor"):
        if mode == "predict":
            seen.append(float(runner.model.weight))
        return forward(inputs, data_samples, mode)

    runner.model.forward = watching
    runner.train()
    checkpoint = torch.load(work / "epoch_4.pth", weights_only=True)
    # gamma / (gamma + steps) of the way to the newest weight, an iteration
    average = None
    for step in range(24):
        newest = max(2.0, 30.0 - step - 1)
        average = newest if step == 0 else average + 10 / (10 + step) * (newest - average)
    assert weight(checkpoint) == pytest.approx(average, abs=1e-4)
    assert weight(checkpoint, "ema_state_dict") == pytest.approx(6.0)
    assert seen[-1] == pytest.approx(average, abs=1e-4)
    assert float(runner.model.weight) == pytest.approx(6.0)  # trained on
    assert hook.ema_model.update_buffers


def test_resume_goes_on_with_both(make_runner, work, tmp_path):
    make_runner(LINE).train()
    whole = torch.load(work / "epoch_4.pth", weights_only=True)
    again = tmp_path / "again"
    make_runner(LINE, epochs=2, work_dir=str(again)).train()
    make_runner(
        LINE, work_dir=str(again), resume=True, load_from=str(again / "epoch_2.pth")
    ).train()
    resumed = torch.load(again / "epoch_4.pth", weights_only=True)
    for key in ("state_dict", "ema_state_dict"):
        for name, value in whole[key].items():
            assert torch.equal(resumed[key][name], value), (key, name)


def test_the_line_on_top_of_mmengines_settings(make_runner):
    runner = make_runner({"ema": {"type": "EMAHook", "ema_type": "ExponentialMovingAverage"}})
    runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, EMAHook))
    assert hook.ema_model.momentum == 2e-4
