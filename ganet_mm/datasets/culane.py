"""CULane's raw layout as pure functions: lists, ``.lines.txt`` annotations, categories, totals.

A CULane folder holds ``list/<split>.txt`` (one picture a line, relative to the folder) and beside
each picture ``NAME.jpg`` its annotation ``NAME.lines.txt`` (one lane a line, ``x y x y …`` in
pixels of the original picture). Any folder in this layout is read by these functions, whatever the
size of its pictures.

These readers are strict, for data that a model learns from. The evaluator has its own, which
forgives what the official program forgives.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ganet_mm.files import write_bytes

CATEGORIES = (
    "normal",
    "crowd",
    "hlight",
    "shadow",
    "noline",
    "arrow",
    "curve",
    "cross",
    "night",
)

# CULane's published totals: a pack that counts otherwise lost or invented something.
CULANE_FRAMES = {"train": 88_880, "val": 9_675, "test": 34_680}
CULANE_TEST_FRAMES = dict(
    zip(CATEGORIES, (9621, 8113, 486, 930, 4067, 890, 422, 3122, 7029), strict=True)
)
CULANE_TEST_LANES = dict(
    zip(CATEGORIES, (32777, 28003, 1685, 2876, 14021, 3182, 1312, 0, 21030), strict=True)
)

# A line of train_gt.txt or val_gt.txt: picture, mask, four existence flags.
_GT_LIST_LINE = re.compile(r"^(?P<picture>.+?)\s+\S+\.png(\s+[01]){4}$")
_CULANE_NAME = re.compile(r"^driver_\d+_\d+frame/")
_LARGEST = float(np.finfo(np.float32).max)
_SPLIT_FILE = re.compile(r"^[a-z]+\d+_(?P<category>\w+)\.txt$")


def read_list(path: str | os.PathLike, *, allow_empty: bool = False) -> list[str]:
    """Picture names of a list file, in file order, without a leading ``/``.

    Blank lines, blanks at either end, CR line ends and a byte order mark are ignored. Lines of
    ``train_gt.txt`` and ``val_gt.txt`` give their picture.

    Args:
        path: The list file.
        allow_empty: Whether a list without a picture is fine (a category may have none).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A picture is listed twice (names both lines), none is listed, or the file is no
            text.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such list file; expected one picture a line, e.g. list/train.txt of a "
            "CULane folder"
        )
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no list of pictures; expected text, one a line") from error
    first_line: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
        if match := _GT_LIST_LINE.match(name):
            name = match["picture"]
        name = name.lstrip("/")
        if name in first_line:
            raise ValueError(
                f"{path}:{number}: {name} is listed already in line {first_line[name]}; "
                "expected each picture once: remove one of the two lines"
            )
        first_line[name] = number
    if not first_line and not allow_empty:
        raise ValueError(f"{path}: lists no picture; expected one picture a line")
    return list(first_line)


def lines_name(img_name: str) -> str:
    """The annotation's name for a picture's: up to the last ``.``, then ``.lines.txt``."""
    return os.path.splitext(img_name)[0] + ".lines.txt"  # noqa: PTH122  (names, not paths)


def parse_lines(text: str, source: str) -> list[np.ndarray]:
    """Lanes of a ``.lines.txt`` annotation.

    Args:
        text: The file's text. Blank lines are skipped; a text without lanes gives an empty list.
        source: The file's name, for errors.

    Returns:
        list[np.ndarray]: One (N, 2) float32 array a lane, x and y in pixels of the original
        picture, in file order. Points may lie outside the picture.

    Raises:
        ValueError: A word is no finite number or a lane has an odd count of numbers (names the
            file, the line and what was expected).
    """
    lanes = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        values = [_parse_number(word, f"{source}:{number}") for word in words]
        if len(values) % 2:
            raise ValueError(
                f"{source}:{number}: {len(values)} numbers, the last without a partner; "
                "expected pairs 'x y x y …' in pixels"
            )
        lanes.append(np.asarray(values, dtype=np.float32).reshape(-1, 2))
    return lanes


def _parse_number(word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    # float32's range as well: 1e300 is a number, but no pixel and infinite once stored.
    if not abs(value) <= _LARGEST:
        raise ValueError(f"{where}: {word!r} is no pixel; expected finite numbers 'x y x y …'")
    return value


def read_lines(path: str | os.PathLike) -> list[np.ndarray]:
    """Lanes of the annotation file ``path``; see :func:`parse_lines`.

    Raises:
        FileNotFoundError: There is no such file (a picture without lanes has an empty one).
        ValueError: The file holds junk.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: no such annotation; a picture without lanes needs an empty file"
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error}); expected lines 'x y x y …'") from None
    return parse_lines(text, str(path))


def format_lines(lanes: Iterable[np.ndarray]) -> str:
    """Lanes as the text of a ``.lines.txt`` file, six significant digits, as CULane's are."""
    rows = (
        " ".join(f"{x:g} {y:g}" for x, y in np.asarray(lane, np.float64).reshape(-1, 2))
        for lane in lanes
    )
    return "".join(f"{row} \n" for row in rows)


def write_lines(path: str | os.PathLike, lanes: Iterable[np.ndarray]) -> None:
    """Writes lanes (N, 2) to a ``.lines.txt`` file, which appears whole or not at all."""
    write_bytes(path, format_lines(lanes).encode("utf-8"))


def write_list(root: str | os.PathLike, split: str, names: Iterable[str]) -> Path:
    """Writes ``list/<split>.txt`` of a folder, which appears whole or not at all."""
    path = Path(root, "list", f"{split}.txt")
    write_bytes(path, "".join(f"/{name}\n" for name in names).encode("utf-8"))
    return path


def read_categories(data_root: str | os.PathLike) -> dict[str, str]:
    """Category of each picture, from ``list/<split>_split/<split><i>_<category>.txt``.

    CULane has such lists for its test set only, ``list/test_split/test0_normal.txt`` and so on;
    those of another split are read in the same way.

    Returns:
        dict[str, str]: Picture name (no leading ``/``) to category; empty where there are no lists.

    Raises:
        ValueError: A picture stands in two categories.
    """
    categories: dict[str, str] = {}
    for path in sorted(Path(data_root, "list").glob("*_split/*.txt")):
        match = _SPLIT_FILE.match(path.name)
        if match is None:
            continue
        for name in read_list(path, allow_empty=True):
            if name in categories:
                raise ValueError(
                    f"{path}: {name} is in category {categories[name]} already; expected the "
                    "categories to share no picture"
                )
            categories[name] = match["category"]
    return categories


def is_culane(names: Sequence[str]) -> bool:
    """Whether a list's names are CULane's own (``driver_<d>_<n>frame/…``)."""
    return bool(names) and all(_CULANE_NAME.match(name) for name in names)


def total_warnings(
    split: str, frames: int, category_frames: dict[str, int], category_lanes: dict[str, int]
) -> list[str]:
    """What a CULane split's counts differ in from the published totals, a sentence each.

    Args:
        split: ``train``, ``val`` or ``test``; any other split gives no sentence.
        frames: Frames of the split.
        category_frames, category_lanes: Frames and lanes by category (test only).
    """
    warnings = []
    if split in CULANE_FRAMES and frames != CULANE_FRAMES[split]:
        warnings.append(f"{split} has {frames} frames; CULane's has {CULANE_FRAMES[split]}")
    if split == "test":
        for what, counts, known in (
            ("frames", category_frames, CULANE_TEST_FRAMES),
            ("lanes", category_lanes, CULANE_TEST_LANES),
        ):
            wrong = [
                f"{category} {counts.get(category, 0)} ({known[category]})"
                for category in CATEGORIES
                if counts.get(category, 0) != known[category]
            ]
            if wrong:
                warnings.append(f"test {what} by category (CULane's): {', '.join(wrong)}")
    return warnings
