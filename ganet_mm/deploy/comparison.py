"""How far two makings of the same three maps are apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from rich.table import Table

from .onnx_file import OUTPUT_NAMES

Maps = tuple[np.ndarray, np.ndarray, np.ndarray]
KEYPOINT_LOGIT = float(np.log(0.4 / 0.6))  # the decoder's default kpt_thr 0.4 before the sigmoid


def compare_maps(
    frames: Iterable[np.ndarray],
    reference: Callable[[np.ndarray], Maps],
    other: Callable[[np.ndarray], Maps],
) -> dict:
    """Runs both on the same frames and gathers their differences.

    Args:
        frames: Network inputs float32 (1, 3, H, W).
        reference: Input to kpts_logits (1, 1, h, w), pts_offset and int_offset (1, 2, h, w).
        other: The same, by another way.

    Returns:
        ``frames`` and, by map name, ``max``, ``mean`` and ``p99.9`` of the absolute difference and
        ``range``, the reference's largest absolute value; ``keypoint_flips``: share of cells that
        pass the keypoint threshold on one side only.

    Raises:
        ValueError: there was no frame.
    """
    differences: dict[str, list[np.ndarray]] = {name: [] for name in OUTPUT_NAMES}
    largest = dict.fromkeys(OUTPUT_NAMES, 0.0)
    flips = cells = count = 0
    for frame in frames:
        expected, actual = reference(frame), other(frame)
        count += 1
        for name, a, b in zip(OUTPUT_NAMES, expected, actual, strict=True):
            differences[name].append(np.abs(a - b).ravel())
            largest[name] = max(largest[name], float(np.abs(a).max()))
        flips += int(((expected[0] > KEYPOINT_LOGIT) != (actual[0] > KEYPOINT_LOGIT)).sum())
        cells += expected[0].size
    if not count:
        raise ValueError("there are no frames to compare on")
    result: dict = {"frames": count, "keypoint_flips": flips / cells}
    for name, parts in differences.items():
        difference = np.concatenate(parts)
        result[name] = {
            "max": float(difference.max()),
            "mean": float(difference.mean()),
            "p99.9": float(np.quantile(difference, 0.999)),
            "range": largest[name],
        }
    return result


def comparison_table(result: dict, title: str) -> Table:
    """What :func:`compare_maps` found, for the terminal."""
    table = Table(title=f"{title}, {result['frames']} frames")
    table.add_column("map")
    for column in ("max |difference|", "99.9 %", "mean", "largest |value|"):
        table.add_column(column, justify="right")
    for name in OUTPUT_NAMES:
        row = result[name]
        table.add_row(name, *(f"{row[key]:.5f}" for key in ("max", "p99.9", "mean", "range")))
    table.caption = (
        f"cells on another side of the keypoint threshold: {result['keypoint_flips']:.4%}"
    )
    return table
