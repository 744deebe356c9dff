"""What a run can tell of itself: the facts and curves of its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop, Runner

from ..visualization.curves import Curve, moving_average

SMOOTHING = 50  # iterations, as the log's window


def facts(runner: Runner, best_metrics: dict[str, float]) -> list[tuple[str, str]]:
    """What was run, as the lines at a report's head; ``best_metrics`` are empty for a test."""
    cfg, hub = runner.cfg, runner.message_hub
    found = []
    if cfg.filename:
        found.append(("config", f"`{Path(cfg.filename).name}`"))
    if cfg.get("started_from"):
        found.append(("weights", f"`{cfg.started_from}`"))
    if cfg.model.get("backend"):
        found.append(("runtime", str(cfg.model.backend)))
    if best_metrics:
        frames = len(runner.train_dataloader.dataset)
        batch = runner.train_dataloader.batch_size
        seconds = float(np.nansum(_history(runner, "train/time")))
        epochs = ""
        if by_epoch(runner):
            epochs = f"{runner.epoch} of {cfg.train_cfg.max_epochs} epochs of {frames} frames; "
        steps = f"{runner.iter} iterations of {get_world_size()} × {batch} frames"
        found.append(("training", f"{epochs}{steps} in {_duration(seconds)}"))
        for name, key in (("best checkpoint", "best_ckpt"), ("last checkpoint", "last_ckpt")):
            if key in hub.runtime_info:
                found.append((name, f"`{Path(hub.get_info(key)).name}`"))
    device = next(runner.model.parameters(), torch.zeros(0)).device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    found += [
        ("device", f"{name}, PyTorch {torch.__version__}"),
        ("log", f"`{Path(runner.log_dir).name}/`"),
    ]
    return found


def training_panels(runner: Runner, validations: list[dict]) -> dict[str, dict[str, Curve]]:
    """The curves of a training: losses, learning rate, and what its validations gave."""
    scale = 1 / len(runner.train_dataloader) if by_epoch(runner) else 1.0
    losses, rates = {}, {}
    for key in runner.message_hub.log_scalars:
        kind, _, name = key.partition("/")
        if kind != "train" or not (name == "lr" or name.startswith("loss")):
            continue
        values = _history(runner, key)
        x = (np.arange(len(values)) + 1 + runner.iter - len(values)) * scale
        if name == "lr":
            rates["lr"] = (x, values)
        else:
            losses[name] = (x, moving_average(values, SMOOTHING))
    x = [validation["iter"] * scale for validation in validations]
    scores, categories = {}, {}
    for key in dict.fromkeys(key for v in validations for key in v["metrics"]):
        values = [validation["metrics"].get(key, np.nan) for validation in validations]
        name = key.rsplit("/", 1)[-1]
        if "_" not in name:
            scores[name] = (x, values)
        elif name.startswith("F1@"):
            categories[name.split("_", 1)[1]] = (x, values)
    return {
        "loss": losses,
        "learning rate": rates,
        "validation": scores,
        "validation, F1 by category": categories,
    }


def by_epoch(runner: Runner) -> bool:
    """Whether a training counts epochs, not iterations alone."""
    return isinstance(runner.train_loop, EpochBasedTrainLoop)


def _history(runner: Runner, key: str) -> np.ndarray:
    buffer = runner.message_hub.log_scalars.get(key)
    if buffer is None:
        return np.zeros(0)
    sums, counts = buffer.data
    return np.asarray(sums, np.float64) / np.maximum(counts, 1)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
