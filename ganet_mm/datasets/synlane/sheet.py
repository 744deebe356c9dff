"""One picture that shows the nine categories."""

from __future__ import annotations

import cv2
import numpy as np

from .levels import CATEGORIES
from .render import render
from .scene import choose_scene

ANNOTATION = (60, 60, 255)  # BGR


def category_sheet(level: str, seed: int, width: int = 1640) -> np.ndarray:
    """Nine scenes, three in a row, in the order of CULane's categories.

    Args:
        level: Key of :data:`.levels.LEVELS`.
        seed: Seed of the scenes.
        width: Of the sheet in pixels.

    Returns:
        (H, width, 3) uint8 BGR, each scene with its annotation as a thin line and its name.
    """
    tile_width = width // 3
    tiles = []
    for number, category in enumerate(CATEGORIES):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        picture, lanes = render(choose_scene(rng, category, level))
        for lane in lanes:
            cv2.polylines(picture, [np.rint(lane).astype(np.int32)], False, ANNOTATION, 2)
        for colour, thickness in ((0, 0, 0), 12), ((255, 255, 255), 4):  # dark rim, light letters
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(picture, category, (24, 64), font, 1.7, colour, thickness, cv2.LINE_AA)
        height = round(picture.shape[0] * tile_width / picture.shape[1])
        tiles.append(cv2.resize(picture, (tile_width, height), interpolation=cv2.INTER_AREA))
    return np.vstack([np.hstack(tiles[row : row + 3]) for row in (0, 3, 6)])
