"""Road coordinates of every picture pixel that sees the ground."""

import numpy as np

from .camera import HEIGHT, WIDTH
from .road import Road

_STEPS = 16  # table entries per level row: a coordinate is at most 1/32 row off


class Ground:
    """Per-pixel road coordinates.

    Attributes:
        top: First picture row of the raster.
        d: Offset across the road (R, WIDTH) float32, metres.
        s: Way along the road (R, WIDTH) float32, metres.
        across: Metres across the road per pixel to the right (R, WIDTH) float32.
        footprint: Extent of a pixel in ``d`` (R, WIDTH) float32, metres.
        mask: (R, WIDTH) uint8, 255 where the pixel sees the ground.
    """

    def __init__(self, road: Road) -> None:
        camera = road.camera
        horizon = road.horizon
        lift = abs(np.sin(camera.roll)) * max(camera.cx, WIDTH - camera.cx)
        self.top = int(np.clip(camera.cy + (horizon - lift) / np.cos(camera.roll), 0, HEIGHT - 2))

        columns = np.arange(WIDTH, dtype=np.float32)[None]
        rows = np.arange(self.top, HEIGHT, dtype=np.float32)[:, None]
        u, v = camera.to_level(columns, rows)

        # Everything but the column is a function of the level row: one table each.
        start = float(v.min())
        table_v = start + np.arange(int((v.max() - start) * _STEPS) + 2) / _STEPS
        z = road.z_of_row(table_v)
        seen = np.isfinite(z)
        z = np.where(seen, z, road.z[-1])
        scale = z * camera.level_ray(table_v)[1]
        heading = road.at(z, road.heading)
        cos = np.cos(heading)
        across, origin = scale * cos, -road.at(z, road.x) * cos

        index = ((v - np.float32(start)) * np.float32(_STEPS) + np.float32(0.5)).astype(np.int32)

        def spread(table: np.ndarray) -> np.ndarray:
            return table.astype(np.float32).take(index)

        self.across = spread(across)
        self.d = u * self.across + spread(origin)
        self.s = spread(road.at(z, road.s)) - self.d * spread(np.tan(heading))
        down = u * spread(np.gradient(across, table_v)) + spread(np.gradient(origin, table_v))
        self.footprint = np.sqrt(self.across * self.across + down * down)
        self.mask = np.where(seen, 255, 0).astype(np.uint8).take(index)

    def cover(self, rows: np.ndarray, cols: np.ndarray, d: float, half_width: float):
        """Share of each pixel (raster row, column) covered by the stripe d ± half_width.

        A box filter as wide as the pixel's extent in ``d``; exact for straight edges in the limit
        of small pixels, and it keeps the area of stripes thinner than a pixel.
        """
        here = self.d[rows, cols]
        right = self.d[rows, np.minimum(cols + 1, WIDTH - 1)]
        left = self.d[rows, np.maximum(cols - 1, 0)]
        below = self.d[np.minimum(rows + 1, len(self.d) - 1), cols]
        extent = np.hypot(
            np.where(cols + 1 < WIDTH, right - here, here - left),
            np.where(rows + 1 < len(self.d), below - here, 0.0),
        )
        extent = np.clip(extent, 1e-4, 4.0)
        low = np.maximum(here - extent / 2, d - half_width)
        high = np.minimum(here + extent / 2, d + half_width)
        return np.clip((high - low) / extent, 0.0, 1.0)
