"""Light: shadows on the road, the night, dazzling light, glowing lamps."""

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import HEIGHT, WIDTH
from .ground import Ground
from .lights import Light
from .road import Road
from .textures import noise_bytes

_SMALL = (WIDTH // 8, HEIGHT // 8 + 1)


@dataclass(frozen=True)
class Shade:
    """Shadows on the ground.

    Args:
        depth: Light taken away in the full shadow, 0–1.
        trees: Share of the road under dappled tree shadow, 0–1; 0 for none.
        side: Offset across the road where the trees' shadow is densest.
        reach: How far it extends from there, metres.
        bridges: ``(s, length)`` of bridges' shadows across the road.
        seed: Shifts the pattern.
    """

    depth: float
    trees: float
    side: float
    reach: float
    bridges: tuple[tuple[float, float], ...]
    seed: int


@dataclass(frozen=True)
class Night:
    """Light of a night.

    Args:
        ambient: Light everywhere, relative to daylight.
        ambient_tint: BGR factors of that light.
        beam: Strength of the car's head-lights.
        throw: Distance at which the beam has lost most of its strength, metres.
        tint: BGR factors of the head-lights.
        lamp: Strength of the street lamps on the ground.
        lamp_tint: BGR factors of the street lamps.
        glows: Patches of coloured light from signs and shops: ``(x, y, radius, BGR factors)`` in
            pixels of the picture.
    """

    ambient: float
    ambient_tint: tuple[float, float, float]
    beam: float
    throw: float
    tint: tuple[float, float, float]
    lamp: float
    lamp_tint: tuple[float, float, float]
    glows: tuple[tuple[float, float, float, tuple[float, float, float]], ...]


@dataclass(frozen=True)
class Sun:
    """A dazzling light in the picture: point, strength, spread in pixels, BGR, veil (grey levels).

    ``streak`` is the strength of its reflection on the road.
    """

    x: float
    y: float
    strength: float
    spread: float
    colour: tuple[float, float, float]
    veil: float
    streak: float


def draw_shade(image: np.ndarray, ground: Ground, shade: Shade) -> None:
    """Darken the ground's rows ``image`` (R, WIDTH, 3) in place."""
    amount = np.zeros(ground.d.shape, np.float32)
    if shade.trees > 0:
        shift = np.float32(shade.seed % 401)
        # Leaves: a threshold on noise, softer where a pixel covers more ground.
        leaves = cv2.remap(
            noise_bytes(10, 1.15),
            ground.s * np.float32(11.0) + shift,
            ground.d * np.float32(16.0) + shift,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        ).astype(np.float32)
        density = 1 - np.abs(ground.d - np.float32(shade.side)) * np.float32(1 / shade.reach)
        np.clip(density, 0, 1, out=density)
        level = np.float32(170 - 95 * shade.trees)
        soft = np.minimum(ground.footprint * np.float32(1.5), np.float32(1.0))
        amount = (leaves - level) * np.float32(1 / 18) + np.float32(0.5)
        np.clip(amount, 0, 1, out=amount)
        amount += (np.float32(shade.trees) - amount) * soft
        amount *= np.minimum(density * 3, 1)
    for s, length in shade.bridges:
        edge = np.minimum(ground.s - np.float32(s), np.float32(s + length) - ground.s)
        edge *= 1 / (np.float32(0.25) + ground.across * np.float32(12))
        np.maximum(amount, np.clip(edge + 0.5, 0, 1), out=amount)
    factor = (255 - np.float32(255 * shade.depth) * amount).astype(np.uint8)
    # Shadows are lit by the sky alone, hence bluer.
    blue = np.clip(factor.astype(np.float32) * 1.04 + 4, 0, 255).astype(np.uint8)
    cv2.multiply(image, cv2.merge([blue, factor, factor]), dst=image, scale=1 / 255)


def night_light(road: Road, night: Night, lamps: list[tuple[float, float]]) -> np.ndarray:
    """Light over the picture, (HEIGHT // 8 + 1, WIDTH // 8, 3) float32, 1 = daylight.

    ``lamps`` are the street lamps' (z, d). Above the horizon the ground's light fades upwards.
    """
    camera = road.camera
    x = (np.arange(_SMALL[0], dtype=np.float32) + 0.5)[None] * 8
    y = (np.arange(_SMALL[1], dtype=np.float32) + 0.5)[:, None] * 8
    u, v = camera.to_level(x, y)
    horizon = road.horizon
    row = np.maximum(v, horizon + 2.0)
    slope, across = camera.level_ray(row)
    z = np.clip(camera.height / np.maximum(slope, 1e-3), 2.0, 300.0)
    side = u * across * z
    spread = 1.3 + 0.22 * z
    beam = np.exp(-((side / spread) ** 2)) + 0.25 * np.exp(-((side / (2.6 * spread)) ** 2))
    beam *= night.beam * np.exp(-z / night.throw) * np.clip((z - 2.0) / 5.0, 0.15, 1)
    ambient = night.ambient * np.float32(night.ambient_tint)
    light = ambient + beam[..., None] * np.float32(night.tint)
    if night.lamp:
        pool = np.zeros_like(z)
        for lamp_z, lamp_d in lamps:
            lamp_x = float(road.at(lamp_z, road.x)) + lamp_d
            pool += np.exp(-(((z - lamp_z) / 9.0) ** 2) - ((side - lamp_x) / 8.0) ** 2)
        light = light + (night.lamp * (0.35 + np.minimum(pool, 1.2)))[..., None] * np.float32(
            night.lamp_tint
        )
    fade = np.exp(np.minimum((v - horizon) / 45.0, 0.0))[..., None]
    light = ambient + (light - ambient) * fade
    for at_x, at_y, radius, tint in night.glows:
        patch = np.exp(-(((x - at_x) / radius) ** 2) - ((y - at_y) / (0.4 * radius)) ** 2)
        light = light + patch[..., None] * np.float32(tint)
    return light.astype(np.float32)


def apply_light(image: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Multiply a picture by a coarse light field."""
    full = cv2.resize(light, (WIDTH, _SMALL[1] * 8), interpolation=cv2.INTER_LINEAR)[:HEIGHT]
    return cv2.multiply(image, full, dtype=cv2.CV_8U)


def draw_glow(image: np.ndarray, lights: list[Light], wet: float, horizon: float) -> None:
    """Add glowing lamps in place: a bright core and two halos.

    A road of wetness ``wet`` mirrors them as streaks below the row ``horizon``.
    """
    small = np.zeros((HEIGHT // 4 + 1, WIDTH // 4, 3), np.float32)
    streaks = np.zeros_like(small)
    for light in lights:
        if not (-50 < light.x < WIDTH + 50 and -50 < light.y < HEIGHT + 50):
            continue
        at = (int(light.x / 4), int(light.y / 4))
        radius = max(round(light.radius / 4), 0)
        ink = tuple(float(c * light.power) for c in light.colour)
        spot = np.zeros((2 * radius + 3, 2 * radius + 3, 3), np.float32)
        cv2.circle(spot, (radius + 1, radius + 1), radius, ink, -1)
        _add(small, spot, at[0] - radius - 1, at[1] - radius - 1)
        if wet:
            tail = np.zeros((60, 2 * radius + 1, 3), np.float32)
            tail[:] = (
                np.float32(ink) * (wet * np.linspace(1, 0, 60, dtype=np.float32))[:, None, None]
            )
            mirror = max(2 * horizon - light.y, horizon, light.y + 12) / 4
            _add(streaks, tail, at[0] - radius, int(mirror) + 2 * radius)
        core = (round(light.x * 16), round(light.y * 16))
        bright = tuple(float(min(150 + 0.45 * c, 255)) for c in light.colour)
        size = max(round(light.radius * 0.6 * 16), 10)
        cv2.circle(image, core, size, bright, -1, cv2.LINE_AA, 4)
    glow = small + 1.3 * cv2.GaussianBlur(small, (0, 0), 1.6)
    tiny = cv2.resize(small, (WIDTH // 16, HEIGHT // 16 + 1), interpolation=cv2.INTER_AREA)
    halo = cv2.GaussianBlur(tiny, (0, 0), 2.2) * 5.0
    glow += cv2.resize(halo, (small.shape[1], small.shape[0]))
    if wet:
        glow += cv2.GaussianBlur(streaks, (0, 0), 2.0)
    glow = cv2.resize(np.clip(glow, 0, 255).astype(np.uint8), (WIDTH, HEIGHT + 2))
    cv2.add(image, glow[:HEIGHT], dst=image)


def _add(field: np.ndarray, spot: np.ndarray, x: int, y: int) -> None:
    """Add a spot to a field with its top left corner at (x, y), cut at the border."""
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + spot.shape[1], field.shape[1]), min(y + spot.shape[0], field.shape[0])
    if x1 > x0 and y1 > y0:
        field[y0:y1, x0:x1] += spot[y0 - y : y1 - y, x0 - x : x1 - x]


def draw_sun(image: np.ndarray, sun: Sun, horizon: float) -> None:
    """Add a dazzling light, its veil and its reflection on the road, in place."""
    x = (np.arange(_SMALL[0], dtype=np.float32) + 0.5)[None] * 8 - sun.x
    y = (np.arange(_SMALL[1], dtype=np.float32) + 0.5)[:, None] * 8 - sun.y
    away = np.hypot(x, y)
    light = 1.6 * np.exp(-((away / (0.16 * sun.spread)) ** 2)) + 0.75 * np.exp(-away / sun.spread)
    below = (np.arange(_SMALL[1], dtype=np.float32)[:, None] + 0.5) * 8 - horizon
    width = 30 + np.maximum(below, 0) * 0.55
    streak = np.exp(-((x / width) ** 2)) * np.clip(below / 12, 0, 1) * np.exp(-below / 190)
    light = 255 * sun.strength * light + 255 * sun.streak * streak + sun.veil
    field = np.clip(light[..., None] * np.float32(sun.colour), 0, 255).astype(np.uint8)
    full = cv2.resize(field, (WIDTH, _SMALL[1] * 8), interpolation=cv2.INTER_LINEAR)[:HEIGHT]
    cv2.add(image, full, dst=image)
