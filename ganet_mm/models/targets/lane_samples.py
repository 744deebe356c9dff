"""A lane's polyline as evenly spaced points on the network's output grid."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import splev, splrep

# Points within one band of this height (in cells; 0.08 pixels at stride 8) become one point: a
# lane is x as a function of y, and two x for one y have no interpolating spline.
BAND_HEIGHT = 0.01


def sample_lane(
    lane_feat: np.ndarray, grid_shape: tuple[int, int], num_samples: int
) -> np.ndarray | None:
    """Points at evenly spaced y along a smooth curve through the lane, bottom to top.

    Points left or right of the grid are dropped, the rest is fitted as x(y): an interpolating
    cubic B-spline, or a polyline where 3 points or fewer remain or the spline swings out.

    Args:
        lane_feat: (N, 2) x, y in cells, in any order.
        grid_shape: Rows and columns of the grid.
        num_samples: Number of points to give.

    Returns:
        float64 (num_samples, 2) x, y in cells by falling y, with y within 0..rows; None if the
        lane has no stretch inside the grid.

    Raises:
        ValueError: a coordinate is not finite.
    """
    rows, columns = grid_shape
    points = np.asarray(lane_feat, np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError(f"a lane has coordinates that are not finite: {points.tolist()}")
    points = points[(points[:, 0] > 0) & (points[:, 0] < columns)]
    points = _strictly_by_row(points)
    if len(points) < 2:
        return None
    x, y = points.T
    top, bottom = max(y[0], 0), min(y[-1], rows)
    if top >= bottom:  # wholly above or below the grid
        return None
    sample_y = np.linspace(top, bottom, num_samples)[::-1]
    sample_x = _fit_x(x, y, sample_y)
    return np.stack([sample_x, sample_y], axis=1)


def _strictly_by_row(points: np.ndarray) -> np.ndarray:
    """Points sorted by rising y; those of one band become their mean."""
    points = points[np.argsort(points[:, 1], kind="stable")]
    band = np.floor(points[:, 1] / BAND_HEIGHT)
    is_new = band[1:] != band[:-1]
    if is_new.all():
        return points
    starts = np.flatnonzero(np.append(True, is_new))
    counts = np.diff(starts, append=len(points))
    return np.add.reduceat(points, starts) / counts[:, None]


def _fit_x(x: np.ndarray, y: np.ndarray, sample_y: np.ndarray) -> np.ndarray:
    """x at ``sample_y`` of the curve through points of strictly rising ``y``."""
    if len(x) > 3:
        sample_x = splev(sample_y, splrep(y, x, s=0))
        # A lane that turns back in y is no function of y; sorted, it zigzags, and the spline
        # through it overshoots by many cells. The polyline cannot. Real lanes never come here.
        left, right = x.min(), x.max()
        margin = 1 + 0.2 * (right - left)
        if sample_x.min() >= left - margin and sample_x.max() <= right + margin:
            return sample_x
    return np.interp(sample_y, y, x)
