"""CULane's lane IoU and counts, exactly as the official C++ program gives them.

Two of its accidents are kept, because published numbers contain them: a lane with a repeated
point can match nothing but its own copy, and a pair of lanes wholly outside the picture (IoU 0/0)
can cost a good lane its match. ``fix_degenerate`` counts the latter as plain misses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .matching import match_lanes
from .raster import LANE_WIDTH, LaneRaster


def lane_ious(
    pred_lanes: Sequence[np.ndarray],
    gt_lanes: Sequence[np.ndarray],
    img_shape: tuple[int, int],
    lane_width: int = LANE_WIDTH,
) -> np.ndarray:
    """IoU of every predicted with every annotated lane.

    A lane with fewer than two points has IoU 0 with all. Two lanes that both lie wholly outside
    the picture have 0/0 = NaN.

    Args:
        pred_lanes, gt_lanes: P and G arrays (N, 2), pixels of the original picture, file order.
        img_shape: (height, width) of the original picture, (590, 1640) in CULane.
        lane_width: Thickness of the drawn lanes in pixels, 30 in CULane.

    Returns:
        (P, G) float64.
    """
    return lane_ious_of_pictures([(pred_lanes, gt_lanes)], img_shape, lane_width)[0]


def lane_ious_of_pictures(
    pictures: Sequence[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]],
    img_shape: tuple[int, int],
    lane_width: int = LANE_WIDTH,
) -> list[np.ndarray]:
    """:func:`lane_ious` of several pictures of one size: the same numbers, several times faster.

    Args:
        pictures: (pred_lanes, gt_lanes) of each picture.
        img_shape, lane_width: As for :func:`lane_ious`.

    Returns:
        One (P, G) float64 a picture.
    """
    lanes: list[np.ndarray] = []
    firsts, seconds = [], []
    for pred_lanes, gt_lanes in pictures:
        # Without a partner to compare with, a lane needs no pixels.
        if len(pred_lanes) and len(gt_lanes):
            preds = len(lanes) + np.arange(len(pred_lanes))
            gts = preds[-1] + 1 + np.arange(len(gt_lanes))
            firsts.append(np.repeat(preds, len(gts)))
            seconds.append(np.tile(gts, len(preds)))
            lanes += [*pred_lanes, *gt_lanes]
    if not lanes:
        return [np.zeros((len(preds), len(gts))) for preds, gts in pictures]
    first, second = np.concatenate(firsts), np.concatenate(seconds)

    raster = LaneRaster(lanes, img_shape, lane_width)
    leftmost, rightmost = raster.left.min(axis=1), raster.right.max(axis=1)
    meet = np.maximum(leftmost[first], leftmost[second]) <= np.minimum(
        rightmost[first], rightmost[second]
    )
    common = np.zeros(len(first), np.int64)
    common[meet] = raster.intersections(first[meet], second[meet])
    union = raster.areas[first] + raster.areas[second] - common
    with np.errstate(invalid="ignore"):
        values = common / union
    drawable = np.array([len(lane) >= 2 for lane in lanes])
    values[~(drawable[first] & drawable[second])] = 0.0

    ious, start = [], 0
    for pred_lanes, gt_lanes in pictures:
        size = len(pred_lanes) * len(gt_lanes)
        ious.append(values[start : start + size].reshape(len(pred_lanes), len(gt_lanes)))
        start += size
    return ious


def count_true_positives(
    ious: np.ndarray, iou_thrs: Sequence[float], fix_degenerate: bool = False
) -> np.ndarray:
    """True positives of one picture: matched pairs with IoU strictly above each threshold.

    False positives are then P − TP and false negatives G − TP.

    Args:
        ious: (P, G) float64 of :func:`lane_ious`.
        iou_thrs: T thresholds.
        fix_degenerate: Count pairs of lanes wholly outside the picture (NaN) as plain misses.

    Returns:
        (T,) int64.
    """
    if fix_degenerate:
        ious = np.nan_to_num(ious, nan=0.0)
    partner = match_lanes(ious)
    matched = partner >= 0
    values = ious[matched, partner[matched]]
    return (values[:, None] > np.asarray(iou_thrs)).sum(axis=0)


def count_pictures(
    pictures: Sequence[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]],
    img_shapes: Sequence[tuple[int, int]],
    iou_thrs: Sequence[float],
    fix_degenerate: bool = False,
) -> list[np.ndarray]:
    """True positives of pictures: lane IoU, matching and thresholds in one call.

    Args:
        pictures: (pred_lanes, gt_lanes) of each picture, as for :func:`lane_ious`.
        img_shapes: (height, width) of each picture; they may differ.
        iou_thrs, fix_degenerate: As for :func:`count_true_positives`.

    Returns:
        One (T,) int64 a picture.
    """
    counts: list[np.ndarray] = [np.zeros(len(iou_thrs), np.int64)] * len(pictures)
    for shape in set(img_shapes):
        places = [place for place, other in enumerate(img_shapes) if other == shape]
        ious = lane_ious_of_pictures([pictures[place] for place in places], shape)
        for place, matrix in zip(places, ious, strict=True):
            counts[place] = count_true_positives(matrix, iou_thrs, fix_degenerate)
    return counts
