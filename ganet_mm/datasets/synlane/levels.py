"""The nine categories and the two levels of difficulty."""

from dataclasses import dataclass
from functools import lru_cache

from ..culane import CATEGORIES


@dataclass(frozen=True)
class Level:
    """Ranges ``(low, high)`` from which a scene is drawn.

    Args:
        shares: Frames of each category in a hundred, in the order of :data:`CATEGORIES`.
        wear: Share of paint gone from lane lines.
        strength: Opacity of lane lines.
        faint: Opacity of lane lines in the category ``noline``.
        vehicles: Number of other vehicles in ordinary traffic.
        crowd: Number of other vehicles in the category ``crowd``.
        radius: Curve radius in metres in the category ``curve``.
        bend: Least curve radius elsewhere.
        slope: Greatest change of the road's slope.
        focal: Focal length in pixels.
        camera_height: Metres above the road.
        horizon: Row of the horizon.
        roll: Greatest roll in degrees.
        yaw: Greatest yaw in degrees.
        night_light: Ambient light of a night.
        beam: Strength of the head-lights.
        glare: Strength of a dazzling light.
        shadow: Light lost in shadows.
        grain: Sensor noise in grey levels.
        blur: Blur in pixels.
        mix: Chance that a frame also gets the light of another category (shadow, night, glare).
    """

    shares: tuple[int, ...]
    wear: tuple[float, float]
    strength: tuple[float, float]
    faint: tuple[float, float]
    vehicles: tuple[int, int]
    crowd: tuple[int, int]
    radius: tuple[float, float]
    bend: float
    slope: float
    focal: tuple[float, float]
    camera_height: tuple[float, float]
    horizon: tuple[float, float]
    roll: float
    yaw: float
    night_light: tuple[float, float]
    beam: tuple[float, float]
    glare: tuple[float, float]
    shadow: tuple[float, float]
    grain: tuple[float, float]
    blur: tuple[float, float]
    mix: float


LEVELS = {
    "standard": Level(
        shares=(24, 14, 8, 10, 6, 10, 10, 6, 12),
        wear=(0.0, 0.35),
        strength=(0.6, 0.95),
        faint=(0.22, 0.42),
        vehicles=(0, 5),
        crowd=(6, 12),
        radius=(85.0, 250.0),
        bend=700.0,
        slope=0.02,
        focal=(640.0, 860.0),
        camera_height=(1.05, 1.45),
        horizon=(252.0, 288.0),
        roll=0.7,
        yaw=1.2,
        night_light=(0.05, 0.11),
        beam=(0.8, 1.5),
        glare=(0.5, 0.9),
        shadow=(0.35, 0.62),
        grain=(0.8, 3.0),
        blur=(0.0, 0.8),
        mix=0.0,
    ),
    "hard": Level(
        shares=(14, 18, 10, 10, 11, 6, 12, 6, 13),
        wear=(0.05, 0.75),
        strength=(0.3, 0.9),
        faint=(0.0, 0.14),
        vehicles=(0, 9),
        crowd=(10, 20),
        radius=(45.0, 160.0),
        bend=350.0,
        slope=0.05,
        focal=(540.0, 980.0),
        camera_height=(0.95, 1.7),
        horizon=(225.0, 310.0),
        roll=2.0,
        yaw=3.0,
        night_light=(0.01, 0.06),
        beam=(0.3, 1.1),
        glare=(0.8, 1.3),
        shadow=(0.5, 0.82),
        grain=(1.0, 6.0),
        blur=(0.0, 1.6),
        mix=0.35,
    ),
}


@lru_cache(maxsize=4)
def _pattern(level: str) -> tuple[str, ...]:
    """A hundred categories in the level's shares, well mixed, the first nine all different."""
    shares = LEVELS[level].shares
    given = [0] * len(CATEGORIES)
    order: list[int] = []
    for place in range(100):
        if place < len(CATEGORIES):
            pick = place
        else:
            due = [share * (place + 1) / 100 - n for share, n in zip(shares, given, strict=True)]
            pick = due.index(max(due))
        given[pick] += 1
        order.append(pick)
    return tuple(CATEGORIES[pick] for pick in order)


def category_of(index: int, level: str) -> str:
    """Category of frame ``index`` of any split; every nine first frames hold all nine."""
    pattern = _pattern(level)
    return pattern[index % len(pattern)]
