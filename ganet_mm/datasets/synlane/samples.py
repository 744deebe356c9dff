"""A scene of each category, to look at."""

from __future__ import annotations

import cv2
import numpy as np

from .levels import CATEGORIES
from .render import render
from .scene import choose_scene

ANNOTATION = (60, 60, 255)  # BGR


def draw_categories(level: str, seed: int) -> list[np.ndarray]:
    """Nine scenes in the order of CULane's categories.

    Args:
        level: Key of :data:`.levels.LEVELS`.
        seed: Seed of the scenes.

    Returns:
        (590, 1640, 3) uint8 BGR each, with its annotation as a thin line and its name.
    """
    pictures = []
    for number, category in enumerate(CATEGORIES):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        picture, lanes = render(choose_scene(rng, category, level))
        for lane in lanes:
            cv2.polylines(picture, [np.rint(lane).astype(np.int32)], False, ANNOTATION, 2)
        for colour, thickness in ((0, 0, 0), 12), ((255, 255, 255), 4):  # dark rim, light letters
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(picture, category, (24, 64), font, 1.7, colour, thickness, cv2.LINE_AA)
        pictures.append(picture)
    return pictures
