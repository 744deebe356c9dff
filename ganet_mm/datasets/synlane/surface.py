"""What the ground is made of: asphalt, kerb, pavement, grass; texture, cracks, patches."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from . import paint
from .camera import WIDTH
from .ground import Ground
from .road import Road
from .textures import noise_bytes

_BIN = 0.02  # metres per bin of the cross-section
_REACH = 60.0  # it spans ± this offset
_LEVELS = 9  # level l is blurred over 2^l bins


@dataclass(frozen=True)
class Surface:
    """The ground's materials.

    Args:
        asphalt: BGR of the asphalt in daylight.
        left: Offset of the carriageway's left end (beyond it the verge), metres.
        right: Offset of the carriageway's right end.
        lane_edges: Offsets of all lane lines, which place the tyre tracks.
        verge: ``(material, width)`` outwards from either end; the last one goes on for ever.
        tracks: Depth of the tyre tracks' tone.
        mottle: Strength of the coarse texture.
        grain: Strength of the fine texture.
        cracks: Number of cracks.
        patches: Number of repaired patches.
        seed: Shifts the textures.
    """

    asphalt: tuple[float, float, float]
    left: float
    right: float
    lane_edges: tuple[float, ...]
    verge_left: tuple[tuple[str, float], ...]
    verge_right: tuple[tuple[str, float], ...]
    tracks: float
    mottle: float
    grain: float
    cracks: int
    patches: int
    seed: int


MATERIALS = {
    # BGR in daylight, strength of the texture
    "kerb": ((138, 141, 142), 0.5),
    "gutter": ((74, 76, 80), 0.8),
    "pavement": ((126, 128, 132), 0.7),
    "bricks": ((104, 110, 132), 0.8),
    "grass": ((52, 84, 76), 2.2),
    "dry": ((84, 112, 124), 1.6),
    "earth": ((80, 96, 108), 1.5),
    "asphalt": ((92, 90, 90), 1.0),
    "concrete": ((150, 151, 150), 0.6),
}


def _cross_section(surface: Surface) -> np.ndarray:
    """Colour and texture strength across the road: (levels, bins, 4) uint8, prefiltered."""
    d = np.arange(-_REACH, _REACH, _BIN, dtype=np.float32)
    section = np.empty((1, d.size, 4), np.float32)
    section[0, :, :3] = surface.asphalt
    section[0, :, 3] = 60.0

    edges = np.asarray(surface.lane_edges)
    tone = np.zeros_like(d)
    for left, right in pairwise(edges):
        middle = (left + right) / 2
        for wheel in (-0.85, 0.85):
            tone -= np.exp(-(((d - middle - wheel) / 0.35) ** 2))
        tone += 0.6 * np.exp(-(((d - middle) / 0.3) ** 2)) * np.sin(surface.seed + middle)
    section[0, :, :3] *= (1 + surface.tracks * tone)[:, None]

    for side, start, verge in (
        (-1, surface.left, surface.verge_left),
        (1, surface.right, surface.verge_right),
    ):
        at = start * side
        for material, width in verge:
            colour, strength = MATERIALS[material]
            zone = (d * side >= at) & (d * side < at + width)
            section[0, zone, :3] = colour if material != "asphalt" else surface.asphalt
            section[0, zone, 3] = 60.0 * strength
            at += width
    levels = [
        cv2.blur(section, (2**level + 1, 1), borderType=cv2.BORDER_REPLICATE) if level else section
        for level in range(_LEVELS)
    ]
    return np.clip(np.concatenate(levels), 0, 255).astype(np.uint8)


def draw_surface(ground: Ground, surface: Surface) -> np.ndarray:
    """The bare ground (R, WIDTH, 3) uint8."""
    level = np.log2(np.maximum(ground.footprint * np.float32(1 / _BIN), np.float32(1.0)))
    column = (ground.d + np.float32(_REACH)) * np.float32(1 / _BIN)
    np.clip(column, 0, 2 * _REACH / _BIN - 1, out=column)
    np.minimum(level, np.float32(_LEVELS - 1), out=level)
    base = cv2.remap(
        _cross_section(surface), column, level, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )

    # Two scales of texture in road coordinates; the finer one fades where pixels get too large.
    shift = np.float32(surface.seed % 509)
    coarse = cv2.remap(
        noise_bytes(4, 1.3),
        ground.s * np.float32(6.0) + shift,
        ground.d * np.float32(22.0) + shift,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    fine = cv2.remap(
        noise_bytes(5, 0.5),
        ground.s * np.float32(40.0),
        ground.d * np.float32(70.0) + shift,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    fade = ground.across * np.float32(1 / 0.012)
    fade = np.float32(surface.grain / 40) / (1 + fade * fade)
    spread = ground.footprint * np.float32(1 / 0.8)
    texture = (coarse.astype(np.float32) - 128) * (
        np.float32(surface.mottle / 40) / (1 + spread * spread)
    )
    texture += (fine.astype(np.float32) - 128) * fade
    planes = cv2.split(base)
    texture = 1 + texture * planes[3] * np.float32(1 / 60)
    image = cv2.merge([cv2.multiply(p, texture, dtype=cv2.CV_8U) for p in planes[:3]])
    return image


def draw_defects(image: np.ndarray, ground: Ground, road: Road, surface: Surface, rng) -> None:
    """Patches, seams and cracks on the carriageway, into ``image`` (R, WIDTH, 3)."""
    camera, lift = road.camera, (0, ground.top)
    width = surface.right - surface.left

    def at(s: np.ndarray, d: np.ndarray) -> np.ndarray:
        return camera.project(road.points(np.maximum(road.z_of_s(s), 1.5), d)) - lift

    for _ in range(surface.patches):
        s, length = rng.uniform(3, 45), rng.uniform(1.5, 12)
        d, broad = surface.left + rng.uniform(0, 0.9) * width, rng.uniform(0.6, 2.8)
        along = np.linspace(s, s + length, 9)
        ring_s = np.concatenate([along, along[::-1]])
        ring_d = np.concatenate([np.full(9, d), np.full(9, min(d + broad, surface.right))])
        tone = rng.uniform(0.72, 1.12)
        ink = np.asarray(surface.asphalt) * tone
        paint.blend_polygon(image, at(ring_s, ring_d), ink, rng.uniform(0.4, 0.8), 0.7)
    for _ in range(surface.cracks):
        count = int(rng.integers(12, 40))
        heading = rng.choice([0.0, 0.0, 1.3]) + rng.normal(0, 0.15)
        turn = heading + np.cumsum(rng.normal(0, 0.35, count)) * 0.6
        s = rng.uniform(3, 25) + np.cumsum(np.cos(turn)) * 0.35
        d = surface.left + rng.uniform(0, 1) * width + np.cumsum(np.sin(turn)) * 0.25
        inside = (d > surface.left) & (d < surface.right)
        if inside.sum() < 2:
            continue
        line = at(s[inside], d[inside])
        box = paint.box_of(line, image.shape)
        if box is None:
            continue
        mask = np.zeros(image[box].shape[:2], np.uint8)
        near = float(np.median(ground.across[box]))
        paint.lines(mask, [line - (box[1].start, box[0].start)], (255,), 1 + (near < 0.006))
        alpha = mask.astype(np.float32) / 255 * min(0.010 / max(near, 1e-3), 0.65)
        paint.blend(image[box], np.asarray(surface.asphalt) * 0.5, alpha)


def draw_haze(image: np.ndarray, ground: Ground, colour, reach: float) -> None:
    """Let the far ground fade into ``colour``, by about 63 % at ``reach`` metres."""
    far = ground.s[:, WIDTH // 2] > 0.06 * reach
    rows = int(np.argmin(far)) if not far.all() else len(far)
    if rows:
        amount = 1 - np.exp(-ground.s[:rows] * np.float32(1 / reach))
        paint.blend(image[:rows], colour, amount)
