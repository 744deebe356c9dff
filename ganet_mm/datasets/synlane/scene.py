"""A whole scene, drawn at random from a level and a category."""

from dataclasses import dataclass

import numpy as np

from .camera import WIDTH, Camera
from .layout import (
    Layout,
    choose_camera,
    choose_course,
    choose_layout,
    choose_lines,
    choose_surface,
    choose_symbols,
)
from .lens import Bonnet, Lens
from .levels import LEVELS, Level
from .lighting import Night, Shade, Sun
from .markings import Line, Symbol
from .road import Course
from .roadside import choose_roadside, choose_traffic
from .scenery import Sky
from .surface import Surface
from .vehicles import Vehicle

NIGHT_CASTS = ((0.25, 1.0, 1.0), (0.85, 1.0, 0.75), (1.15, 0.95, 0.8), (0.5, 0.85, 1.1))
"""BGR factors: low-pressure sodium, mercury, cold LED and high-pressure sodium lamps."""


@dataclass(frozen=True)
class Scene:
    """All that :func:`~.render.render` needs; see the classes of the parts."""

    category: str
    camera: Camera
    course: Course
    layout: Layout
    lines: tuple[Line, ...]
    symbols: tuple[Symbol, ...]
    surface: Surface
    sky: Sky
    skyline: tuple[tuple[float, tuple[float, float, float], bool], ...]
    left: tuple
    median: tuple
    right: tuple
    overhead: tuple
    traffic: tuple[Vehicle, ...]
    oncoming: tuple[Vehicle, ...]
    haze: float
    paint_gain: float
    shade: Shade | None
    night: Night | None
    sun: Sun | None
    bonnet: Bonnet
    lens: Lens
    ground_shadow: float
    top_width: float
    seed: int


def _sky(rng, category: str) -> Sky:
    kind = rng.choice(["overcast", "haze", "clear"], p=[0.5, 0.25, 0.25])
    if category in ("shadow", "hlight"):
        kind = "clear" if rng.random() < 0.7 else "haze"
    if kind == "overcast":
        tone = rng.uniform(165, 222)
        zenith, horizon = np.array([tone, tone - 2, tone - 4]), np.array([tone + 18] * 3)
    elif kind == "haze":
        tone = rng.uniform(170, 215)
        zenith, horizon = np.array([tone + 6, tone - 4, tone - 14]), np.array([tone + 14] * 3)
    else:
        tone = rng.uniform(0.85, 1.1)
        zenith, horizon = np.array([205, 150, 98]) * tone, np.array([228, 216, 202]) * tone
    return Sky(
        tuple(float(c) for c in np.minimum(zenith, 250)),
        tuple(float(c) for c in np.minimum(horizon, 252)),
        float(rng.uniform(0.01, 0.07)),
        int(rng.integers(1 << 20)),
    )


def _skyline(rng, sky: Sky):
    """Up to three layers, the farther the nearer to the sky's colour."""
    layers = []
    air = np.array(sky.horizon)
    for fade in (0.75, 0.5, 0.3):
        if rng.random() < 0.75:
            blocky = bool(rng.random() < 0.4) and fade > 0.4
            own = np.array([120, 122, 122] if blocky else [48, 66, 58]) * rng.uniform(0.8, 1.15)
            colour = own + (air - own) * fade
            height = rng.uniform(10, 42) if blocky else rng.uniform(8, 26)
            layers.append((float(height), tuple(float(c) for c in colour), blocky))
    return tuple(layers)


def _shade(rng, level: Level, layout: Layout, strong: bool) -> Shade:
    bridge = rng.random() < (0.35 if strong else 0.1)
    start = rng.uniform(5, 16)
    return Shade(
        depth=float(rng.uniform(*level.shadow)),
        trees=float(rng.uniform(0.5, 0.9)) if not bridge or rng.random() < 0.5 else 0.0,
        side=float(rng.choice([layout.edges[0], layout.edges[-1], 0.0])),
        reach=float(rng.uniform(8, 20)),
        bridges=((float(start), float(rng.uniform(4, 16))),) if bridge else (),
        seed=int(rng.integers(1 << 20)),
    )


def _night(rng, level: Level) -> Night:
    warm = np.array([[0.55, 0.8, 1.0], [0.3, 0.85, 0.95], [0.95, 1.0, 0.95]][int(rng.integers(3))])
    tints = ((1.0, 1.0, 1.0), (1.3, 1.1, 0.9), (0.7, 0.9, 1.15), (0.8, 1.15, 1.0))
    return Night(
        ambient=float(rng.uniform(*level.night_light)),
        ambient_tint=tuple(float(c) for c in tints[int(rng.integers(len(tints)))]),
        beam=float(rng.uniform(*level.beam)),
        throw=float(rng.uniform(20, 42)),
        tint=tuple(float(c) for c in np.array([0.97, 1.0, 1.0]) * rng.uniform(0.92, 1.05, 3)),
        lamp=float(rng.choice([0.0, rng.uniform(0.08, 0.4)])),
        lamp_tint=tuple(float(c) for c in warm),
        glows=tuple(_glow(rng) for _ in range(int(rng.integers(0, 4)))),
    )


def _glow(rng):
    colours = ((0.1, 0.5, 1.0), (0.1, 0.1, 1.0), (1.0, 0.5, 0.2), (0.6, 1.0, 0.3))
    tint = np.array(colours[int(rng.integers(4))]) * rng.uniform(0.03, 0.3)
    x = rng.choice([rng.uniform(-100, 500), rng.uniform(1140, 1740)])
    return (
        float(x),
        float(rng.uniform(240, 420)),
        float(rng.uniform(120, 420)),
        tuple(float(c) for c in tint),
    )


def _sun(rng, level: Level, camera: Camera, horizon: float) -> Sun:
    return Sun(
        x=float(rng.uniform(0.15, 0.85) * WIDTH),
        y=float(horizon - rng.uniform(35, 200)),
        strength=float(rng.uniform(*level.glare)),
        spread=float(rng.uniform(130, 330)),
        colour=tuple(float(c) for c in np.array([0.85, 0.95, 1.0]) * rng.uniform(0.92, 1.05, 3)),
        veil=float(rng.uniform(8, 45) * level.glare[1]),
        streak=float(rng.uniform(0.05, 0.35) * level.glare[1]),
    )


def _bonnet(rng) -> Bonnet:
    height = float(rng.choice([0.0, rng.uniform(30, 90), rng.uniform(90, 195)], p=[0.2, 0.3, 0.5]))
    base = np.array([(34, 40, 30), (22, 22, 24), (74, 76, 76), (24, 24, 46), (44, 34, 26)])
    colour = base[int(rng.integers(len(base)))] * rng.uniform(0.7, 1.1)
    return Bonnet(
        height=height,
        middle=float(WIDTH / 2 + rng.uniform(-40, 90)),
        width=float(rng.uniform(560, 1050)),
        bend=float(rng.uniform(1.7, 2.8)),
        colour=tuple(float(c) for c in colour),
        mirror=float(rng.uniform(0.2, 0.55)),
        dash=float(rng.choice([0.0, rng.uniform(8, 34)])),
    )


def _lens(rng, level: Level, category: str) -> Lens:
    dark = category == "night"
    cast = np.ones(3)
    if dark and rng.random() < 0.35:
        # A recorder's white balance under lamps of one colour: the whole picture takes it on.
        cast = np.array(NIGHT_CASTS[int(rng.integers(len(NIGHT_CASTS)))]) ** rng.uniform(0.3, 1)
    motion = rng.uniform(0.01, 0.05) if dark else rng.choice([0.0, rng.uniform(0.002, 0.01)])
    warmth = rng.uniform(-0.045, 0.045)
    exposure = rng.uniform(0.92, 1.2) * (1.2 if dark else 1.0)
    hour = f"{int(rng.integers(24)):02d}:{int(rng.integers(60)):02d}:{int(rng.integers(60)):02d}"
    return Lens(
        corners=float(rng.choice([0.0, rng.uniform(4, 16)])),
        vignette=float(rng.uniform(0.0, 0.25)),
        blur=float(rng.uniform(*level.blur)),
        grain=float(rng.uniform(*level.grain) * (1.6 if dark else 1.0)),
        motion=float(motion),
        gain=tuple(
            float(exposure * own * (1 + c))
            for own, c in zip(cast, (-warmth, rng.uniform(-0.012, 0.012), warmth), strict=True)
        ),
        gamma=float(rng.uniform(0.88, 1.15)),
        stamp=hour if rng.random() < 0.4 else "",
        seed=int(rng.integers(1 << 30)),
    )


def choose_scene(rng: np.random.Generator, category: str, level_name: str) -> Scene:
    """Draw a scene.

    Args:
        rng: Random numbers; the scene depends on nothing else.
        category: One of :data:`~.levels.CATEGORIES`.
        level_name: Key of :data:`~.levels.LEVELS`.
    """
    level = LEVELS[level_name]
    camera = choose_camera(rng, level)
    course = choose_course(rng, level, category)
    layout = choose_layout(rng)
    lines = choose_lines(rng, level, layout, category) if category != "cross" else ()
    symbols = choose_symbols(rng, layout, category)
    surface = choose_surface(rng, layout, category)
    sky = _sky(rng, category)
    left, median, right, overhead = choose_roadside(rng, layout, category, rng.uniform(0.8, 1.15))

    count = int(rng.integers(level.vehicles[0], level.vehicles[1] + 1))
    near = rng.uniform(11, 30)
    if category == "crowd":
        count = int(rng.integers(level.crowd[0], level.crowd[1] + 1))
        near = rng.uniform(6, 14)
    traffic, oncoming = choose_traffic(rng, layout, count, near)

    mixed = str(rng.choice(["shadow", "night", "hlight"])) if rng.random() < level.mix else ""
    if category in ("shadow", "night", "hlight"):
        mixed = ""
    lights = {category, mixed}
    horizon = camera.cy + camera.horizon
    return Scene(
        category=category,
        camera=camera,
        course=course,
        layout=layout,
        lines=lines,
        symbols=symbols,
        surface=surface,
        sky=sky,
        skyline=_skyline(rng, sky),
        left=left,
        median=median,
        right=right,
        overhead=overhead,
        traffic=traffic,
        oncoming=oncoming,
        haze=float(rng.uniform(180, 900)),
        # Paint throws head-light back: it looks brighter at night than by day.
        paint_gain=float(rng.uniform(0.85, 1.1) * (1.2 if "night" in lights else 1.0)),
        shade=_shade(rng, level, layout, True) if "shadow" in lights else None,
        night=_night(rng, level) if "night" in lights else None,
        sun=_sun(rng, level, camera, horizon) if "hlight" in lights else None,
        bonnet=_bonnet(rng),
        lens=_lens(rng, level, "night" if "night" in lights else category),
        ground_shadow=float(rng.uniform(0.45, 0.75)),
        top_width=float(rng.uniform(24, 46)),
        seed=int(rng.integers(1 << 30)),
    )
