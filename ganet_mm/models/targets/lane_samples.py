"""Lanes' polylines as evenly spaced points on the network's output grid, a whole batch at once.

Lanes of any lengths lie one after the other in flat arrays, so that all but the splines is a fixed
number of numpy calls and not some thirty for each lane.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import splev, splrep

# Points within one band of this height (in cells; 0.08 pixels at stride 8) become one point: a
# lane is x as a function of y, and two x for one y have no interpolating spline.
BAND_HEIGHT = 0.01


def sample_lanes(
    lanes_feat: Sequence[np.ndarray], grid_shape: tuple[int, int], num_samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points at evenly spaced y along a smooth curve through each lane, bottom to top.

    Points left or right of the grid are dropped, the rest is fitted as x(y): an interpolating
    cubic B-spline, or a polyline where 3 points or fewer remain or the spline swings out.

    Args:
        lanes_feat: Lanes (N, 2) x, y in cells, points in any order.
        grid_shape: Rows and columns of the grid.
        num_samples: Number of points to give for a lane.

    Returns:
        - float64 (L, num_samples, 2) x, y in cells by falling y, with y within 0..rows.
        - int (L,): the lanes they belong to. Lanes without a stretch inside the grid are left out.

    Raises:
        ValueError: a coordinate is not finite.
    """
    rows, columns = grid_shape
    lanes = [np.asarray(lane, np.float64).reshape(-1, 2) for lane in lanes_feat]
    points = np.concatenate([np.empty((0, 2)), *lanes])
    lane = np.repeat(np.arange(len(lanes)), [len(each) for each in lanes])
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        broken = lanes[lane[~finite][0]]
        raise ValueError(f"a lane has coordinates that are not finite: {broken.tolist()}")
    inside = (points[:, 0] > 0) & (points[:, 0] < columns)
    points, lane = _strictly_by_row(points[inside], lane[inside])

    counts = np.bincount(lane, minlength=len(lanes))
    kept = np.flatnonzero(counts >= 2)
    last = counts.cumsum()[kept] - 1
    first = last - counts[kept] + 1
    # A lane wholly above or below the grid has nothing between its ends and the grid's.
    kept = kept[np.maximum(points[first, 1], 0) < np.minimum(points[last, 1], rows)]
    if len(kept) == 0:
        return np.empty((0, num_samples, 2)), kept

    points = points[np.isin(lane, kept)]
    last = counts[kept].cumsum() - 1
    first = last - counts[kept] + 1
    y = points[:, 1]
    top, bottom = np.maximum(y[first], 0), np.minimum(y[last], rows)
    sample_y = np.linspace(top, bottom, num_samples, axis=1)[:, ::-1]
    sample_x = _fit_x(points, first, last, sample_y)
    return np.stack([sample_x, sample_y], axis=2), kept


def _strictly_by_row(points: np.ndarray, lane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points sorted by lane, then rising y; those of one lane and band become their mean."""
    order = np.lexsort((points[:, 1], lane))
    points, lane = points[order], lane[order]
    band = np.floor(points[:, 1] / BAND_HEIGHT)
    is_new = (band[1:] != band[:-1]) | (lane[1:] != lane[:-1])
    if is_new.all():
        return points, lane
    starts = np.flatnonzero(np.append(True, is_new))
    counts = np.diff(starts, append=len(points))
    return np.add.reduceat(points, starts) / counts[:, None], lane[starts]


def _fit_x(
    points: np.ndarray, first: np.ndarray, last: np.ndarray, sample_y: np.ndarray
) -> np.ndarray:
    """x at ``sample_y`` (L, S) of the curves through the points ``first[i]..last[i]`` of strictly
    rising y."""
    x, y = points.T
    lanes = [slice(start, end + 1) for start, end in zip(first, last, strict=True)]
    sample_x = np.zeros_like(sample_y)
    for index in np.flatnonzero(last - first > 2):
        # FITPACK, a lane at a time, and not one system of all splines, which would take a
        # quarter off the whole: where a lane meets a border of cells, the last bit decides.
        own = lanes[index]
        sample_x[index] = splev(sample_y[index], splrep(y[own], x[own], s=0))
    # A lane that turns back in y is no function of y; sorted, it zigzags, and the spline through
    # it overshoots by many cells. The polyline cannot. Real lanes never come here.
    left, right = np.minimum.reduceat(x, first), np.maximum.reduceat(x, first)
    margin = 1 + 0.2 * (right - left)
    smooth = (sample_x.min(axis=1) >= left - margin) & (sample_x.max(axis=1) <= right + margin)
    for index in np.flatnonzero(~smooth | (last - first <= 2)):
        own = lanes[index]
        sample_x[index] = np.interp(sample_y[index], y[own], x[own])
    return sample_x
