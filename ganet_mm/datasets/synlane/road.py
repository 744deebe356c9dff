"""The road's course: a clothoid-like curve over hills, tabulated by the distance ahead.

Everything is a function of Z (car frame, see :mod:`camera`): centre line X, heading, arc length
and depth of the ground below the camera. ``d`` is the offset across the road from the middle of
the car's own lane (right positive), ``s`` the way along it. Rendering and annotation read the
same tables, so an annotated lane lies on its marking by construction.
"""

from dataclasses import dataclass

import numpy as np

from .camera import Camera

NEAR, FAR = 1.2, 700.0
_MAX_HEADING = np.radians(60)


@dataclass(frozen=True)
class Course:
    """What the road does ahead of the car.

    Args:
        curve: ``((s, curvature), …)`` knots, linear between them (clothoids); 1/m, right positive.
        grade: ``((z, slope), …)`` knots of the slope relative to the car's ground; up positive.
        offset: Lateral position of the camera in its lane, metres, right positive.
        yaw: Heading of the car relative to the road, radians, right positive.
    """

    curve: tuple[tuple[float, float], ...]
    grade: tuple[tuple[float, float], ...]
    offset: float
    yaw: float


class Road:
    """Tables of a course seen by a camera, all of shape (M,), ordered by falling 1/Z.

    Attributes:
        z: Distance ahead; even steps of 1/Z, that is nearly even steps of picture rows.
        x: Centre line of the own lane, car frame.
        heading: Heading of the road in the car frame, radians.
        s: Arc length of the centre line.
        ground: Depth of the ground below the camera.
        visible: Whether the ground at this Z is not hidden by a crest before it.
    """

    def __init__(self, course: Course, camera: Camera, samples: int = 4096) -> None:
        self.camera = camera
        self.z = 1.0 / np.linspace(1.0 / NEAR, 1.0 / FAR, samples)

        step = 0.5
        s = np.arange(0.0, 2.2 * FAR, step)
        knots = np.asarray(course.curve, dtype=np.float64).reshape(-1, 2)
        heading = np.cumsum(np.interp(s, knots[:, 0], knots[:, 1])) * step - course.yaw
        heading = np.clip(heading, -_MAX_HEADING, _MAX_HEADING)
        x = np.concatenate([[0.0], np.cumsum(np.sin(heading[:-1])) * step]) - course.offset
        z = np.concatenate([[0.0], np.cumsum(np.cos(heading[:-1])) * step])
        self.x = np.interp(self.z, z, x)
        self.heading = np.interp(self.z, z, heading)
        self.s = np.interp(self.z, z, s)

        knots = np.asarray(course.grade, dtype=np.float64).reshape(-1, 2)
        way = np.arange(0.0, FAR + 1.0, 1.0)
        rise = np.concatenate([[0.0], np.cumsum(np.interp(way, knots[:, 0], knots[:, 1]))[:-1]])
        self.ground = camera.height - np.interp(self.z, way, rise)

        slope = self.ground / self.z
        self._lowest = np.minimum.accumulate(slope)
        self.visible = slope <= self._lowest + 1e-9

    def at(self, z: np.ndarray | float, table: np.ndarray) -> np.ndarray:
        """One of the tables at distance ``z``."""
        return np.interp(z, self.z, table)

    def points(self, z: np.ndarray | float, d: np.ndarray | float, up: np.ndarray | float = 0.0):
        """Car-frame points (..., 3) at distance ``z``, offset ``d`` and height ``up``."""
        z, d, up = np.broadcast_arrays(np.asarray(z, np.float64), d, up)
        x = self.at(z, self.x) + d / np.cos(self.at(z, self.heading))
        return np.stack([x, self.at(z, self.ground) - up, z], axis=-1)

    def z_of_s(self, s: np.ndarray | float) -> np.ndarray:
        """Distance ahead at arc length ``s``."""
        return np.interp(s, self.s, self.z)

    def z_of_row(self, v: np.ndarray) -> np.ndarray:
        """Distance of the ground seen in level rows ``v``; NaN above the horizon.

        The ray of slope m meets the ground first where slope(Z) = ground / Z falls to m, so the
        running minimum of that slope is inverted.
        """
        slope, _ = self.camera.level_ray(v)
        inverse = np.interp(slope, self._lowest[::-1], 1.0 / self.z[::-1], left=np.nan)
        return 1.0 / inverse

    @property
    def horizon(self) -> float:
        """Level row above which no ground is seen."""
        camera = self.camera
        angle = np.arctan(self._lowest[-1]) - camera.pitch
        return camera.focal * np.tan(angle)


def lane_polyline(road: Road, d: float) -> np.ndarray:
    """Picture polyline (N, 2) of the line at offset ``d``: the visible part, from near to far."""
    end = int(np.argmin(road.visible)) if not road.visible.all() else road.z.size
    return road.camera.project(road.points(road.z[:end], d))


def annotate(road: Road, offsets, top: float, width: int, height: int, min_points: int = 12):
    """CULane's annotation of lines at ``offsets`` (ascending, that is left to right).

    Rows run from ``height`` upwards in steps of 10 to ``top``. As in CULane a lane keeps the first
    point beyond the left or right border and hidden parts (bonnet, vehicles) are annotated.

    Returns:
        List of (N, 2) float64 arrays, bottom to top; lanes of fewer than ``min_points`` are left
        out.
    """
    rows = np.arange(height, top - 1e-6, -10.0)
    lanes = []
    for d in offsets:
        line = lane_polyline(road, d)
        line = line[np.minimum.accumulate(line[:, 1]) == line[:, 1]]
        x = np.interp(rows, line[::-1, 1], line[::-1, 0], left=np.nan, right=np.nan)
        inside = (x >= 0) & (x < width)
        if not inside.any():
            continue
        first = int(np.argmax(inside))
        stop = first + int(np.argmin(np.append(inside[first:], False)))
        first, stop = max(first - 1, 0), min(stop + 1, rows.size)
        lane = np.stack([x, rows], axis=1)[first:stop]
        lane = lane[np.isfinite(lane[:, 0])]
        if len(lane) >= min_points:
            lanes.append(lane)
    return lanes
