"""Cached textures, the same in every process: noise tiles, trees, facades.

They are made from fixed seeds, so a frame depends on its own random numbers only.
"""

from functools import lru_cache

import cv2
import numpy as np


@lru_cache(maxsize=16)
def noise_tile(seed: int, power: float, size: int = 512) -> np.ndarray:
    """Periodic noise (size, size) float32, mean 0, deviation 1, with a 1/f^power spectrum."""
    rng = np.random.default_rng([11, seed])
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]) * size
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency**power
    spectrum[0, 0] = 0.0
    tile = np.fft.irfft2(spectrum, s=(size, size))
    return (tile / tile.std()).astype(np.float32)


@lru_cache(maxsize=16)
def noise_bytes(seed: int, power: float, size: int = 512) -> np.ndarray:
    """:func:`noise_tile` as uint8: 128 + 40 · noise."""
    return np.clip(128 + 40 * noise_tile(seed, power, size), 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def grain_tile() -> np.ndarray:
    """Sensor noise (1024, 2048, 3) int8 of deviation 32: luminance and weaker, coarser colour."""
    rng = np.random.default_rng(12)
    luma = rng.standard_normal((1024, 2048, 1), dtype=np.float32)
    luma = cv2.GaussianBlur(luma, (0, 0), 0.6)[..., None]
    chroma = rng.standard_normal((1024, 2048, 3), dtype=np.float32)
    chroma = cv2.GaussianBlur(chroma, (0, 0), 1.2)
    noise = luma / luma.std() + 0.5 * chroma / chroma.std()
    return np.clip(noise / noise.std() * 32, -127, 127).astype(np.int8)


def sample(tile: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Nearest samples of a periodic tile at any real coordinates."""
    size = tile.shape[0]
    return tile[rows.astype(np.int64) % size, cols.astype(np.int64) % size]


@lru_cache(maxsize=32)
def tree_sprite(kind: int) -> tuple[np.ndarray, ...]:
    """A tree or bush as a pyramid of (H, W, 4) uint8, BGR and opacity, each half the one before.

    Kinds 0–7 are trees on a trunk, 8–11 bushes that begin at the ground.
    """
    rng = np.random.default_rng([13, kind])
    bush = kind >= 8
    width, height = 448, (256 if bush else 576)
    image = np.zeros((height, width, 4), np.uint8)
    crown_low = height - 4 if bush else int(height * rng.uniform(0.62, 0.74))
    if not bush:
        bark = (*(float(b) for b in np.array([50, 56, 62]) * rng.uniform(0.7, 1.2)), 255.0)
        foot = (width // 2, height - 1)
        fork = (width // 2 + int(rng.integers(-14, 15)), int(0.8 * crown_low))
        cv2.line(image, foot, fork, bark, 13, cv2.LINE_AA)
        for _ in range(9):
            tip = (int(rng.integers(110, 340)), int(rng.integers(60, int(0.6 * crown_low))))
            cv2.line(image, fork, tip, bark, 4, cv2.LINE_AA)

    # The crown: overlapping lumps lit from above, their edges broken up by noise.
    y, x = np.mgrid[0:height:4, 0:width:4].astype(np.float32)
    lumps = int(rng.integers(12, 22))
    angle, away = rng.uniform(0, 2 * np.pi, lumps), np.sqrt(rng.random(lumps))
    middle_x = width / 2 + 0.31 * width * away * np.cos(angle)
    middle_y = crown_low * (0.52 + 0.3 * away * np.sin(angle))
    size = rng.uniform(0.09, 0.16, lumps) * width * (0.75 if bush else 1.0)
    rx, ry = x[..., None] - middle_x, y[..., None] - middle_y
    field = np.exp(-(rx * rx + ry * ry) / (2 * size * size))
    lump = field.argmax(axis=-1)
    top = np.take_along_axis(-ry / size, lump[..., None], axis=-1)[..., 0]
    light = 0.72 + 0.17 * np.clip(top, -1.5, 1.5) + 0.16 * (1 - y / crown_low)
    light += rng.normal(0, 0.07, lumps)[lump]
    both = np.dstack([field.max(axis=-1), light]).astype(np.float32)
    both = cv2.resize(cv2.GaussianBlur(both, (0, 0), 1.2), (width, height))
    shift = 37 * kind
    leaves = np.roll(noise_tile(20, 0.45, 1024), shift, 0)[:height, :width]
    twigs = np.roll(noise_tile(21, 1.0, 1024), shift, 1)[:height, :width]
    ragged = (0.13 * leaves + 0.16 * twigs) * np.clip(2.2 * both[..., 0] - 0.25, 0, 1)
    alpha = np.clip((both[..., 0] + ragged - 0.52) * 5 + 0.5, 0, 1)
    alpha *= np.clip((crown_low - np.arange(height)[:, None]) / 10, 0, 1) if not bush else 1.0
    leaf = np.array([rng.uniform(26, 46), rng.uniform(60, 88), rng.uniform(42, 72)])
    shade = both[..., 1] + 0.13 * leaves + 0.1 * twigs
    ink = np.clip(leaf * np.clip(shade, 0.18, 1.6)[..., None], 0, 255)
    bare = image[..., 3:] / 255 * (1 - alpha[..., None])
    total = alpha[..., None] + bare
    image[..., :3] = (ink * alpha[..., None] + image[..., :3] * bare) / np.maximum(total, 1e-3)
    image[..., 3] = 255 * np.minimum(total[..., 0], 1)
    pyramid = [image]
    while min(pyramid[-1].shape[:2]) > 24:
        pyramid.append(cv2.pyrDown(pyramid[-1]))
    return tuple(pyramid)


@lru_cache(maxsize=32)
def facade(kind: int) -> np.ndarray:
    """A building's front (256, 512, 3) uint8: walls, windows in rows, stains."""
    rng = np.random.default_rng([14, kind])
    wall = rng.uniform(105, 205) + rng.uniform(-9, 9, 3)
    image = np.empty((256, 512, 3), np.float32)
    image[:] = wall
    storeys, bays = int(rng.integers(3, 9)), int(rng.integers(6, 18))
    glass = rng.uniform(45, 95) * np.array([1.12, 1.03, 0.95])
    high, wide = 256 / storeys, 512 / bays
    tall, broad = rng.uniform(0.35, 0.65), rng.uniform(0.4, 0.9)
    for i in range(storeys):
        for j in range(bays):
            y, x = int((i + 0.2) * high), int((j + 0.5 - broad / 2) * wide)
            patch = image[y : y + int(tall * high), x : x + int(broad * wide)]
            patch[:] = glass * rng.uniform(0.7, 1.3)
            patch[: len(patch) // 3] *= 1.15
        image[int(i * high) : int(i * high) + 3] *= 0.85
    stain = cv2.resize(noise_tile(3, 1.2), (512, 256))
    image *= 1 + 0.05 * stain[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)
