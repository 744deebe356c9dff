"""CULane's ``.lines.txt`` files: read as the official program reads them, written for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ganet_mm.files import write_bytes

# What C++'s `stream >> double` takes in one go: an optional sign, digits with at most one point,
# and an exponent. It takes an exponent without digits too, and then fails on the whole number.
_NUMBER = re.compile(rb"[ \t\v\f\r]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d*)?)")
# A line of nothing else than these gives the same numbers to `float` as to C++, or a ValueError
# (Python alone would also take `nan`, `inf` and `1_000`).
_PLAIN = b"0123456789.+-eE \t\v\f\r"
_FLOAT32_MAX = float(np.finfo(np.float32).max)


def parse_lane(line: bytes) -> np.ndarray:
    """Reads one text line as the official program does: pairs until the first thing that is none.

    An unpaired number, or anything that is not a number, ends the lane; what stands before counts.

    Args:
        line: The text line, without its newline.

    Returns:
        Points (N, 2) float32, N ≥ 0, in file order.
    """
    try:
        if line.translate(None, _PLAIN):
            raise ValueError
        values = [float(token) for token in line.split()]
        if any(abs(value) > _FLOAT32_MAX for value in values):
            raise ValueError
    except ValueError:
        values = _parse_numbers(line)
    points = np.array(values[: len(values) // 2 * 2], np.float64)
    with np.errstate(over="ignore"):
        return points.astype(np.float32).reshape(-1, 2)


def _parse_numbers(line: bytes) -> list[float]:
    """The numbers before the first junk: the slow, exact way for lines that are not plain."""
    values: list[float] = []
    position = 0
    while match := _NUMBER.match(line, position):
        try:
            value = float(match.group(1))
        except ValueError:  # an exponent without digits
            break
        if value in (float("inf"), float("-inf")):  # out of range is a failed read in C++
            break
        values.append(value)
        position = match.end()
    return values


def parse_lines(content: bytes) -> list[np.ndarray]:
    """The lanes of a file's content: **every text line is a lane, also an empty one**.

    Returns:
        One array (N, 2) float32 a line, N ≥ 0, original picture's pixels.

    Raises:
        ValueError: The content is not text (it has a NUL byte or is not UTF-8).
    """
    if b"\0" in content:
        raise ValueError("has a NUL byte, so it is not a text file")
    if not content.isascii():
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"is not text: {error}") from error
    lines = content.split(b"\n")
    if not lines[-1]:  # the final newline ends a line and starts none
        lines.pop()
    return [parse_lane(line) for line in lines]


def read_lines_file(path: str | os.PathLike) -> list[np.ndarray]:
    """Reads a ``.lines.txt`` file; see :func:`parse_lines`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not text; the message names it.
    """
    try:
        return parse_lines(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} {error}. Expected lines of 'x y x y …'.") from error


def clean_lanes(lanes: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Drops what the official program stumbles over in predictions.

    Points that are not finite or repeat the one before (a repeated point makes the whole lane
    unmatchable), then lanes with fewer than two points (each would count as a false positive).

    Args:
        lanes: Arrays (N, 2), any float type; they are taken as float32, as a file would hold them.

    Returns:
        Arrays (M, 2) float32 with M ≥ 2; lanes of which nothing is left are missing.
    """
    cleaned = []
    for lane in lanes:
        points = np.asarray(lane, np.float32).reshape(-1, 2)
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            new = np.ones(len(points), bool)
            new[1:] = (points[1:] != points[:-1]).any(axis=1)
            points = points[new]
        if len(points) >= 2:
            cleaned.append(points)
    return cleaned


def format_lines(lanes: Sequence[np.ndarray]) -> str:
    """Text of a ``.lines.txt`` file holding ``lanes`` after :func:`clean_lanes`.

    Nine significant digits bring every float32 back bit by bit, so that the file scores exactly
    as the arrays do.

    Returns:
        One line a lane, ``x y x y …``; the empty string when there is no lane.
    """
    rows = (clean.ravel().tolist() for clean in clean_lanes(lanes))
    return "".join(" ".join([f"{value:.9g}" for value in row]) + "\n" for row in rows)


def write_lines_file(path: str | os.PathLike, lanes: Sequence[np.ndarray]) -> None:
    """Writes ``lanes`` for the official program, atomically; makes missing folders.

    Raises:
        OSError: The folder or file cannot be written.
    """
    write_bytes(path, format_lines(lanes).encode("ascii"))


def lines_name(image: str) -> str:
    """The annotation file's name of a list's image: up to its last dot, then ``.lines.txt``.

    A leading ``/`` is stripped: CULane's lists of the splits have it, those of the categories not.
    """
    image = image.strip().lstrip("/")
    dot = image.rfind(".")
    return (image if dot < 0 else image[:dot]) + ".lines.txt"
