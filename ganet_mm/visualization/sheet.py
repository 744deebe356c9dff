"""Several pictures in one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np


def tile_pictures(pictures: Sequence[np.ndarray], columns: int, width: int) -> np.ndarray:
    """Pictures beside and below each other, row by row.

    Args:
        pictures: (H, W, 3) uint8 each, all of one shape.
        columns: Pictures in a row; the last row is filled up with black.
        width: Of the whole in pixels.

    Returns:
        (rows · h, columns · w, 3) uint8 with w = ``width // columns`` and h in proportion.

    Raises:
        ValueError: there is no picture.
    """
    if not len(pictures):
        raise ValueError("there is no picture to show")
    tile_width = width // columns
    height = round(pictures[0].shape[0] * tile_width / pictures[0].shape[1])
    tiles = [
        cv2.resize(picture, (tile_width, height), interpolation=cv2.INTER_AREA)
        for picture in pictures
    ]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return np.vstack(rows)
