"""What the inferencer leaves on disk: drawings, CULane text files, videos."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..evaluation.lines_file import lines_name, write_lines_file
from ..visualization.picture_io import write_picture
from .inputs import Frame, Source, frame_rate
from .video_file import VideoFile

_FRAME_LINES = re.compile(r"[0-9]{6,}\.lines\.txt")  # a video's frame, see lines_path


class OutputFolder:
    """Writes each frame's results below ``root``, named after its source.

    A picture ``a/b.png`` gives ``a/b.jpg`` and ``a/b.lines.txt``; a video ``c.avi`` gives ``c.mp4``
    and ``c/000000.lines.txt`` a frame. Every file is whole or absent.

    Args:
        root: the folder; made when something is written.
        sources: all that will be written, to find clashes before any work is done.
        draw: write drawings (pictures and videos).
        lines: write ``.lines.txt`` files.

    Raises:
        ValueError: two sources would be written to one file, or one would overwrite an input or
            the annotation (``.lines.txt``) beside one. Only what is to be written counts.
    """

    def __init__(
        self, root: str | os.PathLike, sources: Sequence[Source], draw: bool, lines: bool
    ) -> None:
        self.root = Path(root)
        self.draw = draw
        self.lines = lines
        self._video: tuple[Source, VideoFile] | None = None
        self._check(sources)

    def _stem(self, source: Source) -> Path:
        return self.root / source.name

    def drawing_path(self, source: Source) -> Path:
        stem = self._stem(source)
        return stem.with_name(stem.name + (".mp4" if source.is_video else ".jpg"))

    def lines_path(self, source: Source, index: int | None = None) -> Path:
        """The lines file of a picture, or of a video's frame ``index``."""
        stem = self._stem(source)
        if index is not None:
            stem = stem / f"{index:06d}"
        return stem.with_name(stem.name + ".lines.txt")

    def _check(self, sources: Sequence[Source]) -> None:
        if self.draw:
            self._check_drawings(sources)
        if self.lines:
            self._check_lines(sources)

    def _check_drawings(self, sources: Sequence[Source]) -> None:
        inputs = {source.path.resolve() for source in sources if source.path is not None}
        taken: dict[Path, Source] = {}
        for source in sources:
            path = self.drawing_path(source)
            if path in taken:
                raise _clash(taken[path], source, path)
            taken[path] = source
            if path.resolve() in inputs:
                raise ValueError(
                    f"the drawing of '{source}' would overwrite the input '{path}': choose another "
                    "output folder"
                )

    def _check_lines(self, sources: Sequence[Source]) -> None:
        # A picture takes its lines file; a video takes its folder, in which it writes a file for
        # each frame. How many is not known before it is read, so any frame's name counts.
        taken: dict[Path, Source] = {}
        for source in sources:
            path = self.lines_path(source, 0 if source.is_video else None)
            place = path.parent.resolve() if source.is_video else _resolved_folder(path)
            if place in taken:
                raise _clash(taken[place], source, path)
            taken[place] = source

        for path, source in taken.items():
            video = taken.get(path.parent) if _FRAME_LINES.fullmatch(path.name) else None
            if video is not None:
                raise _clash(video, source, self.lines_path(source))

        for source in sources:
            for annotation in _annotations(source):
                writer = taken.get(annotation)
                if writer is None and _FRAME_LINES.fullmatch(annotation.name):
                    writer = taken.get(annotation.parent)
                if writer is not None and annotation.is_file():
                    raise ValueError(
                        f"the lines of '{writer}' would overwrite the annotation '{annotation}' of "
                        f"the input '{source}': choose another output folder"
                    )

    def write(self, frame: Frame, lanes: Sequence[np.ndarray], drawn: np.ndarray | None) -> None:
        """Writes one frame; a video's frames come in order, one video after the other.

        Args:
            frame: the input frame.
            lanes: arrays (N, 2), pixels of the original picture.
            drawn: (H, W, 3) uint8 BGR, or None where nothing is drawn.
        """
        if self.lines:
            write_lines_file(self.lines_path(frame.source, frame.index), lanes)
        if not self.draw or drawn is None:
            return
        if not frame.source.is_video:
            write_picture(self.drawing_path(frame.source), drawn)
            return
        if self._video is not None and self._video[0] is not frame.source:
            self.close()
        if self._video is None:
            size = (drawn.shape[1], drawn.shape[0])
            video = VideoFile(self.drawing_path(frame.source), size, frame_rate(frame.source))
            self._video = (frame.source, video)
        self._video[1].write(drawn)

    def close(self) -> None:
        """Finishes the open video."""
        if self._video is not None:
            self._video[1].close()
            self._video = None

    def drop(self) -> None:
        """Forgets the open video: nothing of it stays."""
        if self._video is not None:
            self._video[1].drop()
            self._video = None


def _clash(one: Source, other: Source, path: Path) -> ValueError:
    return ValueError(
        f"'{one}' and '{other}' would both be written to '{path}': give their common parent folder "
        "as the input, or run them into folders of their own"
    )


def _annotations(source: Source) -> set[Path]:
    """Where an input picture's annotation may be: beside it and, of a link, beside its target."""
    if source.path is None or source.is_video:
        return set()
    pictures = (source.path, source.path.resolve())
    return {_resolved_folder(path.with_name(lines_name(path.name))) for path in pictures}


def _resolved_folder(path: Path) -> Path:
    """The path with its folder resolved; the file itself may be a link, which would be replaced."""
    return path.parent.resolve() / path.name
