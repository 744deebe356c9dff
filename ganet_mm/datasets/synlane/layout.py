"""Random choice of the road: course, camera, lanes, paint, materials."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from . import markings
from .camera import HEIGHT, WIDTH, Camera
from .levels import Level
from .markings import WHITE, YELLOW, Line, Symbol
from .road import Course
from .surface import Surface


@dataclass(frozen=True)
class Layout:
    """The road's plan across.

    Args:
        edges: Offsets of our carriageway's lane lines, left to right.
        own: Index of the car's lane.
        median: What bounds us on the left: 'railing', 'double', 'barrier', 'hedge' or 'verge'.
        far: Offsets of the oncoming carriageway's lane lines, left to right; may be empty.
        left: Offset of the left end of all asphalt.
        right: Offset of the right end of all asphalt.
    """

    edges: tuple[float, ...]
    own: int
    median: str
    far: tuple[float, ...]
    left: float
    right: float


def choose_camera(rng: np.random.Generator, level: Level) -> Camera:
    """A camera of the level's ranges."""
    focal = rng.uniform(*level.focal)
    cy = HEIGHT / 2 + rng.uniform(-8, 8)
    horizon = rng.uniform(*level.horizon)
    return Camera(
        focal=focal,
        cx=WIDTH / 2 + rng.uniform(-45, 25),
        cy=cy,
        height=rng.uniform(*level.camera_height),
        pitch=float(np.arctan((cy - horizon) / focal)),
        roll=float(np.radians(rng.uniform(-level.roll, level.roll))),
    )


def choose_course(rng: np.random.Generator, level: Level, category: str) -> Course:
    """A course: clothoid pieces and gentle hills; sharp bends in the category ``curve``."""
    if category == "curve":
        bend = rng.choice([-1, 1]) / rng.uniform(*level.radius)
        start = rng.uniform(-28, 10)
        curve = (
            (0.0, bend * max(0.0, -start / 30)),
            (max(start, 1.0), bend * max(0.0, -start / 30)),
            (max(start, 1.0) + 30.0, bend),
            (max(start, 1.0) + rng.uniform(60, 160), bend),
            (260.0, 0.0),
        )
    else:
        most = 1 / level.bend
        first, second = rng.uniform(-most, most) * rng.random(), rng.uniform(-most, most)
        curve = ((0.0, first), (rng.uniform(40, 90), first), (rng.uniform(120, 260), second))
    slope = rng.uniform(-level.slope, level.slope)
    later = slope + rng.uniform(-level.slope, level.slope)
    start = rng.uniform(15, 60)
    grade = (
        (0.0, 0.0),
        (start, 0.0),
        (start + rng.uniform(30, 70), slope),
        (start + rng.uniform(120, 220), later),
    )
    yaw = np.radians(rng.uniform(-level.yaw, level.yaw))
    return Course(curve, grade, offset=rng.uniform(-0.45, 0.45), yaw=float(yaw))


def choose_layout(rng: np.random.Generator) -> Layout:
    """Lanes and what lies beside them."""
    lanes = int(rng.choice([1, 2, 3, 4], p=[0.04, 0.24, 0.4, 0.32]))
    own = int(rng.integers(lanes))
    width = rng.uniform(3.2, 3.75)
    edges = tuple(float((i - own - 0.5) * width) for i in range(lanes + 1))
    median = str(
        rng.choice(
            ["railing", "double", "barrier", "hedge", "verge"], p=[0.3, 0.28, 0.16, 0.16, 0.1]
        )
    )
    gap = {"railing": 0.9, "double": 0.0, "barrier": 1.2, "hedge": 2.4, "verge": 0.0}[median]
    far: tuple[float, ...] = ()
    left = edges[0] - rng.uniform(0.4, 1.2)
    if median != "verge":
        count = int(rng.integers(1, 4))
        far = tuple(float(edges[0] - gap - i * width) for i in range(count, -1, -1))
        left = far[0] - rng.uniform(0.4, 1.2)
    right = edges[-1] + rng.choice([rng.uniform(0.3, 0.9), rng.uniform(1.5, 3.0)])
    return Layout(edges, own, median, far, float(left), float(right))


def _dashes(rng: np.random.Generator) -> dict[str, float]:
    dash, gap = ((2.0, 4.0), (4.0, 6.0), (6.0, 9.0), (3.0, 4.5))[int(rng.integers(4))]
    return {"dash": dash, "gap": gap, "phase": float(rng.uniform(0, dash + gap))}


def choose_lines(rng: np.random.Generator, level: Level, layout: Layout, category: str):
    """Lane lines: ours annotated, the other carriageway's not."""
    faint = category == "noline"
    lines = []
    dashes = _dashes(rng)
    strength = rng.uniform(*(level.faint if faint else level.strength))
    wear = rng.uniform(*level.wear)
    if faint:
        wear = max(wear, rng.uniform(0.3, 0.5))
    inner_solid = category == "arrow" or rng.random() < 0.12
    last = len(layout.edges) - 1
    width = rng.uniform(0.12, 0.17)
    for i, d in enumerate(layout.edges):
        kind: dict = {"width": float(width * rng.uniform(0.95, 1.1))}
        if i == 0:
            if layout.median == "double":
                kind.update(colour=YELLOW, spacing=rng.uniform(0.28, 0.36))
            else:
                kind.update(colour=YELLOW if rng.random() < 0.55 else WHITE)
        elif i == last:
            if rng.random() < 0.15:
                kind.update(dashes)
        elif not (inner_solid and rng.random() < 0.6):
            kind.update(dashes)
        lines.append(
            Line(
                d=d,
                strength=float(np.clip(strength * rng.uniform(0.85, 1.1), 0, 1)),
                wear=float(np.clip(wear + rng.uniform(-0.08, 0.08), 0, 0.9)),
                **kind,
            )
        )
    for i, d in enumerate(layout.far):
        end = i == len(layout.far) - 1
        if end and layout.median == "double":
            continue
        kind = {} if i == 0 or end else _dashes(rng)
        if end:
            kind["colour"] = YELLOW
        far_strength = float(strength * rng.uniform(0.7, 1.0))
        lines.append(Line(d=d, strength=far_strength, wear=wear, annotated=False, **kind))
    return tuple(lines)


def choose_symbols(rng: np.random.Generator, layout: Layout, category: str) -> tuple[Symbol, ...]:
    """Arrows, crossings, stop lines, diamonds."""
    shapes: list = []
    middles = [(a + b) / 2 for a, b in pairwise(layout.edges)]
    if category == "arrow":
        first = rng.uniform(5.5, 11)
        kinds = ["ahead", "ahead left", "left", "right", "ahead right"]
        for i, middle in enumerate(middles):
            kind = "ahead"
            if i == 0 and rng.random() < 0.6:
                kind = str(rng.choice(["left", "ahead left"]))
            elif i == len(middles) - 1 and rng.random() < 0.6:
                kind = str(rng.choice(kinds[3:]))
            for s in (first, first + rng.uniform(16, 30)):
                shapes += markings.arrow(kind, s, middle)
    elif category == "cross":
        near = rng.uniform(3.5, 16)
        left, right = layout.left + 0.2, layout.right - 0.2
        if rng.random() < 0.85:
            shapes += markings.crossing(near, rng.uniform(3, 6), left, right)
        if rng.random() < 0.7:
            shapes += markings.crossing(near + rng.uniform(24, 45), 5.0, left, right)
        if rng.random() < 0.4:
            shapes.append(markings.bar(near + 20 + rng.uniform(2, 8), 0.3, left, layout.edges[0]))
    else:
        chance = rng.random()
        own = middles[layout.own]
        if chance < 0.08:
            shapes += markings.arrow("ahead", rng.uniform(12, 40), own)
        elif chance < 0.14:
            shapes += markings.diamond(rng.uniform(8, 30), own)
    strength, wear = rng.uniform(0.55, 0.9), rng.uniform(0.05, 0.35)
    return tuple(Symbol(tuple(shape), WHITE, float(strength), float(wear)) for shape in shapes)


def choose_surface(rng: np.random.Generator, layout: Layout, category: str) -> Surface:
    """Asphalt and verges."""
    grey = rng.uniform(70, 112)
    warm = rng.uniform(-5, 5)
    city = rng.random() < 0.6
    edge = (("gutter", 0.25), ("kerb", 0.2)) if city else (("earth", 0.5),)
    soft = str(rng.choice(["grass", "grass", "dry", "earth"]))
    walk = (("pavement" if rng.random() < 0.5 else "bricks", rng.uniform(1.5, 4)),) if city else ()
    verge = (*edge, *walk, (soft, 200.0))
    wide = category == "cross"
    return Surface(
        asphalt=(float(grey - warm), float(grey), float(grey + warm * 0.6)),
        left=layout.left - (rng.uniform(3, 25) if wide else 0.0),
        right=layout.right + (rng.uniform(2, 20) if wide else 0.0),
        lane_edges=layout.edges,
        verge_left=verge,
        verge_right=verge if rng.random() < 0.7 else (*edge, (soft, 200.0)),
        tracks=float(rng.uniform(0.02, 0.09)),
        mottle=float(rng.uniform(0.02, 0.06)),
        grain=float(rng.uniform(0.02, 0.08)),
        cracks=int(rng.integers(0, 7)),
        patches=int(rng.integers(0, 3)),
        seed=int(rng.integers(1 << 20)),
    )
