"""A video that is whole or absent."""

from __future__ import annotations

import logging
import os
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log

# superfast: 9 ms a frame of 1640×590 on one core, a third of ultrafast's file size.
H264_OPTIONS = {"preset": "superfast", "crf": "23"}


class VideoFile:
    """An mp4 that appears under its name when it is closed, and not at all when it is dropped.

    With the package ``av`` it is H.264 in YUV 4:2:0, index first, which browsers and players take;
    an odd width or height is made even by repeating the last column or row. Without it, OpenCV
    writes MPEG-4 Part 2, which players show and browsers don't, and a warning says so.

    Args:
        path: where the video goes (``.mp4``).
        size: (width, height) in pixels.
        rate: frames a second.

    Raises:
        OSError: the video can't be written there.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
        try:
            import av  # noqa: F401
        except ImportError:
            print_log(
                f"'{path}' becomes an MPEG-4 Part 2 video, which browsers don't play: for H.264 "
                "`pip install ganet_mm[video]`",
                logger="current",
                level=logging.WARNING,
            )
            encoder = _OpenCvEncoder
        else:
            encoder = _H264Encoder
        self._encoder = encoder(self._temporary, size, rate)

    def write(self, img: np.ndarray) -> None:
        """Adds a frame, (H, W, 3) uint8 BGR."""
        self._encoder.write(img)

    def close(self) -> None:
        self._encoder.close()
        self._temporary.replace(self.path)

    def drop(self) -> None:
        try:
            self._encoder.close()
        finally:
            self._temporary.unlink(missing_ok=True)


class _H264Encoder:
    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        import av

        self._av = av
        self._missing = (size[0] % 2, size[1] % 2)
        self._container = av.open(str(path), "w", options={"movflags": "+faststart"})
        rate = Fraction(rate).limit_denominator(1001)  # 29.97… is 30000/1001
        self._stream = self._container.add_stream("libx264", rate=rate, options=H264_OPTIONS)
        self._stream.width = size[0] + self._missing[0]
        self._stream.height = size[1] + self._missing[1]
        self._stream.pix_fmt = "yuv420p"

    def write(self, img: np.ndarray) -> None:
        if any(self._missing):
            right, bottom = self._missing
            img = cv2.copyMakeBorder(img, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(img), format="bgr24")
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            container.mux(self._stream.encode(None))
        finally:
            container.close()


class _OpenCvEncoder:
    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
        if not self._writer.isOpened():
            path.unlink(missing_ok=True)
            raise OSError(
                f"OpenCV {cv2.__version__} can't write mp4 video to '{path.parent}': check the "
                "folder's rights and the free space, or `pip install ganet_mm[video]`"
            )

    def write(self, img: np.ndarray) -> None:
        self._writer.write(img)

    def close(self) -> None:
        self._writer.release()
