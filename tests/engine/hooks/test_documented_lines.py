"""The configuration that docs/get_started.md shows is run as it stands there."""

import re
from pathlib import Path

import torch

from ganet_mm.engine.hooks import EarlyStoppingHook, EMAHook


def documented() -> dict:
    text = Path("docs/get_started.md").read_text(encoding="utf-8")
    (block,) = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "EMAHook" in block
    ]
    settings = {}
    exec(block, settings)
    return settings["default_hooks"]


def test_averaged_weights_and_early_stopping(make_runner, work):
    lines = documented()
    assert {line["type"] for line in lines.values()} == {"EMAHook", "EarlyStoppingHook"}
    runner = make_runner(lines, epochs=40)
    runner.train()
    assert runner.epoch < 40
    stopping = next(hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook))
    assert stopping.wait_count == lines["early_stopping"]["patience"]
    assert any(isinstance(hook, EMAHook) for hook in runner.hooks)
    checkpoint = torch.load(work / f"epoch_{runner.epoch}.pth", weights_only=True)
    assert "ema_state_dict" in checkpoint
