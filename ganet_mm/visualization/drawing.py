"""Lanes, scores, legends and network maps drawn on pictures: pure functions of arrays.

Pictures are (H, W, 3) uint8 in **BGR**, as OpenCV has them; colours are BGR too. Every function
returns a new picture and leaves its input alone. A lane is an array (N, 2) of x, y in pixels of
the picture it is drawn on; points outside the picture are fine, non-finite ones are left out.

The colours are from Okabe and Ito's palette ("Color Universal Design", 2008), which people with
any of the three colour vision deficiencies can tell apart; annotations are dashed and predictions
solid besides, so that no meaning hangs on a colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Colour = tuple[int, int, int]

SKY_BLUE: Colour = (233, 180, 86)
YELLOW: Colour = (66, 228, 240)
VERMILLION: Colour = (0, 94, 213)
ORANGE: Colour = (0, 159, 230)
BLUISH_GREEN: Colour = (115, 158, 0)
REDDISH_PURPLE: Colour = (167, 121, 204)
WHITE: Colour = (255, 255, 255)

HIT = SKY_BLUE  # a prediction that matches an annotated lane
FALSE = VERMILLION  # a prediction that matches none
MISSED = YELLOW  # an annotated lane that no prediction matches
FOUND = WHITE  # an annotated lane that a prediction matches
LANE_COLOURS: tuple[Colour, ...] = (SKY_BLUE, ORANGE, BLUISH_GREEN, YELLOW, REDDISH_PURPLE)

_SHIFT = 4  # OpenCV's fixed point: 1/16 pixel
_FAR = 1e5  # pixels; beyond it a point is off any picture and only strains the fixed point
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def lane_width(img_shape: Sequence[int]) -> int:
    """Line width in pixels that reads well on a picture of ``img_shape`` (H, W): 4 at 590 rows."""
    return max(2, round(img_shape[0] / 150))


def dash_polyline(points: np.ndarray, dash: float, gap: float) -> list[np.ndarray]:
    """Cuts a polyline (N, 2) into dashes of ``dash`` pixels with ``gap`` pixels between.

    Lengths are measured along the line; corners inside a dash are kept. The last dash may be
    shorter.
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if dash <= 0 or gap <= 0:
        raise ValueError(f"dash and gap must be above 0 pixels, not {dash} and {gap}")
    if len(points) < 2:
        return [points] if len(points) else []
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    if along[-1] == 0:
        return [points[:1]]
    dashes = []
    for start in np.arange(0.0, along[-1], dash + gap):
        end = min(start + dash, along[-1])
        at = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
        dashes.append(
            np.column_stack(
                [np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])]
            )
        )
    return dashes


def _stroke(img: np.ndarray, points: np.ndarray, colour: Colour, width: int, line: int) -> None:
    if len(points) == 1:
        x, y = np.rint(points[0]).astype(int).tolist()
        cv2.circle(img, (x, y), width, colour, cv2.FILLED, line)
        return
    fixed = np.rint(points * (1 << _SHIFT)).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(img, [fixed], False, colour, width, line, _SHIFT)


def draw_lanes(
    img: np.ndarray,
    lanes: Sequence[np.ndarray],
    colours: Sequence[Colour] | Colour | None = None,
    width: int | None = None,
    alpha: float = 1.0,
    antialiased: bool = True,
    dash: float | None = None,
) -> np.ndarray:
    """Draws lanes as polylines through their points, in the order given.

    Args:
        img: (H, W, 3) uint8, BGR.
        lanes: arrays (N, 2), pixels of ``img``. One point is drawn as a dot, none as nothing.
        colours: one BGR colour for all lanes, or a colour a lane; by default
            :data:`LANE_COLOURS` in turn.
        width: line width in pixels, by default :func:`lane_width`.
        alpha: opacity in 0..1 of what is drawn.
        antialiased: smooth edges; off, every drawn pixel has exactly its colour.
        dash: length in pixels of a dash (the gaps are as long), by default a solid line.

    Returns:
        The picture with lanes, (H, W, 3) uint8.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in 0..1, not {alpha}")
    if colours is None:
        colours = [LANE_COLOURS[i % len(LANE_COLOURS)] for i in range(len(lanes))]
    elif len(colours) == 3 and np.isscalar(colours[0]):
        colours = [colours] * len(lanes)
    elif len(colours) != len(lanes):
        raise ValueError(f"{len(colours)} colours for {len(lanes)} lanes: give one, or one each")
    width = lane_width(img.shape) if width is None else width
    line = cv2.LINE_AA if antialiased else cv2.LINE_8
    out = img.copy()
    for lane, colour in zip(lanes, colours, strict=True):
        points = np.asarray(lane, np.float64).reshape(-1, 2)
        points = np.clip(points[np.isfinite(points).all(axis=1)], -_FAR, _FAR)
        pieces = [points] if dash is None or len(points) < 2 else dash_polyline(points, dash, dash)
        for piece in pieces:
            if len(piece):
                _stroke(out, piece, colour, width, line)
    return out if alpha == 1 else cv2.addWeighted(out, alpha, img, 1 - alpha, 0)


def _draw_text(
    img: np.ndarray, text: str, corner: tuple[int, int], colour: Colour, scale: float
) -> None:
    """Writes ``text`` in place, its lower left corner at ``corner`` (x, y)."""
    cv2.putText(img, text, corner, _FONT, scale, colour, max(1, round(1.6 * scale)), cv2.LINE_AA)


def _text_scale(img_shape: Sequence[int]) -> float:
    return max(0.35, img_shape[0] / 900)


def draw_scores(
    img: np.ndarray,
    lanes: Sequence[np.ndarray],
    scores: Sequence[float],
    colours: Sequence[Colour] | None = None,
) -> np.ndarray:
    """Labels each lane with its score (two decimals) beside its lowest point inside the picture.

    A lane wholly outside gets no text. Args and shapes as in :func:`draw_lanes`; ``scores`` holds
    one number a lane.
    """
    if len(scores) != len(lanes):
        raise ValueError(f"{len(scores)} scores for {len(lanes)} lanes")
    if colours is None:
        colours = [LANE_COLOURS[i % len(LANE_COLOURS)] for i in range(len(lanes))]
    out = img.copy()
    height, width = img.shape[:2]
    scale = _text_scale(img.shape)
    for lane, score, colour in zip(lanes, scores, colours, strict=True):
        points = np.asarray(lane, np.float64).reshape(-1, 2)
        inside = points[
            (points >= 0).all(axis=1) & (points[:, 0] < width) & (points[:, 1] < height)
        ]
        if not len(inside):
            continue
        x, y = inside[inside[:, 1].argmax()]
        text = f"{score:.2f}"
        (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, scale, 2)
        box_width, box_height = text_width + 8, text_height + baseline + 4
        left = int(np.clip(x + 10, 0, max(width - box_width, 0)))
        top = int(np.clip(y - box_height, 0, max(height - box_height, 0)))
        cv2.rectangle(out, (left, top), (left + box_width, top + box_height), colour, cv2.FILLED)
        _draw_text(out, text, (left + 4, top + 2 + text_height), (0, 0, 0), scale)
    return out


def draw_legend(img: np.ndarray, entries: Sequence[tuple[str, Colour, bool]]) -> np.ndarray:
    """Draws a legend in the upper left corner.

    Args:
        img: (H, W, 3) uint8, BGR.
        entries: (text, colour, dashed) a line, top to bottom. The sample stroke looks as
            :func:`draw_lanes` draws it.
    """
    if not entries:
        return img.copy()
    scale = _text_scale(img.shape)
    sizes = [cv2.getTextSize(text, _FONT, scale, 2)[0] for text, _, _ in entries]
    row = round(1.7 * max(height for _, height in sizes))
    sample = 3 * row
    pad = row // 2
    right = min(img.shape[1], sample + max(width for width, _ in sizes) + 3 * pad)
    bottom = min(img.shape[0], row * len(entries) + pad)
    out = img.copy()
    out[:bottom, :right] //= 3
    for i, (text, colour, dashed) in enumerate(entries):
        y = pad + row * i + row // 2
        stroke = np.array([[pad, y], [pad + sample, y]])
        dash = sample / 5 if dashed else None
        out = draw_lanes(out, [stroke], colour, lane_width(img.shape), dash=dash)
        _draw_text(out, text, (2 * pad + sample, y + row // 4), WHITE, scale)
    return out


def overlay_heatmap(img: np.ndarray, heat: np.ndarray, alpha: float = 0.7) -> np.ndarray:
    """Lays a heat map over the network's input picture; where it is cold the road stays visible.

    Args:
        img: (H, W, 3) uint8, BGR, the network's input frame.
        heat: (h, w), values in 0..1 (keypoint probability, or a target). Cell (i, j) covers
            rows i·H/h to (i+1)·H/h and so on: the map is enlarged without smoothing.
        alpha: opacity of the hottest cell.

    Returns:
        (H, W, 3) uint8; the colours are OpenCV's viridis, readable without colour vision.
    """
    heat = np.asarray(heat, np.float32)
    if heat.ndim != 2:
        raise ValueError(f"heat must have shape (h, w), not {heat.shape}: give one channel")
    heat = np.clip(np.nan_to_num(heat), 0, 1)
    heat = cv2.resize(heat, img.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    coloured = cv2.applyColorMap(np.rint(heat * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    opacity = (alpha * np.sqrt(heat))[..., None]
    return np.rint(coloured * opacity + img * (1 - opacity)).astype(np.uint8)


def draw_offset_arrows(
    img: np.ndarray,
    offset: np.ndarray,
    cells: np.ndarray,
    downscale: int = 8,
    colour: Colour = WHITE,
) -> np.ndarray:
    """Draws an arrow from every chosen cell to the point its offset names.

    Args:
        img: (H, W, 3) uint8, BGR, the network's input frame.
        offset: (2, h, w), x and y in cells, from a cell to its lane's start (``pts_offset``).
        cells: (h, w) bool, where to draw.
        downscale: pixels of ``img`` a cell.
        colour: BGR.
    """
    offset = np.asarray(offset, np.float64)
    cells = np.asarray(cells, bool)
    if offset.ndim != 3 or len(offset) != 2 or offset.shape[1:] != cells.shape:
        raise ValueError(
            f"offset must have shape (2, h, w) and cells (h, w), not {offset.shape} and "
            f"{cells.shape}"
        )
    out = img.copy()
    for row, column in np.argwhere(cells):
        start = np.array([column, row]) * downscale
        end = start + offset[:, row, column] * downscale
        if not np.isfinite(end).all():
            continue
        (x0, y0), (x1, y1) = start.tolist(), np.rint(np.clip(end, -_FAR, _FAR)).astype(int).tolist()
        length = max(np.hypot(x1 - x0, y1 - y0), 1e-6)
        cv2.arrowedLine(
            out, (x0, y0), (x1, y1), colour, 1, cv2.LINE_AA, tipLength=min(1.0, 8 / length)
        )
    return out
