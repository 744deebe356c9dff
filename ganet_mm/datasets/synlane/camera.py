"""The pinhole camera of SynLane's car.

Car frame: X right, Y down, Z ahead (metres), origin at the camera, Z horizontal along the heading.
Level frame: picture coordinates relative to the principal point with the roll taken out; a point
of the ground has a level row that depends on its Z alone, which makes the whole renderer cheap.
"""

from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 1640, 590
"""Frame size of CULane's pictures, which SynLane copies."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Args:
        focal: Focal length in pixels.
        cx: Column of the principal point.
        cy: Row of the principal point.
        height: Height above the road in metres.
        pitch: Downward pitch in radians.
        roll: Clockwise roll of the picture in radians.
    """

    focal: float
    cx: float
    cy: float
    height: float
    pitch: float
    roll: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Car frame (..., 3) → picture (..., 2). Points must lie in front of the camera."""
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        sin, cos = np.sin(self.pitch), np.cos(self.pitch)
        scale = self.focal / (z * cos + y * sin)
        return self.from_level(x * scale, (y * cos - z * sin) * scale)

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Depth along the optical axis (...) of points (..., 3) in the car frame."""
        return points[..., 2] * np.cos(self.pitch) + points[..., 1] * np.sin(self.pitch)

    def from_level(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Level coordinates → picture coordinates (..., 2)."""
        sin, cos = np.sin(self.roll), np.cos(self.roll)
        return np.stack([cos * u - sin * v + self.cx, sin * u + cos * v + self.cy], axis=-1)

    def to_level(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Picture coordinates → level coordinates (u, v), broadcast as x and y are."""
        sin, cos = np.float32(np.sin(self.roll)), np.float32(np.cos(self.roll))
        x, y = x - np.float32(self.cx), y - np.float32(self.cy)
        return cos * x + sin * y, cos * y - sin * x

    def level_ray(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ray of a level row.

        Returns:
            The slope dY/dZ (downwards positive), and dX/dZ per pixel of the level column.
        """
        sin, cos = np.sin(self.pitch), np.cos(self.pitch)
        ahead = cos - v / self.focal * sin
        return (v / self.focal * cos + sin) / ahead, 1.0 / (self.focal * ahead)

    @property
    def heading_point(self) -> tuple[float, float]:
        """Picture point the car drives towards, from which the world streams apart."""
        x, y = self.from_level(0.0, self.horizon)
        return float(x), float(y)

    @property
    def horizon(self) -> float:
        """Level row of the horizon of a flat world."""
        return -self.focal * np.tan(self.pitch)
