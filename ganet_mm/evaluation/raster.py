"""Lanes as the pixels that the official CULane program draws for them.

The program draws a thick ``cv::line`` between consecutive samples of a lane's curve, mostly from a
pixel to a neighbour of it. A lane that never turns back in y covers a single run of pixels in each
row, so it is kept as two numbers a row: those of a disc at every pixel of the curve, and the few
pixels by which a line between two of them exceeds their discs, looked up in a table that OpenCV
itself has drawn. Lanes of another kind are drawn whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from .spline import SAMPLES_PER_SEGMENT, interpolate_lane, interpolate_lanes

LANE_WIDTH = 30
_INT_MIN = -(2**31)
_FAR = 1 << 24  # no picture is that wide: a row without pixels runs from _FAR to -_FAR
_REACH = 3  # longest step in x or y, in pixels, between two samples that the table holds
_EXTRA = 8  # most rows in which such a line exceeds its discs, else its lane is drawn whole
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
        self.left = np.full((len(lanes), height), _FAR, np.int32)
        self.right = np.full((len(lanes), height), -_FAR, np.int32)
        self.masks: dict[int, np.ndarray] = {}
        lanes = [np.asarray(lane, np.float32).reshape(-1, 2) for lane in lanes]
        table = _line_table(height, self.width, width)
        to_draw = [i for i, lane in enumerate(lanes) if len(lane) == 2]
        for block in _blocks(lanes):
            left, right, exact = _rasterise_runs([lanes[i] for i in block], table)
            self.left[block], self.right[block] = left, right
            to_draw += [i for i, fine in zip(block, exact.tolist(), strict=True) if not fine]
        for i in to_draw:
            mask = draw_lane(lanes[i], (height, self.width), width)
            self.left[i], self.right[i] = left, right = _outer_runs(mask)
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


def _outer_runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last set column of each row of ``mask`` (H, W): (H,) each, _FAR, −_FAR for none."""
    if not mask.size:
        empty = np.full(len(mask), _FAR)
        return empty, -empty
    occupied = mask.any(axis=1)
    left = np.where(occupied, mask.argmax(axis=1), _FAR)
    right = np.where(occupied, mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1), -_FAR)
    return left, right


def _rasterise_runs(
    lanes: Sequence[np.ndarray], table: _LineTable
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
    exact[lane[(dx > _REACH) | (dx < -_REACH) | (dy > _REACH) | (dy < -_REACH)]] = False
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
    left[outside], right[outside] = _FAR, -_FAR
    return left, right, exact


def _discs(
    x: np.ndarray, row: np.ndarray, shape: tuple[int, int], table: _LineTable
) -> tuple[np.ndarray, np.ndarray]:
    """Leftmost and rightmost columns of discs at columns ``x`` of the flat rows ``row``."""
    leftmost = np.full(shape, _FAR, np.int32)
    rightmost = np.full(shape, -_FAR, np.int32)
    np.minimum.at(leftmost.reshape(-1), row, x)
    np.maximum.at(rightmost.reshape(-1), row, x)
    left, right = np.full_like(leftmost, _FAR), np.full_like(rightmost, -_FAR)
    count = shape[1]
    for offset, (start, stop) in enumerate(table.disc, -table.radius):
        to = slice(max(offset, 0), count + min(offset, 0))
        of = slice(max(-offset, 0), count + min(-offset, 0))
        np.minimum(left[:, to], leftmost[:, of] + start, out=left[:, to])
        np.maximum(right[:, to], rightmost[:, of] + stop, out=right[:, to])
    return left, right


class _LineTable:
    """What short thick lines cover beyond the discs at their ends, drawn by OpenCV when first met.

    OpenCV fills a shape cut by the picture's border a little differently from the same shape
    inside, so the lines are drawn on the real size, and one near the border has an entry for its
    very place there.

    Attributes:
        radius: Half the thickness, rounded up.
        disc: (start, stop) columns of a zero-length line, relative to its pixel, for the rows
            −radius … radius.
        margin: A line that starts no nearer to the picture than this does not reach into it; one
            that starts as far inside is not changed by the border.
        row, left, right: (E, _EXTRA) int32, the runs of entry e that exceed the discs: row and
            columns relative to the line's start; unused ones are empty.
        usable: (E,) bool, False where discs and these runs are not what is drawn.
    """

    def __init__(self, height: int, width: int, thickness: int) -> None:
        self.height, self.width, self.thickness = height, width, thickness
        self.radius = (thickness + 1) // 2
        self.margin = self.radius + _REACH + 2
        canvas = np.zeros((2 * self.radius + 1, 2 * self.radius + 1), np.uint8)
        cv2.line(canvas, (self.radius, self.radius), (self.radius, self.radius), 1, thickness)
        left, right = _outer_runs(canvas)
        self.disc = list(
            zip((left - self.radius).tolist(), (right - self.radius).tolist(), strict=True)
        )
        self._canvas = np.zeros((height, width), np.uint8)
        self._sides = 1 + 4 * self.margin
        self._entry = np.full((2 * _REACH + 1) ** 2 * self._sides**2, -1, np.int32)
        self._runs: list[tuple[bool, list[tuple[int, int, int]]]] = []
        self._index()

    def look_up(self, x: np.ndarray, y: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
        """Entries of the lines from pixels (x, y) to (x + dx, y + dy), (K,) integers each."""
        code = (dx + _REACH) * (2 * _REACH + 1) + dy + _REACH
        code = code * self._sides + self._side(x, self.width)
        code = code * self._sides + self._side(y, self.height)
        entry = self._entry[code]
        missing = np.flatnonzero(entry < 0)
        if len(missing):
            codes, where = np.unique(code[missing], return_index=True)
            for new, at in zip(codes.tolist(), missing[where].tolist(), strict=True):
                self._entry[new] = len(self._runs)
                self._runs.append(self._draw(int(x[at]), int(y[at]), int(dx[at]), int(dy[at])))
            self._index()
            entry = self._entry[code]
        return entry

    def _side(self, coordinate: np.ndarray, size: int) -> np.ndarray:
        """0 far from both borders, else a number for the very distance from the nearer one."""
        near = np.where(coordinate < self.margin, coordinate + self.margin + 1, 0)
        far = coordinate - (size - self.margin)
        return np.where((far >= 0) & (near == 0), far + 2 * self.margin + 1, near)

    def _draw(self, x: int, y: int, dx: int, dy: int) -> tuple[bool, list[tuple[int, int, int]]]:
        """Whether the line is discs and single runs, and the runs (row, left, right) beyond."""
        rows = slice(max(y - self.margin, 0), max(y + self.margin, 0))
        columns = slice(max(x - self.margin, 0), max(x + self.margin, 0))
        drawn, whole = self._cut((x, y), (x + dx, y + dy), rows, columns)
        start, _ = self._cut((x, y), (x, y), rows, columns)
        end, _ = self._cut((x + dx, y + dy), (x + dx, y + dy), rows, columns)
        discs = start | end
        left, right = _outer_runs(drawn)
        usable = whole and np.maximum(right - left + 1, 0).sum() == np.count_nonzero(drawn)
        usable = usable and not (discs > drawn).any()
        beyond = np.flatnonzero((drawn > discs).any(axis=1)).tolist()
        usable = usable and len(beyond) <= _EXTRA
        down, across = rows.start - y, columns.start - x
        runs = [
            (row + down, int(left[row]) + across, int(right[row]) + across)
            for row in beyond[:_EXTRA]
        ]
        return usable, runs

    def _cut(
        self, start: tuple[int, int], end: tuple[int, int], rows: slice, columns: slice
    ) -> tuple[np.ndarray, bool]:
        """What of a line drawn on the whole picture lies in a part of it, and whether all does."""
        cv2.line(self._canvas, start, end, 1, self.thickness)
        part = self._canvas[rows, columns].copy()
        whole = cv2.countNonZero(self._canvas) == np.count_nonzero(part)
        if whole:
            self._canvas[rows, columns] = 0
        else:
            self._canvas[:] = 0
        return part, whole

    def _index(self) -> None:
        """Makes the arrays from the entries drawn so far."""
        table = np.zeros((3, len(self._runs), _EXTRA), np.int32)
        table[1], table[2] = _FAR, -_FAR
        for entry, (_, runs) in enumerate(self._runs):
            for place, run in enumerate(runs):
                table[:, entry, place] = run
        self.row, self.left, self.right = table
        self.usable = np.array([usable for usable, _ in self._runs], bool)


@lru_cache(maxsize=4)
def _line_table(height: int, width: int, thickness: int) -> _LineTable:
    return _LineTable(height, width, thickness)
