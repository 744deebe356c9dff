"""Lanes' polylines as evenly spaced points on the network's output grid, a whole batch at once.

Lanes of any lengths lie one after the other in flat arrays, so that the work is a fixed number of
numpy calls and not some thirty for each lane.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_banded

# Points within one band of this height (in cells; 0.08 pixels at stride 8) become one point: a
# lane is x as a function of y, and two x for one y have no interpolating spline.
BAND_HEIGHT = 0.01
# Points nearer in y than this, in two bands nevertheless, are joined by straight lines.
SMALLEST_STEP = 1e-6


def sample_lanes(
    lanes_feat: Sequence[np.ndarray], grid_shape: tuple[int, int], num_samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points at evenly spaced y along a smooth curve through each lane, bottom to top.

    Points left or right of the grid are dropped, the rest is fitted as x(y): an interpolating
    cubic spline, or a polyline where 3 points or fewer remain or the spline swings out.

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
    sample_y = np.linspace(bottom, top, num_samples, axis=1)
    sample_x = _fit_x(points, first, last, sample_y, rows)
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
    points: np.ndarray, first: np.ndarray, last: np.ndarray, sample_y: np.ndarray, rows: int
) -> np.ndarray:
    """x at ``sample_y`` (L, S) of the curves through the points ``first[i]..last[i]``.

    ``sample_y`` lies in 0..rows and between the ends of its lane; each lane's y rises strictly.
    """
    x, y = points.T
    step = np.diff(y)
    step[last[:-1]] = 1  # between lanes: a number to divide by
    slope = np.diff(x) / step
    smooth = (last - first > 2) & (np.minimum.reduceat(step, first) > SMALLEST_STEP)
    tangent = _tangents(step, slope, first[smooth], last[smooth])

    # The interval of each sample, by one search: every lane gets a stretch of its own.
    offset = np.arange(len(first)) * (rows + 3)
    lane_of_point = np.repeat(np.arange(len(first)), last - first + 1)
    interval = np.searchsorted(
        y.clip(-1, rows + 1) + offset[lane_of_point], sample_y + offset[:, None], side="right"
    )
    interval = (interval - 1).clip(first[:, None], last[:, None] - 1)

    way, step, slope = sample_y - y[interval], step[interval], slope[interval]
    start, end = tangent[interval], tangent[interval + 1]
    polyline = x[interval] + way * slope
    bend = (start + end - 2 * slope) / step
    spline = x[interval] + way * (start + way * ((slope - start) / step - bend + way * bend / step))
    # A lane that turns back in y is no function of y; sorted, it zigzags, and the spline through
    # it overshoots by many cells. The polyline cannot. Real lanes never come here.
    left, right = np.minimum.reduceat(x, first), np.maximum.reduceat(x, first)
    margin = 1 + 0.2 * (right - left)
    smooth &= (spline.min(axis=1) >= left - margin) & (spline.max(axis=1) <= right + margin)
    return np.where(smooth[:, None], spline, polyline)


def _tangents(
    step: np.ndarray, slope: np.ndarray, first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """dx/dy at every point of the cubic splines through the points ``first[i]..last[i]``.

    The spline is scipy's ``splrep`` with ``s=0``: the second and the second last point are no
    knots. Its tangents solve three-term equations, and those of all lanes are one tridiagonal
    system. Points of no given lane get 0.

    Args:
        step: (P − 1,) y from each point to the next.
        slope: (P − 1,) dx/dy from each point to the next.
        first: Lanes' first points.
        last: Lanes' last points, at least 3 after the first.
    """
    count = len(step) + 1
    bands = np.zeros((3, count))  # [k, j]: coefficient of tangent j in equation j + k − 1
    bands[1] = 1
    right = np.zeros(count)
    within = np.zeros(count + 1, int)
    within[first + 1] += 1
    within[last] -= 1
    at = np.flatnonzero(within.cumsum())
    before, after = step[at - 1], step[at]
    bands[2, at - 1], bands[1, at], bands[0, at + 1] = after, 2 * (before + after), before
    right[at] = 3 * (after * slope[at - 1] + before * slope[at])
    # The ends: one cubic through the first (last) three points.
    for end, near, far, inward, band in (
        (first, first, first + 1, 1, 0),
        (last, last - 1, last - 2, -1, 2),
    ):
        both = step[near] + step[far]
        bands[1, end], bands[band, end + inward] = step[far], both
        right[end] = (
            (step[near] + 2 * both) * step[far] * slope[near] + step[near] ** 2 * slope[far]
        ) / both
    return solve_banded((1, 1), bands, right, overwrite_ab=True, check_finite=False)
