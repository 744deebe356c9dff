"""Milliseconds a frame of several models, measured side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np


def measure_latency(
    models: Mapping[str, Callable[[np.ndarray], object]],
    input_size: tuple[int, int],
    repeats: int = 30,
    warm_up: int = 5,
) -> dict[str, float]:
    """Median time of one frame through each model, network alone.

    The models take turns, so that a machine that slows down or speeds up does so for all.

    Args:
        models: By name, a function of the network input float32 (1, 3, H, W).
        input_size: (height, width) of the network's input.
        repeats: Timed turns.
        warm_up: Turns before them that are not timed.

    Returns:
        Milliseconds by name.
    """
    frame = np.random.default_rng(0).uniform(-1, 1, (1, 3, *input_size)).astype(np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(warm_up + repeats):
        for name, run in models.items():
            start = time.perf_counter()
            run(frame)
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * float(np.median(values)) for name, values in seconds.items()}
