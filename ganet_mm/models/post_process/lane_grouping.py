"""Keypoints to lanes: the association of GaNet (arXiv 2204.07335, sec. 3.2) in numpy."""

from __future__ import annotations

import numpy as np


def pairwise_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances (N, M) of points (N, 2) and (M, 2)."""
    x, y = (a[:, None, axis] - b[None, :, axis] for axis in (0, 1))
    return np.sqrt(x * x + y * y)


def group_roots(roots: np.ndarray, cluster_thr: float) -> np.ndarray:
    """Centres of the groups of roots.

    The rule: in the given order, a root joins the group of the first root before it that lies
    within ``cluster_thr``, whether that one opened the group or not; with none it opens one.

    Args:
        roots: (R, 2) cells, in column order (by x, then y).
        cluster_thr: Distance in cells.

    Returns:
        (G, 2) means of the groups, truncated to integer cells, in the order of their openers.
    """
    if len(roots) == 0:
        return np.empty((0, 2))
    # The first root within reach is at the latest the root itself, which then opens a group.
    leader = (pairwise_distance(roots, roots) <= cluster_thr).argmax(axis=1)
    while (leader[leader] != leader).any():
        leader = leader[leader]
    is_opener = leader == np.arange(len(roots))
    group = (is_opener.cumsum() - 1)[leader]
    sums = np.array([np.bincount(group, axis) for axis in roots.T])
    return np.trunc(sums / np.bincount(group)).T.copy()


def assign_to_centres(starts: np.ndarray, centres: np.ndarray, cluster_thr: float) -> np.ndarray:
    """Index of the nearest centre for each predicted start, −1 where none is near.

    Args:
        starts: (K, 2) predicted start points in cells.
        centres: (G, 2) cells, G ≥ 1.
        cluster_thr: Greatest distance in cells.

    Returns:
        int (K,).
    """
    distance = pairwise_distance(starts, centres)
    nearest = distance.argmin(axis=1)
    return np.where(distance.min(axis=1) <= cluster_thr, nearest, -1)


def merge_row_bands(
    points: np.ndarray, confidence: np.ndarray, lane: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One point a lane and row of cells.

    A lane's points of one band ``n ≤ y < n + 1`` become their mean weighted by confidence: it
    stays on the lane where the lane is straight within the band, and a weak neighbour hardly pulls
    it.

    Args:
        points: (N, 2) x, y in cells, of any number of lanes.
        confidence: (N,), positive.
        lane: int (N,), each point's lane.

    Returns:
        - (M, 2) by rising lane, then strictly falling y, M ≤ N.
        - int (M,): their lanes.
    """
    if len(points) == 0:
        return points, lane
    band = np.floor(points[:, 1])
    order = np.lexsort((-band, lane))
    band, lane = band[order], lane[order]
    is_first = np.empty(len(band), bool)
    is_first[0] = True
    is_first[1:] = (band[1:] != band[:-1]) | (lane[1:] != lane[:-1])
    first = is_first.nonzero()[0]
    weight = confidence[order, None]
    total = np.add.reduceat(weight, first)
    return np.add.reduceat(weight * points[order], first) / total, lane[first]
