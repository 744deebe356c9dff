"""From a scene to its picture and its lanes."""

import numpy as np

from .camera import HEIGHT, WIDTH
from .ground import Ground
from .lens import blur_motion, draw_bonnet, expose
from .lighting import apply_light, draw_glow, draw_shade, draw_sun, night_light
from .lights import Light
from .markings import draw_line, draw_symbol
from .road import Road, annotate
from .scene import Scene
from .scenery import (
    Building,
    Pole,
    Railing,
    Strip,
    Tree,
    draw_building,
    draw_pole,
    draw_railing,
    draw_sky,
    draw_skyline,
    draw_strip,
    draw_tree,
)
from .surface import draw_defects, draw_haze, draw_surface
from .vehicles import Vehicle, draw_vehicle

_TURNED = np.radians(35)  # heading beyond which lanes are not annotated
_DRAW = {
    Building: draw_building,
    Pole: draw_pole,
    Railing: draw_railing,
    Strip: draw_strip,
    Tree: draw_tree,
}


def scene_lanes(scene: Scene, road: Road) -> list[np.ndarray]:
    """The annotated lanes: the own lane's two lines and their neighbours, left to right.

    They end where the own lane has become ``scene.top_width`` pixels wide, before a crest hides
    them, or where a sharp bend turns them almost level in the picture.
    """
    if scene.category == "cross":
        return []
    edges, own = scene.layout.edges, scene.layout.own
    offsets = edges[max(own - 1, 0) : own + 3]
    lane_width = edges[own + 1] - edges[own]
    reach = scene.camera.focal * lane_width / scene.top_width
    ends = ~road.visible | (np.abs(road.heading) > _TURNED)
    if ends.any():
        reach = min(reach, road.z[int(np.argmax(ends))])
    top = road.camera.project(road.points(reach, 0.0))[1]
    return annotate(road, offsets, float(np.ceil(top / 10) * 10), WIDTH, HEIGHT)


def _draw_objects(image: np.ndarray, road: Road, things: tuple) -> None:
    for thing in things:
        _DRAW[type(thing)](image, road, thing)


def draw_ground(scene: Scene, road: Road, ground: Ground) -> np.ndarray:
    """The ground with its paint and shadows, (R, WIDTH, 3) uint8."""
    rng = np.random.default_rng([1, scene.seed])
    surface = draw_surface(ground, scene.surface)
    draw_defects(surface, ground, road, scene.surface, rng)
    for number, line in enumerate(scene.lines):
        draw_line(surface, ground, road, line, scene.paint_gain, scene.seed % 997 + number)
    for number, symbol in enumerate(scene.symbols):
        draw_symbol(surface, ground, road, symbol, scene.paint_gain, scene.seed % 991 + number)
    if scene.shade is not None:
        draw_shade(surface, ground, scene.shade)
    draw_haze(surface, ground, scene.sky.horizon, scene.haze)
    return surface


def _lamps(scene: Scene, road: Road, rng: np.random.Generator):
    """Street lamps: their glow in the picture and their (z, d) on the ground."""
    lights, places = [], []
    tint = tuple(255.0 * c for c in scene.night.lamp_tint)
    for pole in (*scene.left, *scene.right):
        if isinstance(pole, Pole) and pole.lamp:
            points = road.points(pole.z, pole.d + pole.arm, pole.height * 1.03)
            x, y = road.camera.project(points)
            size = road.camera.focal * 0.3 / pole.z
            lights.append(Light(float(x), float(y), float(size), tint, 2.2))
            places.append((pole.z, pole.d + pole.arm))
    base = scene.camera.cy + road.horizon
    for _ in range(int(rng.integers(5, 40))):  # lit windows, signs and far lamps
        ink = np.array(
            [[90, 190, 255], [255, 250, 240], [60, 60, 255], [255, 120, 60], [120, 255, 120]]
        )
        pick = ink[int(rng.choice(5, p=[0.5, 0.25, 0.1, 0.08, 0.07]))]
        y = base - rng.gamma(1.5, 14.0)
        power = rng.uniform(0.2, 1.0)
        lights.append(Light(rng.uniform(0, WIDTH), y, rng.uniform(0.5, 2.2), tuple(pick), power))
    for _ in range(int(rng.integers(0, 4))):  # neon signs
        x, y = rng.uniform(0, WIDTH), base - rng.uniform(15, 130)
        size = rng.uniform(1.5, 4.0)
        ink = ((255, 60, 30), (40, 30, 255), (60, 160, 255), (255, 255, 200))[int(rng.integers(4))]
        for place in range(int(rng.integers(3, 9))):
            lights.append(Light(x + 2.6 * size * place, y, size, ink, rng.uniform(0.6, 1.2)))
    return lights, places


def _draw_car(image: np.ndarray, road: Road, car: Vehicle, scene: Scene, lights: list[Light]):
    """Draw a vehicle; its lamps join ``lights``, those it hides leave."""
    lamps, box = draw_vehicle(image, road, car, scene.sky.horizon, scene.ground_shadow)
    if box is not None:
        rows, cols = box
        lights[:] = [
            light
            for light in lights
            if not (rows.start < light.y < rows.stop and cols.start < light.x < cols.stop)
        ]
    lights += lamps


def render(scene: Scene) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draw a scene.

    Returns:
        The picture (590, 1640, 3) uint8 BGR and its lanes, a list of (N, 2) float64 arrays in
        picture coordinates, bottom to top, left to right.
    """
    road = Road(scene.course, scene.camera)
    ground = Ground(road)
    rng = np.random.default_rng([2, scene.seed])

    image = draw_sky(scene.sky)
    draw_skyline(image, road, scene.skyline, scene.seed % 512)
    below = image[ground.top :]
    surface = draw_ground(scene, road, ground)
    mask = ground.mask > 0
    rows = int(np.argmax(mask.all(axis=1))) if mask.all(axis=1).any() else len(mask)
    below[:rows][mask[:rows]] = surface[:rows][mask[:rows]]
    below[rows:] = surface[rows:]

    _draw_objects(image, road, scene.left)
    lights: list[Light] = []
    for car in scene.oncoming:
        _draw_car(image, road, car, scene, lights)
    _draw_objects(image, road, scene.median)
    _draw_objects(image, road, scene.right)
    poles = list(scene.overhead)
    for car in scene.traffic:
        while poles and poles[0].z > car.z:
            draw_pole(image, road, poles.pop(0))
        _draw_car(image, road, car, scene, lights)
    for pole in poles:
        draw_pole(image, road, pole)

    horizon = scene.camera.cy + road.horizon
    daylight = 1.0
    if scene.night is not None:
        lamps, places = _lamps(scene, road, rng)
        image = apply_light(image, night_light(road, scene.night, places))
        draw_glow(image, lamps + lights, float(rng.uniform(0, 0.25)), horizon)
        daylight = max(scene.night.ambient, 0.06)
    if scene.sun is not None:
        draw_sun(image, scene.sun, horizon)
    if scene.lens.motion:
        image = blur_motion(image, scene.lens.motion, scene.camera.heading_point)
    draw_bonnet(image, scene.bonnet, daylight)
    return expose(image, scene.lens), scene_lanes(scene, road)
