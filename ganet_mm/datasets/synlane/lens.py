"""From the scene's light to a recorder's picture: bonnet, lens, sensor."""

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import HEIGHT, WIDTH
from .textures import grain_tile


@dataclass(frozen=True)
class Bonnet:
    """The car's own bonnet at the picture's bottom.

    Args:
        height: Rows it covers in its middle; 0 for none.
        middle: Column of its crest.
        width: Half the columns it covers at the bottom row.
        bend: Exponent of its outline: 2 a parabola, more is flatter in the middle.
        colour: BGR in daylight.
        mirror: Strength of the scene's reflection, 0–1.
        dash: Rows of the dark dashboard below it.
    """

    height: float
    middle: float
    width: float
    bend: float
    colour: tuple[float, float, float]
    mirror: float
    dash: float


@dataclass(frozen=True)
class Lens:
    """Optics and sensor.

    Args:
        corners: Width in pixels of the dark rims at the left and right border.
        vignette: Light lost in the corners, 0–1.
        blur: Gaussian blur in pixels.
        motion: Growth of the picture about its vanishing point while the shutter is open.
        grain: Noise deviation in grey levels.
        gain: BGR factors: exposure and white balance.
        gamma: Exponent of the tone curve.
        stamp: Text of the recorder's clock, '' for none.
        seed: Shifts the noise.
    """

    corners: float
    vignette: float
    blur: float
    motion: float
    grain: float
    gain: tuple[float, float, float]
    gamma: float
    stamp: str
    seed: int


def draw_bonnet(image: np.ndarray, bonnet: Bonnet, light: float) -> None:
    """Draw the bonnet with the mirrored scene on it, in place; ``light`` scales its own colour."""
    if bonnet.height < 4:
        return
    top = int(HEIGHT - bonnet.height)
    rows = np.arange(top, HEIGHT, dtype=np.float32)[:, None]
    columns = (np.arange(WIDTH, dtype=np.float32)[None] - bonnet.middle) / bonnet.width
    crest = HEIGHT - bonnet.height * np.clip(1 - np.abs(columns) ** bonnet.bend, 0, 1)
    alpha = np.clip(rows - crest + 0.5, 0, 1)

    # The mirrored scene: what lies above the crest, upside down and squeezed.
    high = min(int(bonnet.height * 2.2), top)
    mirror = cv2.resize(image[top - high : top][::-1], (WIDTH // 4, max(int(bonnet.height / 4), 2)))
    mirror = cv2.GaussianBlur(mirror, (0, 0), 1.2)
    mirror = cv2.resize(mirror, (WIDTH, HEIGHT - top)).astype(np.float32)
    below = np.maximum(rows - crest, 0) / bonnet.height
    tone = np.float32(light) * (1.15 - 0.8 * below) * (1 - 0.25 * columns**2)
    tone += np.float32(0.35 * light) * np.exp(-(((rows - crest - 3) / 2.5) ** 2))
    rib = np.exp(-(((np.abs(columns) - 0.36 - 0.2 * below) / 0.012) ** 2))
    tone *= 1 - 0.4 * rib
    skin = tone[..., None] * np.float32(bonnet.colour)
    skin += mirror * (bonnet.mirror * np.clip(1 - 0.9 * below, 0, 1))[..., None]
    if bonnet.dash:
        edge = HEIGHT - bonnet.dash * (1.25 - columns**2 * 0.5)
        dark = np.clip((rows - edge) / 3, 0, 1)[..., None]
        skin += (np.float32(9.0) * light + 3 - skin) * dark
        alpha = np.maximum(alpha, dark[..., 0])
    region = image[top:]
    region[:] = np.clip(region + (skin - region) * alpha[..., None], 0, 255).astype(np.uint8)


def blur_motion(image: np.ndarray, motion: float, centre: tuple[float, float]) -> np.ndarray:
    """Blur by driving on: mean of eight pictures grown about ``centre`` by 1 ∓ ``motion`` / 2.

    ``centre`` is the point driven towards, from which every other one moves away; lanes run nearly
    along that movement and stay where they are.
    """
    x, y = centre
    image = _grow(image, 1 - motion / 2, x, y)
    # Each step doubles the number of pictures in the mean.
    for share in (4 / 7, 2 / 7, 1 / 7):
        image = cv2.addWeighted(image, 0.5, _grow(image, 1 + motion * share, x, y), 0.5, 0)
    return image


def _grow(image: np.ndarray, factor: float, x: float, y: float) -> np.ndarray:
    matrix = np.float32([[factor, 0, x * (1 - factor)], [0, factor, y * (1 - factor)]])
    return cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)


def expose(image: np.ndarray, lens: Lens) -> np.ndarray:
    """Blur, vignette, tone curve, white balance, noise, rims and clock: (H, W, 3) uint8."""
    if lens.blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), lens.blur)
    levels = np.arange(256, dtype=np.float32) / 255
    curve = levels[:, None] * np.float32(lens.gain)
    curve = 255 * np.clip(curve, 0, None) ** np.float32(lens.gamma)
    # A soft shoulder instead of a hard cut at white.
    curve = np.where(curve > 200, 200 + 55 * (1 - np.exp(-(curve - 200) / 55)), curve)
    image = cv2.LUT(image, np.clip(np.rint(curve), 0, 255).astype(np.uint8)[None])
    if lens.vignette or lens.corners:
        cv2.multiply(image, cv2.merge([_rim(lens)] * 3), dst=image, scale=1 / 255)
    if lens.stamp:
        at = (int(420 + lens.seed % 60), HEIGHT - 8)
        cv2.putText(
            image, lens.stamp, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8, (238,) * 3, 2, cv2.LINE_AA
        )
    if lens.grain:
        tile = grain_tile()
        y, x = lens.seed % (1024 - HEIGHT), (lens.seed // 7) % (2048 - WIDTH)
        noise = tile[y : y + HEIGHT, x : x + WIDTH]
        image = cv2.addWeighted(image, 1.0, noise, lens.grain / 32, 0.0, dtype=cv2.CV_8U)
    return image


def _rim(lens: Lens) -> np.ndarray:
    """Light that passes the lens, (HEIGHT, WIDTH) uint8."""
    x = np.abs(np.arange(205, dtype=np.float32) - 102)[None] / 102
    y = np.abs(np.arange(74, dtype=np.float32) - 37)[:, None] / 37
    small = 1 - lens.vignette * np.clip(x**2 * 0.8 + y**2 * 0.2, 0, 1) ** 1.5
    rim = cv2.resize(
        (255 * small).astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR
    )
    if lens.corners:
        rows = np.linspace(-1, 1, HEIGHT)
        depth = lens.corners * np.clip(1 - np.abs(rows) ** 2.5, 0, 1)
        outline = np.stack([depth, np.arange(HEIGHT)], axis=1)
        ring = np.concatenate([[[-1, 0]], outline, [[-1, HEIGHT]]])
        for side in (ring, ring * (-1, 1) + (WIDTH, 0)):
            cv2.fillPoly(rim, [np.rint(side * 16).astype(np.int32)], (0,), cv2.LINE_AA, 4)
    return rim
