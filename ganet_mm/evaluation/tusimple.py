"""TuSimple's accuracy, FP and FN by its own protocol (tusimple-benchmark, ``evaluate/lane.py``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PIXEL_THRESHOLD = 20.0
MATCH_THRESHOLD = 0.85
MAX_RUN_TIME = 200.0
_ABSENT = -100.0


def tusimple_scores(
    pred_lanes: np.ndarray | Sequence[Sequence[float]],
    gt_lanes: np.ndarray | Sequence[Sequence[float]],
    h_samples: np.ndarray | Sequence[float],
    run_time: float = 0.0,
) -> tuple[float, float, float]:
    """Accuracy, FP and FN of one picture.

    A predicted x is right within 20 pixels, measured across the lane: the tolerance along a row is
    20 / cos(angle) of the annotated lane's regression line; rows where both lanes are absent are
    right too. An annotated lane's accuracy is that of the best prediction, and it is found from
    0.85 on. Of more than four annotated lanes one miss and the worst accuracy are forgiven.

    Args:
        pred_lanes, gt_lanes: P and G lanes of x in pixels at each of ``h_samples``; negative where
            the lane is absent.
        h_samples: (Y,) rows in pixels.
        run_time: Milliseconds the prediction took; above 200 the picture counts as failed, as it
            does with more than two lanes too many.

    Returns:
        Accuracy (per annotated lane, at most four), FP (share of the predicted lanes that found
        none), FN (share of the annotated lanes that were not found).

    Raises:
        ValueError: A lane has another number of x than there are rows.
    """
    rows = np.asarray(h_samples, np.float64)
    preds = _lanes(pred_lanes, len(rows), "predicted")
    gts = _lanes(gt_lanes, len(rows), "annotated")
    if run_time > MAX_RUN_TIME or len(preds) > len(gts) + 2:
        return 0.0, 0.0, 1.0
    tolerances = np.array([PIXEL_THRESHOLD / np.cos(_angle(gt, rows)) for gt in gts])
    pred_x = np.where(preds >= 0, preds, _ABSENT)
    gt_x = np.where(gts >= 0, gts, _ABSENT)
    right = np.abs(gt_x[:, None] - pred_x[None]) < tolerances.reshape(-1, 1, 1)
    accuracies = right.sum(axis=2) / max(len(rows), 1)
    best = accuracies.max(axis=1) if len(preds) else np.zeros(len(gts))
    found = int((best >= MATCH_THRESHOLD).sum())
    false_positives, misses = len(preds) - found, len(gts) - found
    accuracy = float(best.sum())
    if len(gts) > 4:
        misses = max(misses - 1, 0)
        accuracy -= float(best.min())
    lanes = max(min(len(gts), 4), 1)
    return accuracy / lanes, false_positives / len(preds) if len(preds) else 0.0, misses / lanes


def sample_lane(points: np.ndarray, h_samples: np.ndarray | Sequence[float]) -> np.ndarray:
    """A lane's x at TuSimple's rows.

    Args:
        points: (N, 2), pixels of the original picture, any order; joined by straight lines in the
            order of y.
        h_samples: (Y,) rows in pixels.

    Returns:
        (Y,) float64; −2 where the lane does not reach or leaves the picture on the left.
    """
    rows = np.asarray(h_samples, np.float64)
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(points):
        return np.full(len(rows), -2.0)
    points = points[np.argsort(points[:, 1], kind="stable")]
    x = np.interp(rows, points[:, 1], points[:, 0], left=-2.0, right=-2.0)
    return np.where(x >= 0, x, -2.0)


def _lanes(lanes: np.ndarray | Sequence[Sequence[float]], rows: int, kind: str) -> np.ndarray:
    for number, lane in enumerate(lanes):
        if len(lane) != rows:
            raise ValueError(
                f"The {kind} lane {number} has {len(lane)} x for {rows} rows; expected one a row."
            )
    return np.asarray(lanes, np.float64).reshape(len(lanes), rows)


def _angle(lane: np.ndarray, rows: np.ndarray) -> float:
    """Angle from the upright of the line that fits x over y best; 0 with fewer than two points."""
    present = lane >= 0
    if present.sum() < 2:
        return 0.0
    x, y = lane[present], rows[present]
    y = y - y.mean()
    spread = (y * y).sum()
    return float(np.arctan((y * (x - x.mean())).sum() / spread)) if spread else 0.0
