"""The official protocol once more, written plainly and sharing no code with the package.

One ``cv2.line`` a segment on full masks, a dense solve for the spline, every matching tried.
"""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np


def curve(points: np.ndarray) -> np.ndarray:
    """Natural cubic spline samples (M, 2) float32: matrix equation and the textbook's formula."""
    points = np.asarray(points, np.float32)
    n = len(points)
    if n == 2:
        return points
    with np.errstate(all="ignore"):
        step = (points[1:] - points[:-1]).astype(np.float64)
        h = np.hypot(step[:, 0], step[:, 1])
        if not (np.isfinite(h).all() and (h > 0).all()):
            # 0/0 in one equation spoils them all; only the last point is taken as it is.
            spoilt = np.full(((n - 1) * 50 + 1, 2), np.nan, np.float32)
            spoilt[-1] = points[-1]
            return spoilt
        matrix, right = np.eye(n), np.zeros((n, 2))
        for i in range(1, n - 1):
            matrix[i, i - 1 : i + 2] = h[i - 1] / 6, (h[i - 1] + h[i]) / 3, h[i] / 6
            right[i] = step[i] / h[i] - step[i - 1] / h[i - 1]
        m = np.linalg.solve(matrix, right)
        t = (np.arange(50) / 50)[None, :, None]
        a, b = 1 - t, t
        square = (h**2)[:, None, None] / 6
        start = points[:-1, None].astype(np.float64)
        samples = (
            start
            + step[:, None] * b
            + square * ((a**3 - a) * m[:-1, None] + (b**3 - b) * m[1:, None])
        )
    return np.concatenate([samples.reshape(-1, 2), points[-1:]]).astype(np.float32)


def to_pixel(value: np.float32) -> int:
    """One coordinate as x86 rounds it: half to even, and -2**31 for what does not fit."""
    if not math.isfinite(value) or abs(value) >= 2**31:
        return -(2**31)
    return round(float(value))


def mask(points: np.ndarray, img_shape: tuple[int, int], width: int = 30) -> np.ndarray:
    """One lane on a full mask, one line a segment."""
    drawn = np.zeros(img_shape, np.uint8)
    pixels = [(to_pixel(x), to_pixel(y)) for x, y in curve(points).tolist()]
    for start, end in itertools.pairwise(pixels):
        cv2.line(drawn, start, end, 1, width)
    return drawn


def ious(preds, gts, img_shape, width: int = 30) -> np.ndarray:
    """IoU matrix (P, G), NaN for 0/0."""
    matrix = np.zeros((len(preds), len(gts)))
    pred_masks = [mask(lane, img_shape, width) if len(lane) > 1 else None for lane in preds]
    gt_masks = [mask(lane, img_shape, width) if len(lane) > 1 else None for lane in gts]
    for i, pred in enumerate(pred_masks):
        for j, gt in enumerate(gt_masks):
            if pred is None or gt is None:
                continue
            both, either = int((pred & gt).sum()), int((pred | gt).sum())
            matrix[i, j] = both / either if either else math.nan
    return matrix


def matchings(matrix: np.ndarray):
    """Every way to give each lane of the smaller side a partner: lists of (row, column)."""
    rows, columns = matrix.shape
    if rows <= columns:
        for chosen in itertools.permutations(range(columns), rows):
            yield list(enumerate(chosen))
    else:
        for chosen in itertools.permutations(range(rows), columns):
            yield [(row, column) for column, row in enumerate(chosen)]


def true_positives(matrix: np.ndarray, iou_thr: float, slack: float = 0.0) -> set[int]:
    """True positives of the best matchings, and of those within ``slack`` of the best.

    NaN pairs are avoided first of all, then the sum of IoUs counts.
    """
    found = []
    for pairs in matchings(matrix) if matrix.size else [[]]:
        values = [matrix[pair] for pair in pairs]
        good = [value for value in values if not math.isnan(value)]
        found.append((len(good), sum(good), sum(value > iou_thr for value in good)))
    most = max(count for count, _, _ in found)
    best = max(weight for count, weight, _ in found if count == most)
    return {tp for count, weight, tp in found if count == most and weight >= best - slack - 1e-12}
