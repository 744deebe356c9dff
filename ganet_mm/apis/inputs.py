"""What a user hands to the inferencer, as a flat list of sources and a stream of frames."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import cv2
import numpy as np
from mmengine.logging import print_log

from ..datasets.pictures import decode_image

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm"})

Input = str | os.PathLike | np.ndarray


class UnreadableInputError(ValueError):
    """A picture or video that is there but can't be read."""


@dataclass(frozen=True)
class Source:
    """A picture (file or array) or a video.

    ``name`` is its relative name without suffix in an output folder: the path below the folder
    that was given, or the file's own name, or an array's running number.
    """

    name: PurePath
    path: Path | None = None
    array: np.ndarray | None = None

    @property
    def is_video(self) -> bool:
        return self.path is not None and self.path.suffix.lower() in VIDEO_SUFFIXES

    def __str__(self) -> str:
        return f"array {self.name}" if self.path is None else str(self.path)


@dataclass(frozen=True)
class Frame:
    """One picture on its way: ``img`` is (H, W, 3) uint8 BGR, ``index`` counts a video's frames."""

    source: Source
    img: np.ndarray
    index: int | None = None


def expand_inputs(inputs: Input | Sequence[Input]) -> list[Source]:
    """Sources in the order given; a folder gives its pictures and videos, recursively, sorted.

    Args:
        inputs: a path, an array (H, W, 3) uint8 BGR, or a list of such.

    Raises:
        FileNotFoundError: a path that does not exist.
        ValueError: a folder without pictures and videos, no input at all, an address
            (``http://…``), or an array of another shape or type.
    """
    if isinstance(inputs, (str, os.PathLike, np.ndarray)):
        inputs = [inputs]
    sources: list[Source] = []
    for number, entry in enumerate(inputs):
        if isinstance(entry, np.ndarray):
            sources.append(Source(PurePath(f"{number:06d}"), array=_checked_array(entry, number)))
        elif isinstance(entry, str) and "://" in entry:
            raise ValueError(f"input '{entry}' is an address, which is not read: download it first")
        elif isinstance(entry, (str, os.PathLike)):
            sources += _expand_path(Path(entry))
        else:
            raise ValueError(
                f"input {number} is a {type(entry).__name__}: give a path, or an array (H, W, 3) "
                "uint8 in BGR"
            )
    if not sources:
        raise ValueError("no input: give at least one picture, folder, video or array")
    return sources


def _checked_array(array: np.ndarray, number: int) -> np.ndarray:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or not array.size:
        raise ValueError(
            f"input {number} is an array {array.shape} {array.dtype}: a picture must be "
            "(H, W, 3) uint8 in BGR"
        )
    return array


def _expand_path(path: Path) -> list[Source]:
    if not path.exists():
        raise FileNotFoundError(f"input '{path}' does not exist")
    if path.is_file():
        return [Source(PurePath(path.stem), path)]
    known = PICTURE_SUFFIXES | VIDEO_SUFFIXES
    # CULane has folders named like videos (0530.MP4/), so is_file() is no formality.
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in known and p.is_file())
    if not found:
        raise ValueError(
            f"folder '{path}' holds no picture ({' '.join(sorted(PICTURE_SUFFIXES))}) and no video "
            f"({' '.join(sorted(VIDEO_SUFFIXES))})"
        )
    return [Source(p.relative_to(path).with_suffix(""), p) for p in found]


def count_frames(source: Source) -> int | None:
    """1 for a picture, a video's own count, or None where the video does not know."""
    if not source.is_video:
        return 1
    video = cv2.VideoCapture(str(source.path))
    try:
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
    finally:
        video.release()
    return count if count > 0 else None


def read_frames(source: Source) -> Iterator[Frame]:
    """A picture's one frame, or a video's frames in order.

    Raises:
        UnreadableInputError: the file does not decode; for a video, not even its first frame.
    """
    if source.array is not None:
        yield Frame(source, source.array)
    elif source.is_video:
        yield from _read_video(source)
    else:
        try:
            img = decode_image(source.path.read_bytes())
        except (ValueError, OSError) as error:
            raise UnreadableInputError(f"{source.path}: {error}") from error
        yield Frame(source, img)


def _read_video(source: Source) -> Iterator[Frame]:
    video = cv2.VideoCapture(str(source.path))
    index = 0
    try:
        promised = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        while True:
            whole, img = video.read()
            if not whole:
                break
            yield Frame(source, img, index)
            index += 1
    finally:
        video.release()
    if not index:
        raise UnreadableInputError(f"'{source.path}' does not decode as a video")
    if index < promised:
        print_log(
            f"'{source.path}' ends at frame {index} of the {promised} that its header names",
            logger="current",
            level=30,
        )


def frame_rate(source: Source) -> float:
    """A video's frames a second; 25 where it does not say."""
    video = cv2.VideoCapture(str(source.path))
    try:
        rate = video.get(cv2.CAP_PROP_FPS)
    finally:
        video.release()
    return float(rate) if np.isfinite(rate) and rate > 0 else 25.0
