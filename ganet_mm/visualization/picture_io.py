from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from ..files import write_bytes


def write_picture(path: str | os.PathLike, img: np.ndarray, jpeg_quality: int = 92) -> None:
    """Writes a BGR picture in the format of its suffix, as :func:`ganet_mm.files.write_bytes` does.

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
