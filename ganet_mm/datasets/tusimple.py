"""TuSimple's labels as lanes in CULane's layout.

A TuSimple label file has one JSON object a line: ``raw_file`` (the picture, relative to the data's
root), ``h_samples`` (rows, top to bottom) and ``lanes`` (for each lane its x at every row, −2
where it has none).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .culane import lines_name, write_lines, write_list


def read_labels(path: str | os.PathLike) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Picture names and lanes of a label file.

    Yields:
        tuple: the picture's name, and its lanes (N, 2) float32 in pixels of the picture, bottom to
        top; lanes without a point are left out.

    Raises:
        ValueError: A line is no label (names the file, the line and what was expected).
    """
    path = Path(path)
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            label = json.loads(line)
            name, lanes, rows = label["raw_file"], label["lanes"], label["h_samples"]
            yield name.lstrip("/"), [lane for xs in lanes if len(lane := _lane(xs, rows))]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{path}:{number}: no TuSimple label ({error}); expected one JSON object with "
                "raw_file, h_samples and lanes of as many x as there are h_samples"
            ) from None


def _lane(xs: list[float], rows: list[float]) -> np.ndarray:
    if len(xs) != len(rows):
        raise ValueError(f"{len(xs)} x for {len(rows)} h_samples")
    points = np.array([xs, rows], np.float32).T
    if not np.isfinite(points).all():
        raise ValueError("a coordinate that is no number")
    return points[points[:, 0] >= 0][::-1]


def convert(
    root: str | os.PathLike, label_files: list[str | os.PathLike], split: str
) -> tuple[int, int]:
    """Writes the labels as ``.lines.txt`` beside the pictures, and ``list/<split>.txt``.

    All labels are read before anything is written. The list comes last, so that there is none as
    long as an annotation is missing.

    Args:
        root: TuSimple's folder, which the labels' ``raw_file`` names are relative to.
        label_files: E.g. ``label_data_0313.json``, ``label_data_0531.json``.
        split: Name of the list.

    Returns:
        tuple: Numbers of pictures and lanes.

    Raises:
        FileNotFoundError: A label file or a picture is missing.
        ValueError: A label is none, or a picture is labelled twice.
    """
    root = Path(root)
    frames: dict[str, list[np.ndarray]] = {}
    for label_file in label_files:
        for name, lanes in read_labels(label_file):
            if name in frames:
                raise ValueError(f"{label_file}: {name} is labelled twice; expected once")
            if not (root / name).is_file():
                raise FileNotFoundError(
                    f"{root / name}: {label_file} names this picture, but it is not there"
                )
            frames[name] = lanes
    if not frames:
        raise ValueError(f"no label in {', '.join(map(str, label_files))}")
    for name, lanes in frames.items():
        write_lines(root / lines_name(name), lanes)
    write_list(root, split, list(frames))
    return len(frames), sum(map(len, frames.values()))
