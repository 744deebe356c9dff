"""Lanes as the pixels that the official CULane program draws for them.

The program draws a thick ``cv::line`` between consecutive samples of a lane's curve, mostly from a
pixel to a neighbour of it. A lane that never turns back in y covers a single run of pixels in each
row, so it is kept as two numbers a row: those of a disc at every pixel of the curve, and the few
pixels by which a line between two of them exceeds their discs, looked up in a table that OpenCV
itself has drawn. Lanes of another kind are drawn whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .line_table import FAR, REACH, LineTable, line_table, outer_runs
from .spline import SAMPLES_PER_SEGMENT, interpolate_lane, interpolate_lanes

LANE_WIDTH = 30
_INT_MIN = -(2**31)
_BLOCK_POINTS = 1000  # lane points rasterised at a time, so that the arrays stay in the cache


def round_to_pixels(samples: np.ndarray) -> np.ndarray:
    """Rounds samples half to even, as OpenCV turns ``Point2f`` into ``Point``.

    NaN and what no 32-bit integer holds become −2³¹, as the x86 instruction gives it.

    Args:
        samples: Coordinates of any shape, float32.

    Returns:
        The same shape, int32.
    """
    rounded = np.rint(samples)
    if not np.abs(rounded).max(initial=0) < 2.0**31:
        fits = np.abs(rounded) < 2.0**31
        rounded = np.where(fits, rounded, np.float32(_INT_MIN))
    return rounded.astype(np.int32)


def draw_lane(points: np.ndarray, img_shape: tuple[int, int], width: int = LANE_WIDTH):
    """Draws one lane on a mask with one ``cv2.line`` for each different step of its curve.

    Args:
        points: (N, 2), N ≥ 2, pixels of the picture of ``img_shape``, file order.
        img_shape: (height, width).
        width: Thickness in pixels.

    Returns:
        (height, width) uint8 of 0 and 1.
    """
    x, y = round_to_pixels(interpolate_lane(points)).T
    steps = np.stack([x[:-1], y[:-1], x[1:], y[1:]])
    new = np.ones(steps.shape[1], bool)
    new[1:] = (steps[:, 1:] != steps[:, :-1]).any(axis=0)
    mask = np.zeros(img_shape, np.uint8)
    for x0, y0, x1, y1 in zip(*steps[:, new].tolist(), strict=True):
        cv2.line(mask, (x0, y0), (x1, y1), 1, width)
    return mask


class LaneRaster:
    """The pixels of L lanes on one picture size.

    Attributes:
        left, right: (L, H) int32, first and last column of each row's run, right < left for none.
        masks: Masks (H, W) of the lanes with more than one run in some row, by lane number; their
            rows in ``left`` and ``right`` hold the outermost columns.
        areas: (L,) int64, pixels.
    """

    def __init__(
        self, lanes: Sequence[np.ndarray], img_shape: tuple[int, int], width: int = LANE_WIDTH
    ) -> None:
        """Rasterises ``lanes``, (N, 2) pixels each; one of fewer than two points has no pixels."""
        height, self.width = int(img_shape[0]), int(img_shape[1])
        self.left = np.full((len(lanes), height), FAR, np.int32)
        self.right = np.full((len(lanes), height), -FAR, np.int32)
        self.masks: dict[int, np.ndarray] = {}
        lanes = [np.asarray(lane, np.float32).reshape(-1, 2) for lane in lanes]
        table = line_table(height, self.width, width)
        to_draw = [i for i, lane in enumerate(lanes) if len(lane) == 2]
        for block in _blocks(lanes):
            left, right, exact = _rasterise_runs([lanes[i] for i in block], table)
            self.left[block], self.right[block] = left, right
            to_draw += [i for i, fine in zip(block, exact.tolist(), strict=True) if not fine]
        for i in to_draw:
            mask = draw_lane(lanes[i], (height, self.width), width)
            self.left[i], self.right[i] = left, right = outer_runs(mask)
            if np.maximum(right - left + 1, 0).sum() != np.count_nonzero(mask):
                self.masks[i] = mask
        self.areas = np.maximum(self.right - self.left + 1, 0).sum(axis=1, dtype=np.int64)
        for i, mask in self.masks.items():
            self.areas[i] = np.count_nonzero(mask)

    def intersections(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Common pixels of lanes ``first[k]`` and ``second[k]``.

        Args:
            first, second: (K,) integers, lane numbers.

        Returns:
            (K,) int64.
        """
        start = np.maximum(self.left[first], self.left[second])
        stop = np.minimum(self.right[first], self.right[second])
        stop -= start
        stop += 1
        common = np.maximum(stop, 0, out=stop).sum(axis=1, dtype=np.int64)
        if self.masks:
            for k, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
                if common[k] and (i in self.masks or j in self.masks):
                    common[k] = np.count_nonzero(self._mask(i) & self._mask(j))
        return common

    def _mask(self, i: int) -> np.ndarray:
        if i in self.masks:
            return self.masks[i]
        columns = np.arange(self.width)
        inside = (columns >= self.left[i, :, None]) & (columns <= self.right[i, :, None])
        return inside.astype(np.uint8)


def _blocks(lanes: Sequence[np.ndarray]) -> list[list[int]]:
    """Numbers of the lanes of three points and more, in blocks of about _BLOCK_POINTS points."""
    blocks: list[list[int]] = []
    room = 0
    for i, lane in enumerate(lanes):
        if len(lane) >= 3:
            if room < len(lane):
                blocks.append([])
                room = _BLOCK_POINTS
            blocks[-1].append(i)
            room -= len(lane)
    return blocks


def _rasterise_runs(
    lanes: Sequence[np.ndarray], table: LineTable
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of lanes of three and more points.

    Along a lane that never turns back in y, the lines that touch a row are consecutive, and two
    consecutive ones share the disc between them; so their runs in that row overlap, and the row's
    pixels reach from the smallest left to the largest right end without a gap.

    Returns:
        left, right (L, H) int32, and (L,) bool: whether the lane is one that this holds for.
    """
    x, y = round_to_pixels(interpolate_lanes(lanes)).reshape(2, -1)
    samples = np.array([len(points) * SAMPLES_PER_SEGMENT for points in lanes])
    # Samples on one pixel are drawn once. The program's zero-length lines between them add
    # nothing: they are the disc that the lines to and from that pixel begin and end with.
    new = np.empty(len(x), bool)
    new[1:] = (x[1:] != x[:-1]) | (y[1:] != y[:-1])
    new[np.cumsum(samples) - samples] = True
    x, y = x[new], y[new]
    lane = np.repeat(np.arange(len(lanes)), samples)[new]
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    same = lane[1:] == lane[:-1]
    # A step may leave 32 bits only where it goes to or from −2³¹; wrapped or not it is long.
    np.subtract(x[1:], x[:-1], out=dx[:-1], where=same)
    np.subtract(y[1:], y[:-1], out=dy[:-1], where=same)

    exact = np.ones(len(lanes), bool)
    exact[lane[(dx > REACH) | (dx < -REACH) | (dy > REACH) | (dy < -REACH)]] = False
    rises, falls = np.zeros(len(lanes), bool), np.zeros(len(lanes), bool)
    rises[lane[dy < 0]] = True
    falls[lane[dy > 0]] = True
    exact &= ~(rises & falls)

    near = np.flatnonzero((y >= -table.margin) & (y < table.height + table.margin) & exact[lane])
    x, y, dx, dy, lane = x[near], y[near], dx[near], dy[near], lane[near]
    rows = table.height + 2 * table.margin
    row = lane * rows + y + table.margin
    left, right = _discs(x, row, (len(lanes), rows), table)

    # Upright and level lines by one pixel, the most frequent, are nothing but their two discs.
    slanted = np.abs(dx) + np.abs(dy) > 1
    slanted &= (x >= -table.margin) & (x < table.width + table.margin)
    x, y, dx, dy, row, lane = (array[slanted] for array in (x, y, dx, dy, row, lane))
    entry = table.look_up(x, y, dx, dy)
    exact[lane[~table.usable[entry]]] = False
    target = (row[:, None] + table.row[entry]).reshape(-1)
    np.minimum.at(left.reshape(-1), target, (table.left[entry] + x[:, None]).reshape(-1))
    np.maximum.at(right.reshape(-1), target, (table.right[entry] + x[:, None]).reshape(-1))

    left, right = left[:, table.margin : -table.margin], right[:, table.margin : -table.margin]
    np.maximum(left, 0, out=left)
    np.minimum(right, table.width - 1, out=right)
    outside = left > right
    left[outside], right[outside] = FAR, -FAR
    return left, right, exact


def _discs(
    x: np.ndarray, row: np.ndarray, shape: tuple[int, int], table: LineTable
) -> tuple[np.ndarray, np.ndarray]:
    """Leftmost and rightmost columns of discs at columns ``x`` of the flat rows ``row``."""
    leftmost = np.full(shape, FAR, np.int32)
    rightmost = np.full(shape, -FAR, np.int32)
    np.minimum.at(leftmost.reshape(-1), row, x)
    np.maximum.at(rightmost.reshape(-1), row, x)
    left, right = np.full_like(leftmost, FAR), np.full_like(rightmost, -FAR)
    count = shape[1]
    for offset, (start, stop) in enumerate(table.disc, -table.radius):
        to = slice(max(offset, 0), count + min(offset, 0))
        of = slice(max(-offset, 0), count + min(-offset, 0))
        np.minimum(left[:, to], leftmost[:, of] + start, out=left[:, to])
        np.maximum(right[:, to], rightmost[:, of] + stop, out=right[:, to])
    return left, right
