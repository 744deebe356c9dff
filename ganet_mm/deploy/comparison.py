"""How far two makings of the same three maps are apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from rich.table import Table

from .onnx_file import OUTPUT_NAMES

Maps = tuple[np.ndarray, np.ndarray, np.ndarray]
KEYPOINT_LOGIT = float(np.log(0.4 / 0.6))  # the decoder's default kpt_thr 0.4 before the sigmoid


def compare_maps(
    frames: Iterable,
    reference: Callable[..., Maps],
    other: Callable[..., Maps],
) -> dict:
    """Runs both on the same frames and gathers their differences.

    Args:
        frames: What both functions take, e.g. network inputs float32 (1, 3, H, W).
        reference: A frame to kpts_logits (1, 1, h, w), pts_offset and int_offset (1, 2, h, w).
        other: The same, by another way.

    Returns:
        ``frames`` and, by map name, ``max``, ``mean`` and ``p99.9`` of the absolute difference,
        ``range``, the reference's largest absolute value, ``step``, a 255th of the reference's
        span, and ``within_step``, the share of cells that differ by no more than it;
        ``keypoint_flips``: share of cells that pass the keypoint threshold on one side only.

    Raises:
        ValueError: there was no frame.
    """
    pairs = [(reference(frame), other(frame)) for frame in frames]
    if not pairs:
        raise ValueError("there are no frames to compare on")
    result: dict = {"frames": len(pairs)}
    for index, name in enumerate(OUTPUT_NAMES):
        expected, actual = (np.stack([pair[side][index] for pair in pairs]) for side in (0, 1))
        difference = np.abs(expected - actual)
        step = float(np.ptp(expected)) / 255
        result[name] = {
            "max": float(difference.max()),
            "mean": float(difference.mean()),
            "p99.9": float(np.quantile(difference, 0.999)),
            "range": float(np.abs(expected).max()),
            "step": step,
            "within_step": float((difference <= step).mean()),
        }
        if index == 0:
            flips = (expected > KEYPOINT_LOGIT) != (actual > KEYPOINT_LOGIT)
            result["keypoint_flips"] = float(flips.mean())
    return result


def same_lanes(a: Sequence[np.ndarray], b: Sequence[np.ndarray], tolerance: float = 1.0) -> bool:
    """Whether two pictures' lanes are the same lanes.

    Args:
        a, b: Lanes (N, 2) in pixels of the original picture, in any order.
        tolerance: Pixels by which a point may be moved.
    """
    left = list(b)
    for lane in a:
        twins = (
            index
            for index, other in enumerate(left)
            if len(other) == len(lane) and np.abs(other - lane).max() <= tolerance
        )
        index = next(twins, None)
        if index is None:
            return False
        left.pop(index)
    return not left


def comparison_table(result: dict, title: str) -> Table:
    """What :func:`compare_maps` found, for the terminal."""
    table = Table(title=f"{title}, {result['frames']} frames")
    table.add_column("|difference| in", no_wrap=True)
    columns = ("max", "99.9 %", "mean", "one step", "within it")
    for column in columns:
        table.add_column(column, justify="right")
    for name in OUTPUT_NAMES:
        row = result[name]
        numbers = (f"{row[key]:.5f}" for key in ("max", "p99.9", "mean", "step"))
        table.add_row(name, *numbers, f"{row['within_step']:.3%}")
    table.caption = (
        f"cells on another side of the keypoint threshold: {result['keypoint_flips']:.4%}"
    )
    if "same_lanes" in result:
        table.caption += f"; frames with the same lanes: {result['same_lanes']:.2%}"
    return table
