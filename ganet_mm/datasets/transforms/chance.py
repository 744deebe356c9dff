"""Random numbers of the transforms: NumPy's global state, which mmengine seeds in each worker.

A generator of their own would be copied into every worker by a fork and draw the same there.
"""

from __future__ import annotations

import numpy as np


def happens(prob: float) -> bool:
    """True with probability ``prob``; draws one number always, so that seeds stay in step."""
    return np.random.random_sample() < prob  # noqa: NPY002


def uniform(low: float, high: float) -> float:
    """A number in [low, high)."""
    return np.random.uniform(low, high)  # noqa: NPY002


def integer(low: int, high: int) -> int:
    """A whole number in [low, high], both ends included."""
    return int(np.random.randint(low, high + 1))  # noqa: NPY002


def check_prob(prob: float) -> float:
    """``prob`` if it is a probability.

    Raises:
        ValueError: It is not in 0..1.
    """
    if not 0 <= prob <= 1:
        raise ValueError(f"prob={prob}; expected a probability in 0..1")
    return prob


def check_range(name: str, value: float | tuple[float, float]) -> tuple[float, float]:
    """``value`` as (low, high); one number ``a`` stands for (−a, a).

    Raises:
        ValueError: Neither a number nor a rising pair.
    """
    low, high = (-abs(value), abs(value)) if isinstance(value, (int, float)) else value
    if low > high:
        raise ValueError(f"{name}={value}; expected one number or (low, high)")
    return low, high
