"""Keypoints to lanes: the association of GaNet (arXiv 2204.07335, sec. 3.2) in numpy."""

from __future__ import annotations

import numpy as np


def pairwise_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances (N, M) of points (N, 2) and (M, 2)."""
    difference = a[:, None] - b[None]
    return np.sqrt((difference**2).sum(axis=-1))


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
    openers, group = np.unique(leader, return_inverse=True)
    sums = np.zeros((len(openers), 2))
    np.add.at(sums, group, roots)
    return np.trunc(sums / np.bincount(group)[:, None])


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


def merge_row_bands(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """One point a row of cells, bottom to top.

    Points of one band ``n ≤ y < n + 1`` become their mean weighted by confidence: it stays on
    the lane where the lane is straight within the band, and a weak neighbour hardly pulls it.

    Args:
        points: (N, 2) x, y in cells.
        confidence: (N,), positive.

    Returns:
        (M, 2) by strictly falling y, M ≤ N.
    """
    _, band = np.unique(np.floor(points[:, 1]), return_inverse=True)
    total = np.bincount(band, confidence)
    merged = [np.bincount(band, confidence * axis) / total for axis in points.T]
    return np.stack(merged, axis=1)[::-1]
