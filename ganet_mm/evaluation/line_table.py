"""What short thick lines cover, as OpenCV itself draws them."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

FAR = 1 << 24
"""No picture is that wide: a row without pixels runs from FAR to −FAR."""
REACH = 3
"""Longest step in x or y, in pixels, of the lines in the table."""
EXTRA = 8
"""Most rows in which such a line may exceed the discs at its ends."""


def outer_runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last set column of each row of ``mask`` (H, W): (H,) each, FAR, −FAR for none."""
    if not mask.size:
        empty = np.full(len(mask), FAR)
        return empty, -empty
    occupied = mask.any(axis=1)
    left = np.where(occupied, mask.argmax(axis=1), FAR)
    right = np.where(occupied, mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1), -FAR)
    return left, right


class LineTable:
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
        row, left, right: (E, EXTRA) int32, the runs of entry e that exceed the discs: row and
            columns relative to the line's start; unused ones are empty.
        usable: (E,) bool, False where discs and these runs are not what is drawn.
    """

    def __init__(self, height: int, width: int, thickness: int) -> None:
        self.height, self.width, self.thickness = height, width, thickness
        self.radius = (thickness + 1) // 2
        self.margin = self.radius + REACH + 2
        canvas = np.zeros((2 * self.radius + 1, 2 * self.radius + 1), np.uint8)
        cv2.line(canvas, (self.radius, self.radius), (self.radius, self.radius), 1, thickness)
        left, right = outer_runs(canvas)
        self.disc = list(
            zip((left - self.radius).tolist(), (right - self.radius).tolist(), strict=True)
        )
        self._canvas = np.zeros((height, width), np.uint8)
        self._sides = 1 + 4 * self.margin
        self._entry = np.full((2 * REACH + 1) ** 2 * self._sides**2, -1, np.int32)
        self._runs: list[tuple[bool, list[tuple[int, int, int]]]] = []
        self._index()

    def look_up(self, x: np.ndarray, y: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
        """Entries of the lines from pixels (x, y) to (x + dx, y + dy), (K,) integers each."""
        code = (dx + REACH) * (2 * REACH + 1) + dy + REACH
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
        left, right = outer_runs(drawn)
        usable = whole and np.maximum(right - left + 1, 0).sum() == np.count_nonzero(drawn)
        usable = usable and not (discs > drawn).any()
        beyond = np.flatnonzero((drawn > discs).any(axis=1)).tolist()
        usable = usable and len(beyond) <= EXTRA
        down, across = rows.start - y, columns.start - x
        runs = [
            (row + down, int(left[row]) + across, int(right[row]) + across)
            for row in beyond[:EXTRA]
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
        table = np.zeros((3, len(self._runs), EXTRA), np.int32)
        table[1], table[2] = FAR, -FAR
        for entry, (_, runs) in enumerate(self._runs):
            for place, run in enumerate(runs):
                table[:, entry, place] = run
        self.row, self.left, self.right = table
        self.usable = np.array([usable for usable, _ in self._runs], bool)


@lru_cache(maxsize=16)
def line_table(height: int, width: int, thickness: int) -> LineTable:
    """The one table of a picture size and line thickness, in pixels, in this process."""
    return LineTable(height, width, thickness)
