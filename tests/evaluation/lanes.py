"""Random lanes: like CULane's, and hostile ones."""

from __future__ import annotations

import numpy as np

SHAPE = (590, 1640)


def culane_like(rng: np.random.Generator, count: int = 4, shape=SHAPE) -> list[np.ndarray]:
    """Lanes from the bottom to near a vanishing point, y step 10, some leaving the picture."""
    height, width = shape
    vanish_x, vanish_y = rng.uniform(0.35, 0.65) * width, rng.uniform(0.43, 0.5) * height
    lanes = []
    for bottom in np.sort(rng.uniform(-0.2 * width, 1.2 * width, count)):
        y = np.arange(height, vanish_y + rng.uniform(5, 60), -10.0)
        way = (height - y) / (height - vanish_y)
        x = bottom + (vanish_x - bottom) * way + rng.uniform(-150, 150) * way * (1 - way)
        inside = (x > -40) & (x < width + 40)
        if inside.sum() >= 2:
            lanes.append(np.stack([x[inside].round(3), y[inside]], 1).astype(np.float32))
    return lanes


def predictions(rng: np.random.Generator, gts: list[np.ndarray], shape=SHAPE) -> list[np.ndarray]:
    """What a network makes of ``gts``: shifted, cut, noisy, doubled, missing, invented lanes."""
    preds = []
    for lane in gts:
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            cut = lane[rng.integers(0, 3) : len(lane) - rng.integers(0, 3)]
            if len(cut) < 2:
                continue
            noise = rng.normal(0, rng.choice([0, 0.3, 2]), cut.shape) * (1, rng.integers(0, 2))
            moved = cut + noise + (rng.normal(0, rng.choice([1, 5, 15])), 0)
            preds.append(moved.astype(np.float32))
    if rng.random() < 0.2:
        preds += culane_like(rng, 1, shape)
    return [preds[i] for i in rng.permutation(len(preds))]


def hostile(rng: np.random.Generator, shape=SHAPE) -> np.ndarray:
    """One lane of a kind that breaks assumptions."""
    height, width = shape
    inside = rng.uniform((0, 0), (width, height), (rng.integers(2, 9), 2))
    kind = rng.integers(0, 14)
    if kind == 0:  # no point or one
        lane = inside[: rng.integers(0, 2)]
    elif kind == 1:  # two points, anywhere near
        lane = rng.uniform((-200, -200), (width + 200, height + 200), (2, 2))
    elif kind == 2:  # two points on one pixel
        lane = np.repeat(inside[:1], 2, 0)
    elif kind == 3:  # a repeated point
        lane = np.insert(inside, rng.integers(0, len(inside)), inside[0], 0)
        at = rng.integers(1, len(lane))
        lane[at] = lane[at - 1]
    elif kind == 4:  # wholly outside
        lane = inside + rng.choice([-1, 1], 2) * (3 * width, 3 * height)
    elif kind == 5:  # level, back and forth
        lane = np.stack([inside[:, 0], np.full(len(inside), inside[0, 1])], 1)
    elif kind == 6:  # upright, at halves of a pixel
        lane = np.stack([np.full(len(inside), rng.integers(width) + 0.5), inside[:, 1]], 1)
        lane = lane[np.argsort(lane[:, 1])]
    elif kind == 7:  # loops
        lane = inside
    elif kind == 8:  # far away and back
        lane = inside * rng.choice([1, 30, 1e4, 1e8], (len(inside), 1))
    elif kind == 9:  # along the border
        lane = np.stack([np.linspace(-20, width + 20, 40), rng.normal(0, 6, 40)], 1)
        lane[:, 1] += rng.choice([0, height])
    elif kind == 10:  # along the side border
        lane = np.stack([rng.normal(0, 6, 30), np.linspace(height + 15, -15, 30)], 1)
        lane[:, 0] += rng.choice([0, width])
    elif kind == 11:  # points closer than a pixel
        lane = np.cumsum(rng.normal(0, 0.6, (60, 2)), 0) + inside[0]
    elif kind == 12:  # integers and halves, slanted
        lane = np.round(inside[np.argsort(-inside[:, 1])] * 2) / 2
    else:  # closer than float32 resolves
        lane = inside[0] + np.cumsum(rng.uniform(0, 3e-5, (6, 2)), 0)
    return lane.astype(np.float32)
