"""Vehicles: side profiles drawn out to their width, shaded face by face."""

from dataclasses import dataclass

import cv2
import numpy as np

from . import paint
from .lights import Light
from .road import Road
from .textures import noise_tile
from .vehicle_models import MODELS, Model


@dataclass(frozen=True)
class Vehicle:
    """A vehicle on the road.

    Args:
        kind: Key of :data:`MODELS`.
        colour: BGR of the body in daylight.
        d: Offset of its middle across the road.
        z: Distance of its end next to the car.
        oncoming: Whether it faces the car.
        braking: Whether its tail lights shine brightly.
        second: BGR of the lower body (two-tone taxis) or None.
    """

    kind: str
    colour: tuple[float, float, float]
    d: float
    z: float
    oncoming: bool = False
    braking: bool = False
    second: tuple[float, float, float] | None = None


_TONES = {
    "bumper": 0.62,
    "rear": 0.85,
    "front": 0.85,
    "body": 1.12,
    "roof": 1.18,
    "cargo": 0.95,
    "under": 0.2,
}
_GLASS = np.array([62.0, 58.0, 52.0])
_NEAR = 0.5  # metres before the camera at which faces are cut


def _clip_near(points: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """The part of a polygon (N, 3) at least _NEAR deep (Sutherland and Hodgman)."""
    kept = []
    for i in range(len(points)):
        a, b = points[i - 1], points[i]
        da, db = depth[i - 1] - _NEAR, depth[i] - _NEAR
        if (da >= 0) != (db >= 0):
            kept.append(a + (b - a) * (da / (da - db)))
        if db >= 0:
            kept.append(b)
    return np.array(kept).reshape(-1, 3)


class _Drawer:
    """Places a vehicle's own coordinates (along, across, up) in the picture."""

    def __init__(self, road: Road, vehicle: Vehicle, model: Model) -> None:
        self.camera = road.camera
        z = max(vehicle.z, 0.0)
        base = road.points(max(z, 1.3), vehicle.d)
        heading = float(road.at(z, road.heading))
        self.ahead = np.array([np.sin(heading), 0.0, np.cos(heading)])
        self.right = np.array([np.cos(heading), 0.0, -np.sin(heading)])
        drop = float(road.at(z + model.length, road.ground) - road.at(max(z, 1.3), road.ground))
        self.ahead[1] = drop / model.length
        self.base = base + self.ahead * (vehicle.z - max(z, 1.3))
        self.flip = vehicle.oncoming
        self.length = model.length

    def place(self, along, across, up) -> np.ndarray:
        along, across, up = np.broadcast_arrays(
            np.asarray(along, float), np.asarray(across, float), np.asarray(up, float)
        )
        if self.flip:
            along, across = self.length - along, -across
        points = self.base + along[..., None] * self.ahead + across[..., None] * self.right
        points[..., 1] -= up
        return points

    def ring(self, along, across, up) -> np.ndarray | None:
        points = self.place(along, across, up)
        depth = self.camera.depth(points)
        if depth.min() < _NEAR:
            points = _clip_near(points, depth)
        return self.camera.project(points) if len(points) > 2 else None

    def face(self, image: np.ndarray, colour, along, across, up) -> bool:
        ring = self.ring(along, across, up)
        if ring is None or ring[:, 0].max() < 0 or ring[:, 0].min() > image.shape[1]:
            return False
        paint.fill(image, ring, np.clip(colour, 0, 255))
        return True


def draw_vehicle(
    image: np.ndarray, road: Road, vehicle: Vehicle, sky: tuple[float, float, float], shade: float
) -> tuple[list[Light], tuple[slice, slice] | None]:
    """Draw a vehicle and its contact shadow.

    Args:
        image: Picture (H, W, 3) uint8, changed in place.
        road: The road under it.
        vehicle: What to draw.
        sky: BGR reflected by glass and roof.
        shade: Opacity of the shadow on the ground.

    Returns:
        Its lamps, to be lit by :mod:`lighting`, and the picture's rows and columns it covers
        (None when it is out of sight).
    """
    model = MODELS[vehicle.kind]
    draw = _Drawer(road, vehicle, model)
    half, length = model.width / 2, model.length
    body = np.asarray(vehicle.colour)
    lower = np.asarray(vehicle.second if vehicle.second else vehicle.colour)

    shadow = draw.ring(
        [-0.25, length + 0.1, length + 0.1, -0.25],
        [-half - 0.18, -half - 0.18, half + 0.18, half + 0.18],
        0.0,
    )
    if shadow is None:
        return [], None
    scale = road.camera.focal / max(vehicle.z, 2.0)
    paint.blend_polygon(image, shadow, (20, 20, 22), shade, min(0.1 * scale, 12))

    corners = draw.ring(
        [0, 0, length, length, 0, 0, length, length],
        np.array([-1, 1, 1, -1, -1, 1, 1, -1]) * half,
        np.array([0, 0, 0, 0, 1, 1, 1, 1]) * model.height,
    )
    box = paint.box_of(corners, image.shape) if corners is not None else None
    if box is None:
        return [], None
    before = image[box].copy()

    belt = 0.76 * model.height
    along = np.array([p[0] for p in model.profile])
    up = np.array([p[1] for p in model.profile])
    reach = np.where(up > belt, half * model.taper, half)

    # The side towards the camera; the car's middle line is at d = 0 of the camera's own frame.
    middle = draw.place(length / 2, 0.0, 0.0)
    outward = np.sign(middle @ draw.right) * (-1 if vehicle.oncoming else 1)
    side = -outward
    lean = np.abs(middle @ draw.right) > half * 0.7
    if lean:
        _draw_side(image, draw, model, along, up, reach * side, body, lower, belt, sky)

    order = range(len(model.profile) - 1)
    for i in order if vehicle.oncoming else reversed(order):
        part = model.profile[i][2]
        quad = (along[[i, i, i + 1, i + 1]], reach[[i, i, i + 1, i + 1]] * [-1, 1, 1, -1])
        heights = up[[i, i, i + 1, i + 1]]
        ring = draw.place(*quad, heights)
        normal = np.cross(ring[1] - ring[0], ring[2] - ring[1])
        if normal @ ring.mean(axis=0) >= 0:  # seen from behind
            continue
        if part == "glass":
            tilt = abs(along[i + 1] - along[i]) / (abs(up[i + 1] - up[i]) + 0.1)
            colour = _GLASS + np.asarray(sky) * min(0.12 + 0.18 * tilt, 0.5)
        else:
            tone = _TONES[part]
            base = lower if up[i] < 0.75 and part in ("rear", "front", "bumper") else body
            colour = base * tone + np.asarray(sky) * (0.1 if part in ("roof", "body") else 0.0)
            if part == "bumper":
                colour = base * (0.8 if vehicle.kind in ("sedan", "suv", "van") else 0.35)
        draw.face(image, colour, *quad, heights)
        if part == "glass":
            inner = np.array([0.12, 0.12, 0.88, 0.88])
            a = along[i] + (along[i + 1] - along[i]) * inner
            h = up[i] + (up[i + 1] - up[i]) * inner
            w = (reach[i] + (reach[i + 1] - reach[i]) * inner) * np.array([-0.9, 0.9, 0.9, -0.9])
            draw.face(image, colour * 0.78, a, w, h)
    lights = _draw_ends(image, draw, vehicle, model, half)
    _shade_body(image, before, box)
    return lights, box


def _draw_side(image, draw, model, along, up, across, body, lower, belt, sky) -> None:
    draw.face(image, body * 0.78, along, across, up)
    low = np.minimum(up, 0.42 * model.height)
    draw.face(image, lower * 0.66, along, across, low)
    if not np.array_equal(body, lower):
        draw.face(image, lower * 0.8, along, across, np.minimum(up, 0.52 * model.height))
    sill = np.clip(up, None, 0.22 * model.height)
    draw.face(image, body * 0.35, along, across, sill)
    edge = np.abs(across).max() * np.sign(across[0])
    for start, stop, bottom, top in model.windows:
        cabin = np.abs(across).min() * np.sign(across[0])
        draw.face(
            image,
            _GLASS * 0.8 + np.asarray(sky) * 0.1,
            [start, start + 0.15, stop - 0.1, stop],
            [edge * 0.97, cabin * 1.02, cabin * 1.02, edge * 0.97],
            [bottom, top, top, bottom],
        )
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    for axle in model.wheels:
        for radius, tone in ((1.18, 14), (1.0, 30), (0.62, 105), (0.2, 60)):
            size = model.radius * radius
            draw.face(
                image,
                (tone, tone, tone),
                axle + size * np.cos(turn),
                edge * 1.005,
                np.maximum(model.radius + size * np.sin(turn), 0.0),
            )


def _draw_ends(image, draw, vehicle, model, half) -> list[Light]:
    """Lamps, plate, grille and wheels of the end that faces the camera."""
    front, heavy = vehicle.oncoming, vehicle.kind in ("bus", "truck")
    at = model.length + 0.02 if front else -0.03

    def panel(colour, left: float, right: float, low: float, high: float) -> bool:
        across = half * np.array([left, right, right, left])
        return draw.face(image, colour, at, across, [low, low, high, high])

    panel((15, 15, 16), -0.8, 0.8, 0.14, 0.36 if not heavy else 0.6)
    for side in (-1, 1):
        panel((18, 18, 19), side * 0.7, side * 0.93, 0.0, 0.34 if not heavy else 0.6)
    panel((34, 34, 36), -0.9, 0.9, 0.34 if not heavy else 0.5, 0.4 if not heavy else 0.62)
    if front:
        panel((24, 24, 26), -0.5, 0.5, 0.5, 0.66 if not heavy else 1.0)
    elif not heavy:
        panel((160, 162, 162), -0.5, 0.5, 0.86 * model.wheels[0] - 0.03, 0.86 * model.wheels[0])
    lamp = {"sedan": 0.84, "suv": 0.98, "van": 0.98}.get(vehicle.kind, 1.0)
    if front:
        lamp -= 0.16
    lights = []
    for side in (-1, 1):
        if front:
            ink, glow = (222, 226, 224), (235.0, 245.0, 255.0)
        else:
            ink = (46, 40, 222) if vehicle.braking else (38, 34, 138)
            glow = (30.0, 25.0, 255.0)
        if not panel(ink, side * 0.66, side * 0.96, lamp - 0.08, lamp + 0.08):
            continue
        panel(np.asarray(ink) * 0.7, side * 0.66, side * 0.78, lamp - 0.08, lamp + 0.08)
        panel(
            np.minimum(np.asarray(ink) * 1.15 + 25, 255), side * 0.8, side * 0.9, lamp, lamp + 0.05
        )
        point = draw.place(at, side * half * 0.82, lamp)
        depth = float(draw.camera.depth(point))
        if depth > 1.0:
            x, y = draw.camera.project(point)
            power = 3.0 if front else (1.0 if vehicle.braking else 0.5)
            lights.append(Light(float(x), float(y), draw.camera.focal * 0.12 / depth, glow, power))
    plate = (146, 64, 36) if vehicle.kind != "truck" else (40, 180, 210)
    level = 0.5 if front else 0.62
    panel(plate, -0.24, 0.24, level, level + 0.13)
    panel(np.minimum(np.asarray(plate) * 0.5 + 110, 255), -0.18, 0.18, level + 0.04, level + 0.09)
    return lights


def _shade_body(image: np.ndarray, before: np.ndarray, box) -> None:
    """Light a drawn vehicle: brighter above, darker below, uneven all over."""
    region = image[box]
    mask = (cv2.absdiff(region, before).max(axis=2) > 0).astype(np.float32)
    high, wide = mask.shape
    fall = np.linspace(0.12, -0.2, high, dtype=np.float32)[:, None]
    size = max(high, wide)
    patches = cv2.resize(noise_tile(22, 1.6)[:96, :96], (size, size))[:high, :wide]
    gain = 1 + (fall + 0.07 * patches) * mask
    image[box] = cv2.multiply(region, cv2.merge([gain] * 3), dtype=cv2.CV_8U)
