"""Random choice of everything beside the road, and of the traffic."""

from itertools import pairwise

import numpy as np

from .layout import Layout
from .scenery import Building, Pole, Railing, Strip, Tree
from .vehicle_models import MODELS
from .vehicles import Vehicle

_PAINTS = (
    (205, 208, 208),
    (225, 226, 226),
    (168, 170, 170),
    (120, 122, 124),
    (38, 38, 40),
    (60, 58, 58),
    (44, 40, 120),
    (120, 66, 40),
    (60, 70, 82),
    (92, 118, 140),
)


def _row_of_trees(rng, d: float, gain: float, start: float = 9.0) -> list[Tree]:
    spacing, kind = rng.uniform(6, 14), int(rng.integers(8))
    height = rng.uniform(4.0, 8.5)
    z = np.arange(start + rng.uniform(0, spacing), 140, spacing)
    keep = rng.random(z.size) < 0.85
    return [
        Tree(
            z=float(at + rng.uniform(-1, 1)),
            d=float(d + rng.uniform(-0.5, 0.5)),
            kind=(kind + int(rng.integers(3))) % 8,
            height=float(height * rng.uniform(0.8, 1.2)),
            gain=float(gain * rng.uniform(0.85, 1.1)),
        )
        for at in z[keep]
    ]


def _bushes(rng, d: float, gain: float) -> list[Tree]:
    z = np.cumsum(rng.uniform(1.5, 6, 26)) + 8
    return [
        Tree(
            z=float(at),
            d=float(d + rng.uniform(-0.6, 0.6)),
            kind=8 + int(rng.integers(4)),
            height=float(rng.uniform(0.9, 2.4)),
            gain=float(gain * rng.uniform(0.8, 1.1)),
        )
        for at in z
    ]


def _side(rng, sign: int, edge: float, gain: float) -> list:
    """Objects on one side, outside the carriageway whose end is at offset ``edge``."""
    things: list = []
    kind = rng.choice(
        ["trees", "buildings", "hoarding", "open", "wall"], p=[0.4, 0.22, 0.1, 0.2, 0.08]
    )
    if kind == "buildings" or rng.random() < 0.25:
        z = rng.uniform(6, 30)
        while z < 210:
            length = rng.uniform(14, 45)
            things.append(
                Building(
                    d=edge + sign * rng.uniform(11, 26),
                    start=float(z),
                    length=float(length),
                    depth=float(rng.uniform(10, 30)),
                    height=float(rng.uniform(5, 24)),
                    kind=int(rng.integers(16)),
                    gain=float(gain * rng.uniform(0.8, 1.1)),
                )
            )
            z += length + rng.uniform(2, 40)
    if kind == "hoarding":
        colour = ((150, 84, 18), (98, 120, 60), (190, 190, 186))[int(rng.integers(3))]
        start = rng.uniform(2, 25)
        stop = start + rng.uniform(40, 140)
        d = edge + sign * rng.uniform(3.2, 6.5)
        things.append(Strip(d, 0.0, rng.uniform(1.9, 3.0), start, stop, colour, 3.0, 0.03))
    if kind == "wall":
        colour = tuple(float(c) for c in np.array([120, 126, 132]) * rng.uniform(0.8, 1.3))
        d = edge + sign * rng.uniform(3, 6)
        things.append(Strip(d, 0.0, rng.uniform(1.6, 4.5), 1.3, 220.0, colour, 6.0, 0.06))
    if kind in ("trees", "open", "hoarding"):
        things += _row_of_trees(rng, edge + sign * rng.uniform(2.5, 6), gain)
    if kind == "trees" or rng.random() < 0.4:
        things += _row_of_trees(rng, edge + sign * rng.uniform(7, 13), gain * 0.9, 14)
    if rng.random() < 0.55:
        things += _bushes(rng, edge + sign * rng.uniform(2.6, 5), gain)
    if rng.random() < 0.6:
        spacing, first = rng.uniform(24, 38), rng.uniform(6, 30)
        height, arm = rng.uniform(8, 11), -sign * rng.uniform(1.5, 2.6)
        for z in np.arange(first, 230, spacing):
            things.append(Pole(float(z), edge + sign * 0.9, height, arm, lamp=True))
    if rng.random() < 0.35:
        z = rng.uniform(18, 60)
        sign_colour = ((150, 70, 20), (60, 110, 20), (170, 80, 10))[int(rng.integers(3))]
        arm = float(rng.choice([0.0, -sign * 4.0]))
        things.append(Pole(z, edge + sign * 1.0, rng.uniform(3, 6.5), arm, sign=sign_colour))
    things.sort(key=lambda thing: -(thing.z if hasattr(thing, "z") else thing.start + 4))
    rail = rng.random()
    if rail < 0.35:
        tone = rng.uniform(190, 232)
        colour = (tone, tone, tone)
        d = edge + sign * rng.uniform(0.4, 2.4)
        things.append(Railing(d, rng.uniform(0.7, 1.0), 1.3, 200.0, colour, 0.25, False))
    elif rail < 0.6:
        colour = (150.0, 152.0, 152.0)
        d = edge + sign * rng.uniform(0.4, 1.2)
        things.append(Strip(d, 0.45, 0.78, 1.3, 220.0, colour, 2.0, 0.02))
    return things


def choose_roadside(rng: np.random.Generator, layout: Layout, category: str, gain: float):
    """Objects on the left, on the median, on the right and overhead; each far to near."""
    left = _side(rng, -1, layout.left, gain)
    right = _side(rng, 1, layout.right, gain)
    median: list = []
    if layout.far:
        middle = (layout.far[-1] + layout.edges[0]) / 2
        if layout.median == "railing":
            tone = rng.uniform(205, 238)
            start = 1.3 if category != "cross" else rng.uniform(30, 60)
            colour = (tone, tone, tone)
            median.append(Railing(middle, rng.uniform(0.85, 1.15), start, 220.0, colour))
        elif layout.median == "barrier":
            tone = rng.uniform(135, 185)
            start = 1.3 if category != "cross" else rng.uniform(30, 60)
            colour = (tone, tone, tone)
            median.append(
                Strip(middle, 0.0, rng.uniform(0.75, 0.95), start, 220.0, colour, 4.0, 0.06, 0.25)
            )
        elif layout.median == "hedge" and category != "cross":
            colour = tuple(float(c) for c in np.array([40, 66, 56]) * rng.uniform(0.75, 1.1) * gain)
            median.append(
                Strip(middle + 0.6, 0.0, rng.uniform(0.5, 1.0), 1.3, 220.0, colour, 0.0, 0.17, 1.2)
            )
            if rng.random() < 0.5:
                median += _row_of_trees(rng, middle, gain, 12)[::-1]
    overhead = []
    if rng.random() < 0.3:
        z = float(rng.uniform(30, 90))
        colour = (70.0, 72.0, 74.0)
        span = layout.right - layout.edges[0] + 1.5
        panel = ((150, 70, 20), (70, 110, 20), None)[int(rng.integers(3))]
        overhead.append(Pole(z, layout.right + 0.8, 6.2, -span, colour, panel, False, 0.28))
        overhead.append(Pole(z, layout.right + 0.8 - span, 6.2, 0.0, colour, None, False, 0.28))
    return tuple(left), tuple(median), tuple(right), tuple(overhead)


def _vehicle(rng, d: float, z: float, oncoming: bool) -> Vehicle:
    kind = str(rng.choice(list(MODELS), p=[0.5, 0.24, 0.1, 0.07, 0.09]))
    colour = np.array(_PAINTS[int(rng.integers(len(_PAINTS)))]) * rng.uniform(0.85, 1.05)
    second = None
    if kind == "sedan" and rng.random() < 0.15:
        colour, second = np.array((62, 92, 50)), (20.0, 150.0, 225.0)
    if kind == "bus":
        colour = np.array(((60, 60, 190), (190, 120, 60), (90, 170, 90))[int(rng.integers(3))])
    return Vehicle(
        kind=kind,
        colour=tuple(float(c) for c in colour),
        d=d,
        z=z,
        oncoming=oncoming,
        braking=bool(rng.random() < 0.35),
        second=second,
    )


def choose_traffic(rng: np.random.Generator, layout: Layout, count: int, near: float):
    """Vehicles on our carriageway and on the other one, far to near, never overlapping.

    Args:
        rng: Random numbers.
        layout: The road's plan.
        count: Vehicles on our carriageway.
        near: Least distance of a vehicle ahead in the own lane.
    """
    ours: list[Vehicle] = []
    middles = [(a + b) / 2 for a, b in pairwise(layout.edges)]
    taken: dict[int, list[tuple[float, float]]] = {i: [] for i in range(len(middles))}
    for _ in range(count * 3):
        if len(ours) == count:
            break
        lane = int(rng.integers(len(middles)))
        first = near if lane == layout.own else 1.5
        z = float(first + rng.gamma(1.6, 14.0))
        car = _vehicle(rng, middles[lane] + rng.uniform(-0.3, 0.3), z, False)
        if lane != layout.own and z < 6 and car.kind in ("bus", "truck") and rng.random() < 0.7:
            continue
        stop = z + MODELS[car.kind].length
        if any(z < b + 2.0 and stop > a - 2.0 for a, b in taken[lane]):
            continue
        taken[lane].append((z, stop))
        ours.append(car)
    others: list[Vehicle] = []
    far = list(pairwise(layout.far))
    if far:
        for _ in range(int(rng.integers(0, 2 + count // 2))):
            a, b = far[int(rng.integers(len(far)))]
            z = float(6 + rng.gamma(1.6, 18.0))
            if all(abs(z - car.z) > 13 for car in others):
                others.append(_vehicle(rng, (a + b) / 2, z, True))
    ours.sort(key=lambda car: -car.z)
    others.sort(key=lambda car: -car.z)
    return tuple(ours), tuple(others)
