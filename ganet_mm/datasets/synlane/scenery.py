"""Everything beside and above the road that does not drive."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from . import paint
from .camera import HEIGHT, WIDTH
from .road import Road
from .textures import facade, noise_tile, tree_sprite


@dataclass(frozen=True)
class Sky:
    """A sky: BGR at the zenith and at the horizon, strength and seed of the clouds."""

    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    clouds: float
    seed: int


@dataclass(frozen=True)
class Strip:
    """An upright strip along the road: wall, hoarding, concrete barrier, guard rail or hedge.

    ``low`` and ``high`` are heights above the ground, ``start`` and ``stop`` distances ahead;
    ``posts`` the distance of its joints, ``rough`` the strength of its stains, ``thick`` the width
    of its top.
    """

    d: float
    low: float
    high: float
    start: float
    stop: float
    colour: tuple[float, float, float]
    posts: float = 0.0
    rough: float = 0.0
    thick: float = 0.0


@dataclass(frozen=True)
class Railing:
    """A railing of uprights and two rails along the road, as on China's urban medians."""

    d: float
    height: float
    start: float
    stop: float
    colour: tuple[float, float, float]
    pitch: float = 0.32
    hoops: bool = True


@dataclass(frozen=True)
class Tree:
    """A tree or bush (sprite kind) at distance z and offset d."""

    z: float
    d: float
    kind: int
    height: float
    gain: float


@dataclass(frozen=True)
class Building:
    """A box beside the road: its side along the road and its front towards the car."""

    d: float
    start: float
    length: float
    depth: float
    height: float
    kind: int
    gain: float


@dataclass(frozen=True)
class Pole:
    """A lamp post, sign or gantry leg; ``arm`` reaches over the road (signed, metres)."""

    z: float
    d: float
    height: float
    arm: float = 0.0
    colour: tuple[float, float, float] = (120.0, 122.0, 120.0)
    sign: tuple[float, float, float] | None = None
    lamp: bool = False
    thick: float = 0.16


def draw_sky(sky: Sky) -> np.ndarray:
    """A picture (HEIGHT, WIDTH, 3) uint8 that is sky all over."""
    rows = np.linspace(0, 1, 74, dtype=np.float32)[:, None, None] ** 0.8
    small = np.float32(sky.zenith) * (1 - rows) + np.float32(sky.horizon) * rows
    small = np.repeat(small, 205, axis=1)
    tile = noise_tile(6, 1.7)
    shift = sky.seed % 300
    part = tile[shift : shift + 74 : 1, shift // 2 : shift // 2 + 205]
    part = cv2.resize(part, (205, 110))[:74]
    small *= (1 + sky.clouds * part)[..., None]
    small = np.clip(small, 0, 255).astype(np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def draw_skyline(image: np.ndarray, road: Road, layers, seed: int) -> None:
    """Far trees and roofs on the horizon; ``layers`` are (height px, colour, blockiness)."""
    camera = road.camera
    columns = np.arange(-20, WIDTH + 20, 2.0)
    base = road.horizon + 5.0
    for number, (height, colour, blocky) in enumerate(layers):
        noise = noise_tile(7, 1.1)[(seed + 97 * number) % 512]
        wave = np.interp(columns * 0.5, np.arange(1024), np.tile(noise, 2))
        if blocky:
            wave = np.repeat(wave[::28], 28)[: columns.size]
            wave = np.maximum(wave, -0.2)
        top = base - 5 - np.clip(height * (0.55 + 0.35 * wave), 1, None)
        upper = camera.from_level(columns - camera.cx, top)
        lower = camera.from_level(columns[::-1] - camera.cx, np.full(columns.size, base))
        ring = np.concatenate([upper, lower])
        paint.fill(image, ring, colour)
        box = paint.box_of(ring, image.shape)
        if box is not None:
            rows, cols = box
            tile = noise_tile(8, 1.2)[: rows.stop - rows.start]
            grain = np.tile(tile, (1, 4))[:, cols.start : cols.stop]
            mask = paint.mask_of([ring], box).astype(np.float32) / 255
            shade = 1 + 0.06 * grain[: mask.shape[0]] * mask
            image[box] = np.clip(image[box] * shade[..., None], 0, 255)


def _distances(road: Road, start: float, stop: float, count: int = 48) -> np.ndarray:
    """Distances from start to stop in even steps of 1/z, that is of picture rows.

    They end where the road has turned so far that what stands along it would hide itself.
    """
    turned = np.abs(road.heading) > 0.6
    if turned.any():
        stop = min(stop, road.z[int(np.argmax(turned))])
    start = max(start, 1.3)
    return 1.0 / np.linspace(1.0 / start, 1.0 / max(stop, start + 1.0), count)


def draw_strip(image: np.ndarray, road: Road, strip: Strip) -> None:
    """Draw a strip with a lighter rim, joints (``posts`` metres apart) and stains."""
    z = _distances(road, strip.start, strip.stop)
    camera = road.camera
    low = camera.project(road.points(z, strip.d, strip.low))
    high = camera.project(road.points(z, strip.d, strip.high))
    ring = np.concatenate([low, high[::-1]])
    paint.fill(image, ring, strip.colour)
    tone = np.asarray(strip.colour)
    if strip.posts:
        marks = np.arange(z[0], min(z[-1], 70.0), strip.posts)
        ends = np.stack(
            [
                camera.project(road.points(marks, strip.d, 0.0)),
                camera.project(road.points(marks, strip.d, strip.high)),
            ],
            axis=1,
        )
        paint.lines(image, list(ends), tone * 0.72)
    if strip.thick:
        back = camera.project(road.points(z, strip.d + np.sign(strip.d) * strip.thick, strip.high))
        paint.fill(image, np.concatenate([back, high[::-1]]), np.minimum(tone * 1.25, 255))
        ring = np.concatenate([low, back[::-1]])
    else:
        rim = camera.project(road.points(z, strip.d, strip.high - 0.12 * (strip.high - strip.low)))
        paint.fill(image, np.concatenate([rim, high[::-1]]), np.minimum(tone * 1.14, 255))
    if strip.rough:
        box = paint.box_of(ring, image.shape)
        if box is not None:
            rows, cols = box
            tile = np.tile(noise_tile(9, 0.9), (2, 4))
            grain = tile[rows.start : rows.stop, cols.start : cols.stop]
            mask = paint.mask_of([ring], box).astype(np.float32) * np.float32(strip.rough / 255)
            gain = cv2.merge([1 + grain * mask] * 3)
            image[box] = cv2.multiply(image[box], gain, dtype=cv2.CV_8U)


def draw_railing(image: np.ndarray, road: Road, rail: Railing) -> None:
    """Draw a railing: uprights near by, a veil of its colour far off, rails all along."""
    camera, colour = road.camera, np.asarray(rail.colour)
    z = _distances(road, rail.start, rail.stop)
    low = camera.project(road.points(z, rail.d, 0.18))
    high = camera.project(road.points(z, rail.d, rail.height))
    split = 22.0
    far = z > split
    if far.sum() > 1:
        ring = np.concatenate([low[far], high[far][::-1]])
        paint.blend_polygon(image, ring, colour * 0.92, 0.55)
    marks = np.arange(z[0], min(split, z[-1]), rail.pitch)
    if marks.size:
        foot = camera.project(road.points(marks, rail.d, 0.18))
        head = camera.project(road.points(marks, rail.d, rail.height * 0.93))
        width = camera.focal * 0.035 / marks
        bounds = (0.0, 1.5, 2.5, 4.0, 6.5, np.inf)
        for size, (least, most) in zip((1, 2, 3, 5, 8), pairwise(bounds), strict=True):
            pick = (width >= least) & (width < most)
            if pick.any():
                uprights = np.stack([foot[pick], head[pick]], axis=1)
                tone = colour * (0.97 if size > 1 else 0.85)
                paint.lines(image, list(uprights), tone, size)
    for up in (0.18, rail.height):
        for part, size in ((z < 5, 5), ((z >= 4.5) & (z < 12), 3), (z >= 11, 1)):
            if part.sum() > 1:
                line = camera.project(road.points(z[part], rail.d, up))
                paint.lines(image, [line], colour, size)
    if rail.hoops:  # a heavier stand every few metres
        for mark in np.arange(z[0] + 1.3, min(60.0, z[-1]), 3.1):
            ends = road.points(np.full(2, mark), rail.d, np.array([0.0, rail.height * 1.06]))
            size = camera.focal * 0.09 / mark
            paint.lines(image, [camera.project(ends)], colour * 0.9, round(min(size, 24)))


def draw_tree(image: np.ndarray, road: Road, tree: Tree) -> None:
    """Draw a tree."""
    foot = road.camera.project(road.points(tree.z, tree.d))
    height = road.camera.focal * tree.height / tree.z
    paint.sprite(image, tree_sprite(tree.kind), foot, height, tree.gain)


def draw_building(image: np.ndarray, road: Road, building: Building) -> None:
    """Draw a building's side and front."""
    camera, texture = road.camera, facade(building.kind)
    stop = building.start + building.length
    outer = building.d + np.sign(building.d) * building.depth

    def corner(z: float, d: float, up: float) -> np.ndarray:
        return camera.project(road.points(z, d, up))

    if building.start > 3:
        front = [
            corner(building.start, building.d, building.height),
            corner(building.start, outer, building.height),
            corner(building.start, outer, 0.0),
            corner(building.start, building.d, 0.0),
        ]
        order = front if building.d > 0 else [front[1], front[0], front[3], front[2]]
        paint.textured_quad(image, texture, np.array(order), building.gain * 0.82)
    side = [
        corner(max(building.start, 3.0), building.d, building.height),
        corner(stop, building.d, building.height),
        corner(stop, building.d, 0.0),
        corner(max(building.start, 3.0), building.d, 0.0),
    ]
    paint.textured_quad(image, texture, np.array(side), building.gain)


def draw_pole(image: np.ndarray, road: Road, pole: Pole) -> np.ndarray:
    """Draw a pole; returns the picture point of its head (its lamp, when it has one)."""
    camera = road.camera
    size = camera.focal * pole.thick / pole.z
    reach = np.array([pole.d, pole.d, pole.d + pole.arm])
    points = camera.project(road.points(pole.z, reach, np.array([0.0, 1.0, 1.03]) * pole.height))
    paint.lines(image, [points[:2]], pole.colour, round(min(max(size, 1), 60)))
    if pole.arm:
        paint.lines(image, [points[1:]], pole.colour, round(min(max(size * 0.6, 1), 60)))
    if pole.sign is not None:
        along = (
            pole.d + pole.arm * np.array([0.45, 1.0])
            if pole.arm
            else pole.d + np.array([-0.6, 0.6])
        )
        low, high = pole.height - (1.6 if pole.arm else 0.9), pole.height + 0.3
        d = np.array([along[0], along[1], along[1], along[0]])
        ring = camera.project(road.points(pole.z, d, np.array([high, high, low, low])))
        paint.fill(image, ring, pole.sign)
        middle = ring.mean(axis=0)
        for part in (0.55, 0.2):
            inner = middle + (ring - middle) * (0.75, part * 0.5) + (0, (part - 0.4) * size)
            paint.fill(image, inner, np.minimum(np.asarray(pole.sign) * 0.4 + 130, 255))
    if pole.lamp:
        head = camera.project(
            road.points(
                pole.z,
                pole.d + pole.arm + np.array([-0.35, 0.35, 0.35, -0.35]),
                pole.height * 1.03 + np.array([0.1, 0.1, -0.1, -0.1]),
            )
        )
        paint.fill(image, head, (190, 195, 195))
    return points[2]
