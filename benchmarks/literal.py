"""GaNet's targets and decoder as the definition reads, one point after another.

What a reader of the paper would write first, and what the package's are measured against. The
package's tests hold their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.interpolate import splev, splrep

Lane = tuple[np.ndarray, float]


def targets(
    lanes: Sequence[np.ndarray], img_shape: tuple[int, int], scale: int = 8, radius: int = 2
) -> dict[str, np.ndarray]:
    """One picture's targets by the rules of ``GaNetTarget``; lanes (N, 2) in pixels."""
    rows, columns = img_shape[0] // scale, img_shape[1] // scale
    maps = {
        name: np.zeros((channels, rows, columns), np.float32)
        for name, channels in dict(
            gt_kpts_hm=1, int_offset=2, int_offset_mask=1, pts_offset=2, pts_offset_mask=2
        ).items()
    }
    for lane in lanes:
        points = sorted(([x / scale, y / scale] for x, y in lane.tolist()), key=lambda p: p[1])
        points = [point for point in points if 0 < point[0] < columns]
        if len(points) < 2 or points[-1][1] <= 0 or points[0][1] >= rows:
            continue
        x, y = zip(*points, strict=True)
        spline = splrep(y, x, s=0) if len(points) > 3 else None
        samples = []
        for sample_y in np.linspace(max(y[0], 0), min(y[-1], rows), int(360 / scale))[::-1]:
            sample_x = np.interp(sample_y, y, x) if spline is None else splev(sample_y, spline)
            point = float(sample_x), float(sample_y)
            samples.append((min(max(point[0], 0), columns - 1), min(max(point[1], 0), rows - 1)))
        start, end = samples[0], samples[-1]
        for point in samples:
            column, row = int(point[0]), int(point[1])
            _draw(maps["gt_kpts_hm"][0], column, row, radius)
            maps["int_offset"][:, row, column] = point[0] - column, point[1] - row
            maps["int_offset_mask"][0, row, column] = 1
            rise = start[1] - point[1]
            maps["pts_offset"][:, row, column] = start[0] - point[0], rise
            far = 1 if rise < 2 * math.floor(start[1] - end[1]) else 0.4
            maps["pts_offset_mask"][:, row, column] = 0.2 if rise < 0 else far
    return maps


def _draw(heat: np.ndarray, column: int, row: int, radius: int) -> None:
    """The Gaussian around a cell, merged by maximum, cut at the borders."""
    sigma = (2 * radius + 1) / 6
    for y in range(max(row - radius, 0), min(row + radius + 1, heat.shape[0])):
        for x in range(max(column - radius, 0), min(column + radius + 1, heat.shape[1])):
            distance = (x - column) ** 2 + (y - row) ** 2
            heat[y, x] = max(heat[y, x], math.exp(-distance / (2 * sigma**2)))


def decode(
    kpts_logits: np.ndarray,
    pts_offset: np.ndarray,
    int_offset: np.ndarray,
    scale_factor: Sequence[float],
    crop_offset: Sequence[float],
    root_thr: float = 1,
    kpt_thr: float = 0.4,
    cluster_thr: float = 5,
    downscale: int = 8,
    min_points: int = 10,
) -> list[Lane]:
    """One picture's lanes by the rules of ``GaNetDecoder``; maps (C, rows, columns)."""
    heat = (1 / (1 + np.exp(-kpts_logits[0].astype(np.float64)))).clip(1e-4, 1 - 1e-4)
    # Only the search for peaks is on whole maps: in loops alone it would take 20 times as long.
    padded = np.pad(heat, ((0, 0), (1, 1)))
    peak = (heat >= padded[:, :-2]) & (heat >= padded[:, 2:]) & (heat > kpt_thr)
    keypoints = [(int(x), int(y)) for x, y in np.argwhere(peak.T)]
    groups: list[list[tuple[int, int]]] = []
    earlier: list[tuple[tuple[int, int], int]] = []
    for x, y in keypoints:
        if not pts_offset[1, y, x] < root_thr:
            continue
        near = (group for root, group in earlier if math.dist(root, (x, y)) <= cluster_thr)
        group = next(near, len(groups))
        if group == len(groups):
            groups.append([])
        groups[group].append((x, y))
        earlier.append(((x, y), group))
    centres = [
        (int(sum(x for x, _ in group) / len(group)), int(sum(y for _, y in group) / len(group)))
        for group in groups
    ]
    members: list[list[tuple[float, float, float]]] = [[] for _ in centres]
    for x, y in keypoints:
        start = x + float(pts_offset[0, y, x]), y + float(pts_offset[1, y, x])
        distances = [math.dist(start, centre) for centre in centres]
        if distances and min(distances) <= cluster_thr:
            refined = x + float(int_offset[0, y, x]), y + float(int_offset[1, y, x])
            members[distances.index(min(distances))].append((*refined, float(heat[y, x])))
    lanes = []
    for lane in members:
        if len(lane) <= min_points:
            continue
        bands: dict[int, list[tuple[float, float, float]]] = {}
        for point in lane:
            bands.setdefault(math.floor(point[1]), []).append(point)
        if len(bands) < 2:
            continue
        points = []
        for band in sorted(bands, reverse=True):
            total = sum(weight for *_, weight in bands[band])
            x = sum(x * weight for x, _, weight in bands[band]) / total
            y = sum(y * weight for _, y, weight in bands[band]) / total
            points.append(
                (
                    x * downscale / scale_factor[0] + crop_offset[0],
                    y * downscale / scale_factor[1] + crop_offset[1],
                )
            )
        score = sum(weight for *_, weight in lane) / len(lane)
        lanes.append((np.array(points, np.float32), score))
    return lanes
