"""Moving a picture's lanes, shape and matrix together."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from ganet_mm.structures.polylines import transform_points


def scaling(x: float, y: float) -> np.ndarray:
    """3×3 matrix of x' = x · ``x``, y' = y · ``y``."""
    return np.diag([x, y, 1.0])


def translation(x: float, y: float) -> np.ndarray:
    """3×3 matrix of x' = x + ``x``, y' = y + ``y``."""
    matrix = np.eye(3)
    matrix[:2, 2] = x, y
    return matrix


def moved(results: dict, img: np.ndarray, matrix: np.ndarray) -> dict:
    """``results`` with the picture ``img`` and everything else moved by ``matrix``.

    Args:
        results: A frame; left as it is.
        img: (H, W, 3), the moved picture.
        matrix: 3×3, the frame's present coordinates to those of ``img``.
    """
    return {
        **results,
        "img": img,
        "img_shape": img.shape[:2],
        "gt_lanes": move_lanes(results["gt_lanes"], matrix),
        "matrix": matrix @ results["matrix"],
    }


def move_lanes(lanes: list[np.ndarray], matrix: np.ndarray) -> list[np.ndarray]:
    """Lanes (N, 2) moved by a 3×3 matrix, in one product: lanes are short, calls are not free."""
    if not lanes:
        return []
    points = transform_points(np.concatenate(lanes), matrix)
    ends = list(accumulate(len(lane) for lane in lanes))
    return [points[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
