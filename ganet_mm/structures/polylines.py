"""Coordinate maths of lanes, known to no mm package.

A lane is an array ``(N, 2)`` float32 of x, y in pixels of the frame its name says.
"""

from __future__ import annotations

import numpy as np


def as_lane(points) -> np.ndarray:
    """``points`` (any ``N×2`` nested sequence) as an array (N, 2) float32."""
    return np.asarray(points, dtype=np.float32).reshape(-1, 2)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Moves points (N, 2) by a 3×3 homography from one frame to another; float32 (N, 2).

    The product is taken in float64: a picture's width times a rotation leaves float32 too few
    digits for the 1e-3 pixel that the evaluator's rounding can notice.
    """
    homogeneous = np.column_stack(
        [np.asarray(points, np.float64).reshape(-1, 2), np.ones(len(points))]
    )
    moved = homogeneous @ np.asarray(matrix, np.float64).T
    return (moved[:, :2] / moved[:, 2:]).astype(np.float32)


def sort_bottom_to_top(points: np.ndarray) -> np.ndarray:
    """Points (N, 2) by falling y, CULane's file order; equal y keep their order."""
    return points[np.argsort(-points[:, 1], kind="stable")]
