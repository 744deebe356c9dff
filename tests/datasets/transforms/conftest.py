from __future__ import annotations

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope

from ganet_mm.datasets.transforms import DecodeImage


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("ganet_mm")


def frame(img: np.ndarray, lanes=()) -> dict:
    """A frame as it comes out of DecodeImage, with the pixels of ``img`` exactly."""
    lanes = [np.asarray(lane, np.float32).reshape(-1, 2) for lane in lanes]
    data = cv2.imencode(".png", img)[1].tobytes()
    return DecodeImage()(
        {"img_bytes": data, "img_path": "a/b.png", "gt_lanes_ori": lanes, "sample_idx": 3}
    )


def dots(height: int, width: int, points: np.ndarray, sigma: float = 2.5) -> np.ndarray:
    """Black picture (H, W, 3) with a bright Gaussian dot about each point, to sub-pixels."""
    y, x = np.mgrid[:height, :width]
    img = np.zeros((height, width))
    for px, py in points:
        img = np.maximum(img, 255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)))
    return np.repeat(np.rint(img).astype(np.uint8)[..., None], 3, axis=2)


def found_near(img: np.ndarray, point: np.ndarray, reach: int = 10) -> np.ndarray:
    """Centre of brightness of the picture's part within ``reach`` pixels of ``point``."""
    cx, cy = np.rint(point).astype(int)
    part = img[cy - reach : cy + reach + 1, cx - reach : cx + reach + 1, 0].astype(float)
    y, x = np.mgrid[cy - reach : cy + reach + 1, cx - reach : cx + reach + 1]
    return np.array([(part * x).sum(), (part * y).sum()]) / part.sum()


def inside(img: np.ndarray, points: np.ndarray, margin: int = 12) -> np.ndarray:
    """Which points keep ``margin`` pixels from the picture's border."""
    height, width = img.shape[:2]
    x, y = points.T
    return (x > margin) & (x < width - 1 - margin) & (y > margin) & (y < height - 1 - margin)
