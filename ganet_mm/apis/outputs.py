"""What the inferencer leaves on disk: drawings, CULane text files, videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..evaluation.lines_file import write_lines_file
from ..visualization.picture_io import write_picture
from .inputs import Frame, Source, frame_rate
from .video_file import VideoFile


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
        ValueError: two sources would be written to one file, or one would overwrite an input.
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

    def lines_path(self, frame: Frame) -> Path:
        stem = self._stem(frame.source)
        if frame.index is not None:
            stem = stem / f"{frame.index:06d}"
        return stem.with_name(stem.name + ".lines.txt")

    def _check(self, sources: Sequence[Source]) -> None:
        inputs = {source.path.resolve() for source in sources if source.path is not None}
        taken: dict[Path, Source] = {}
        for source in sources:
            path = self.drawing_path(source)
            if path in taken:
                raise ValueError(
                    f"'{taken[path]}' and '{source}' would both be written to '{path}': give their "
                    "common parent folder as the input, or run them into folders of their own"
                )
            taken[path] = source
            if self.draw and path.resolve() in inputs:
                raise ValueError(
                    f"the drawing of '{source}' would overwrite the input '{path}': choose another "
                    "output folder"
                )

    def write(self, frame: Frame, lanes: Sequence[np.ndarray], drawn: np.ndarray | None) -> None:
        """Writes one frame; a video's frames come in order, one video after the other.

        Args:
            frame: the input frame.
            lanes: arrays (N, 2), pixels of the original picture.
            drawn: (H, W, 3) uint8 BGR, or None where nothing is drawn.
        """
        if self.lines:
            write_lines_file(self.lines_path(frame), lanes)
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
