"""Drawing helpers on uint8 BGR pictures: anti-aliased polygons, sprites, textured quads."""

import cv2
import numpy as np

_SHIFT = 4  # fractional bits of OpenCV's polygon coordinates


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(points, -30000, 30000) * (1 << _SHIFT)).astype(np.int32)


def fill(image: np.ndarray, points: np.ndarray, colour) -> None:
    """Fill the polygon (N, 2) in picture coordinates."""
    ink = tuple(float(c) for c in colour)
    cv2.fillPoly(image, [_fixed(points)], ink, cv2.LINE_AA, _SHIFT)


def lines(image: np.ndarray, polylines: list[np.ndarray], colour, thickness: int = 1) -> None:
    """Draw open polylines (N, 2)."""
    ink = tuple(float(c) for c in colour)
    fixed = [_fixed(p) for p in polylines]
    cv2.polylines(image, fixed, False, ink, max(int(thickness), 1), cv2.LINE_AA, _SHIFT)


def box_of(points: np.ndarray, shape: tuple[int, ...], margin: int = 2):
    """Slices (rows, columns) of the polygon's bounding box within a picture; None if outside."""
    x0, y0 = np.floor(points.min(axis=0)).astype(int) - margin
    x1, y1 = np.ceil(points.max(axis=0)).astype(int) + margin + 1
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, shape[1]), min(y1, shape[0])
    return (slice(y0, y1), slice(x0, x1)) if x1 > x0 and y1 > y0 else None


def mask_of(polygons: list[np.ndarray], box, blur: float = 0.0) -> np.ndarray:
    """Coverage uint8 of polygons inside a box."""
    rows, cols = box
    mask = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.uint8)
    for polygon in polygons:
        fill(mask, polygon - (cols.start, rows.start), (255,))
    return cv2.GaussianBlur(mask, (0, 0), blur) if blur > 0.3 else mask


def blend(region: np.ndarray, ink, alpha: np.ndarray) -> None:
    """Mix ``ink`` (a colour or a picture) into ``region`` in place; alpha (H, W) in 0–1."""
    weight = cv2.merge([alpha.astype(np.float32)] * 3)
    ink = np.asarray(ink, np.float32)
    region[:] = np.rint(region + (ink - region) * weight).astype(np.uint8)


def blend_polygon(image: np.ndarray, points: np.ndarray, colour, alpha: float, blur: float = 0.0):
    """Fill a polygon with an opacity, its edge blurred by ``blur`` pixels."""
    box = box_of(points, image.shape, margin=2 + int(3 * blur))
    if box is not None:
        blend(image[box], colour, mask_of([points], box, blur).astype(np.float32) * (alpha / 255))


def sprite(image: np.ndarray, pyramid, foot, height: float, gain: float) -> None:
    """Stand a sprite on the picture point ``foot`` (x, y), ``height`` pixels high.

    ``pyramid`` holds it in falling sizes, (H, W, 4) uint8 each.
    """
    high, full = round(float(height)), pyramid[0].shape
    wide = round(float(height) * full[1] / full[0])
    if high < 2 or wide < 2 or high > 1600:
        return
    x0, y0 = round(float(foot[0]) - wide / 2), round(float(foot[1])) - high
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x0 + wide, image.shape[1]), min(y0 + high, image.shape[0])
    if right <= left or bottom <= top:
        return
    source = next((s for s in reversed(pyramid) if s.shape[0] >= high), pyramid[0])
    drawn = cv2.resize(source, (wide, high), interpolation=cv2.INTER_LINEAR)
    drawn = drawn[top - y0 : bottom - y0, left - x0 : right - x0]
    ink = cv2.convertScaleAbs(drawn, alpha=gain)[..., :3]
    blend(image[top:bottom, left:right], ink, drawn[..., 3] * np.float32(1 / 255))


def textured_quad(image: np.ndarray, texture: np.ndarray, quad: np.ndarray, gain: float = 1.0):
    """Map a texture onto the quad (4, 2): its corners clockwise from the top left."""
    box = box_of(quad, image.shape, margin=0)
    if box is None:
        return
    rows, cols = box
    high, wide = texture.shape[:2]
    source = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    target = (quad - (cols.start, rows.start)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    size = (cols.stop - cols.start, rows.stop - rows.start)
    mask = mask_of([quad], box)
    warped = cv2.warpPerspective(
        texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if gain != 1.0:
        warped = cv2.convertScaleAbs(warped, alpha=gain)
    cv2.copyTo(warped, (mask > 127).astype(np.uint8), image[box])
