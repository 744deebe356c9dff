"""Predictions against annotation, as CULane's rule sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.lane_iou import lane_ious
from ..evaluation.matching import match_lanes
from .drawing import (
    FALSE,
    FOUND,
    HIT,
    MISSED,
    draw_lanes,
    draw_legend,
    draw_scores,
    lane_width,
)


@dataclass(frozen=True)
class LaneMatches:
    """Which lanes of a picture matched: a flag a prediction, a flag an annotated lane."""

    hit: tuple[bool, ...]
    found: tuple[bool, ...]


def match_to_gt(
    pred_lanes: Sequence[np.ndarray],
    gt_lanes: Sequence[np.ndarray],
    img_shape: tuple[int, int],
    iou_thr: float = 0.5,
) -> LaneMatches:
    """CULane's matching: IoU of lanes 30 pixels wide strictly above ``iou_thr``, one to one.

    Args:
        pred_lanes, gt_lanes: arrays (N, 2), pixels of the original picture.
        img_shape: (height, width) of the original picture.
        iou_thr: the official thresholds are 0.5 and 0.75.
    """
    ious = lane_ious(pred_lanes, gt_lanes, img_shape)
    hit = [False] * len(pred_lanes)
    found = [False] * len(gt_lanes)
    for pred, gt in enumerate(match_lanes(ious)):
        if gt >= 0 and ious[pred, gt] > iou_thr:
            hit[pred] = found[gt] = True
    return LaneMatches(tuple(hit), tuple(found))


def draw_matches(
    img: np.ndarray,
    pred_lanes: Sequence[np.ndarray],
    gt_lanes: Sequence[np.ndarray],
    scores: Sequence[float] | None = None,
    iou_thr: float = 0.5,
    width: int | None = None,
    alpha: float = 1.0,
    legend: bool = True,
) -> np.ndarray:
    """Draws predictions (solid) as hits and false ones, annotation (dashed) as found and missed.

    Args:
        img: (H, W, 3) uint8, BGR, the original picture.
        pred_lanes, gt_lanes: arrays (N, 2), pixels of ``img``.
        scores: a number a prediction, written beside it.
        iou_thr: see :func:`match_to_gt`.
        width: of the predictions in pixels; the annotation is drawn finer, on top.
        alpha: opacity of the lines.
        legend: name colours and counts in the upper left corner.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    matches = match_to_gt(pred_lanes, gt_lanes, img.shape[:2], iou_thr)
    width = lane_width(img.shape) if width is None else width
    pred_colours = [HIT if hit else FALSE for hit in matches.hit]
    out = draw_lanes(img, pred_lanes, pred_colours, width, alpha)
    dash = img.shape[0] / 30
    found = [lane for lane, ok in zip(gt_lanes, matches.found, strict=True) if ok]
    missed = [lane for lane, ok in zip(gt_lanes, matches.found, strict=True) if not ok]
    out = draw_lanes(out, found, FOUND, max(1, width // 3), alpha, dash=dash)
    out = draw_lanes(out, missed, MISSED, width, alpha, dash=dash)
    if scores is not None:
        out = draw_scores(out, pred_lanes, scores, pred_colours)
    if legend:
        hits = sum(matches.hit)
        entries = [
            (f"hit {hits}", HIT, False),
            (f"false {len(pred_lanes) - hits}", FALSE, False),
            (f"missed {len(missed)}", MISSED, True),
            (f"annotated {len(gt_lanes)}", FOUND, True),
        ]
        out = draw_legend(out, entries)
    return out
