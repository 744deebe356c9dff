from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file whole or not at all; missing folders are made.

    The bytes go to a temporary name beside ``path`` first, so that an interruption leaves no half
    a file under the name itself.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_picture(path: str | os.PathLike, img: np.ndarray, jpeg_quality: int = 92) -> None:
    """Writes a BGR picture in the format of its suffix, as :func:`write_bytes` does.

    Raises:
        ValueError: OpenCV can't write this suffix.
    """
    path = Path(path)
    try:
        whole, encoded = cv2.imencode(path.suffix, img, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    except cv2.error as error:
        raise ValueError(
            f"can't write a picture to '{path}': '{path.suffix}' is no format that OpenCV writes; "
            "use .jpg or .png"
        ) from error
    if not whole:
        raise ValueError(f"OpenCV failed to encode the picture for '{path}'")
    write_bytes(path, encoded.tobytes())
