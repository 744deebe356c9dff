"""Paint on the road: lane lines pixel by pixel, symbols as polygons."""

from dataclasses import dataclass

import numpy as np

from . import paint
from .camera import HEIGHT, WIDTH
from .ground import Ground
from .road import Road, lane_polyline
from .textures import noise_tile, sample

WHITE = (205.0, 212.0, 212.0)
YELLOW = (62.0, 158.0, 196.0)


@dataclass(frozen=True)
class Line:
    """A lane line.

    Args:
        d: Offset of its centre (of the pair, when double) in metres.
        colour: BGR of fresh paint in daylight.
        width: Width of a stripe, metres.
        dash: Length painted in each period, metres; 0 for solid.
        gap: Length left out in each period, metres.
        phase: Shift of the dashes along the road, metres.
        spacing: Distance between the two stripes' centres; 0 for a single line.
        strength: Opacity of the paint, 0–1.
        wear: Share of the paint that is gone, 0–1.
        annotated: Whether the line bounds one of our carriageway's lanes.
    """

    d: float
    colour: tuple[float, float, float] = WHITE
    width: float = 0.15
    dash: float = 0.0
    gap: float = 0.0
    phase: float = 0.0
    spacing: float = 0.0
    strength: float = 0.9
    wear: float = 0.1
    annotated: bool = True


@dataclass(frozen=True)
class Symbol:
    """Paint in the shape of a polygon given as (N, 2) columns s, d (metres)."""

    outline: tuple[tuple[float, float], ...]
    colour: tuple[float, float, float] = WHITE
    strength: float = 0.85
    wear: float = 0.15


def _pixels_near(ground: Ground, road: Road, d: float, half_width: float):
    """Raster rows and columns that the stripe d ± half_width may touch."""
    line = lane_polyline(road, d)
    order = np.argsort(line[:, 1], kind="stable")
    rows = np.arange(ground.top, HEIGHT)
    centre = np.interp(rows, line[order, 1], line[order, 0])
    slope = np.abs(np.gradient(centre)) if len(rows) > 1 else np.zeros(1)
    column = np.clip(np.rint(centre), 0, WIDTH - 1).astype(np.int64)
    across = ground.across[np.arange(len(rows)), column]
    reach = np.minimum(half_width / np.maximum(across, 1e-4), 400) + slope + 2
    first = np.clip(np.floor(centre - reach), 0, WIDTH).astype(np.int64)
    stop = np.clip(np.ceil(centre + reach) + 1, 0, WIDTH).astype(np.int64)
    count = np.maximum(stop - first, 0)
    row = np.repeat(np.arange(len(rows)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return row, np.repeat(first, count) + within


def _worn(s: np.ndarray, d: np.ndarray, wear: float, across, seed: int) -> np.ndarray:
    """Opacity left by wear: flakes missing and thin places; 1 everywhere for ``wear`` 0.

    ``across`` is the pixel's width on the road: detail finer than a pixel is averaged away.
    """
    coarse = sample(noise_tile(1, 1.2), s * 9 + seed * 37, d * 25 + seed * 91)
    fine = sample(noise_tile(2, 0.9), s * 40, d * 60 + seed * 17) / (1 + (across / 0.012) ** 2)
    level = np.clip(1.9 - 3.2 * wear + 0.7 * coarse + 0.6 * fine, 0.12 * (1 - wear), 1.0)
    return 1 - (1 - level) * min(4 * wear, 1.0)


def draw_line(image: np.ndarray, ground: Ground, road: Road, line: Line, gain: float, seed: int):
    """Draw a lane line into ``image``, the ground's uint8 rows (R, WIDTH, 3)."""
    stripes = (
        (line.d,)
        if not line.spacing
        else (
            line.d - line.spacing / 2,
            line.d + line.spacing / 2,
        )
    )
    for stripe in stripes:
        rows, cols = _pixels_near(ground, road, stripe, line.width / 2)
        if not rows.size:
            continue
        alpha = ground.cover(rows, cols, stripe, line.width / 2) * (ground.mask[rows, cols] > 0)
        keep = alpha > 0
        rows, cols, alpha = rows[keep], cols[keep], alpha[keep]
        s, d = ground.s[rows, cols], ground.d[rows, cols]
        across = ground.across[rows, cols]
        if line.dash:
            alpha = alpha * _dashes(ground, rows, cols, s, line)
        alpha = alpha * line.strength * _worn(s, d, line.wear, across, seed)
        alpha = alpha[:, None].astype(np.float32)
        ink = np.asarray(line.colour, np.float32) * np.float32(gain)
        under = image[rows, cols]
        image[rows, cols] = np.clip(np.rint(under + (ink - under) * alpha), 0, 255)


def _dashes(ground: Ground, rows: np.ndarray, cols: np.ndarray, s: np.ndarray, line: Line):
    """Share of a pixel's way along the road that is painted, box filtered over its extent in s."""
    period = line.dash + line.gap
    other = ground.s[np.maximum(rows - 1, 0), cols]
    extent = np.clip(np.abs(other - s), 0.01, None)

    def painted(way: np.ndarray) -> np.ndarray:
        whole = np.floor(way / period)
        return whole * line.dash + np.minimum(way - whole * period, line.dash)

    way = s.astype(np.float64) + line.phase
    return (painted(way + extent / 2) - painted(way - extent / 2)) / extent


def draw_symbol(image: np.ndarray, ground: Ground, road: Road, symbol: Symbol, gain, seed: int):
    """Draw a symbol into ``image``, the ground's uint8 rows (R, WIDTH, 3)."""
    corners = np.asarray(symbol.outline, np.float64)
    closed = np.concatenate([corners, corners[:1]])
    steps = np.linspace(0, 1, 8, endpoint=False)[None, :, None]
    outline = (closed[:-1, None] + (closed[1:] - closed[:-1])[:, None] * steps).reshape(-1, 2)
    z = road.z_of_s(outline[:, 0])
    if z.min() < 1.6 or z.max() > 150:
        return
    points = road.camera.project(road.points(z, outline[:, 1])) - (0, ground.top)
    box = paint.box_of(points, image.shape)
    if box is None:
        return
    alpha = paint.mask_of([points], box).astype(np.float32) / 255 * (ground.mask[box] > 0)
    alpha *= symbol.strength * _worn(
        ground.s[box], ground.d[box], symbol.wear, ground.across[box], seed
    )
    paint.blend(image[box], np.minimum(np.asarray(symbol.colour) * gain, 255), alpha)


def _shaft(s: float, d: float, length: float, width: float) -> list[tuple[float, float]]:
    return [(s, d - width / 2), (s, d + width / 2), (s + length, d + width / 2)]


def arrow(kind: str, s: float, d: float) -> list[tuple[tuple[float, float], ...]]:
    """Outlines of a lane arrow of China's form at (s, d): 'ahead', 'left', 'right' or both."""
    shapes: list[tuple[tuple[float, float], ...]] = []
    shaft = 3.4
    if "ahead" in kind:
        shapes.append(
            (
                *_shaft(s, d, shaft, 0.17),
                (s + shaft, d + 0.42),
                (s + shaft + 2.4, d),
                (s + shaft, d - 0.42),
                (s + shaft, d - 0.085),
            )
        )
    for name, side in (("left", -1.0), ("right", 1.0)):
        if name in kind:
            turn = s + 2.2
            shapes.append(
                (
                    (s, d - 0.085),
                    (s, d + 0.085),
                    (turn - 0.5, d + 0.085),
                    (turn + 0.4, d + side * 0.55),
                    (turn - 0.3, d + side * 0.6),
                    (turn + 1.0, d + side * 1.05),
                    (turn + 1.9, d + side * 0.5),
                    (turn + 1.2, d + side * 0.48),
                    (turn + 0.5, d - side * 0.085),
                )
            )
    return shapes


def crossing(s: float, depth: float, left: float, right: float, stripe: float = 0.45):
    """Outlines of a zebra crossing's stripes between offsets ``left`` and ``right``."""
    starts = np.arange(left, right - stripe, 2.2 * stripe)
    return [((s, d), (s, d + stripe), (s + depth, d + stripe), (s + depth, d)) for d in starts]


def bar(s: float, depth: float, left: float, right: float) -> tuple[tuple[float, float], ...]:
    """Outline of a bar across the road, such as a stop line."""
    return ((s, left), (s, right), (s + depth, right), (s + depth, left))


def diamond(s: float, d: float) -> list[tuple[tuple[float, float], ...]]:
    """Outlines of the diamond that announces a crossing."""
    sides = [((0, 0), (1.5, 0.75)), ((1.5, 0.75), (3, 0)), ((3, 0), (1.5, -0.75))]
    sides.append(((1.5, -0.75), (0, 0)))
    thick = 0.12
    return [
        (
            (s + a[0], d + a[1] - thick),
            (s + b[0], d + b[1] - thick),
            (s + b[0], d + b[1] + thick),
            (s + a[0], d + a[1] + thick),
        )
        for a, b in sides
    ]
