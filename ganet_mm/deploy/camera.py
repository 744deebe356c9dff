"""The forms in which a camera gives a frame, and what the network sees of each.

``normalized`` is the network's own input, float32 (1, 3, H, W): full-swing BT.601 Y, U, V as
(v − 128) / 128. The others are bytes, uint8, and an exported file converts them itself:
``yuv444`` (1, 3, H, W) Y, U, V; ``rgb`` (1, 3, H, W) R, G, B; ``nv12`` (1, 1, 3·H/2, W), the rows
of Y, then half as many of U and V in turn, one pair for 2×2 pixels.
"""

from __future__ import annotations

import numpy as np
import torch

from ganet_mm.models.data_preprocessors.bgr_to_yuv444 import bgr_to_yuv444

LAYOUTS = ("normalized", "yuv444", "rgb", "nv12")


def check_layout(layout: str, input_size: tuple[int, int]) -> None:
    """Raises ValueError where ``layout`` is unknown or does not fit the size (height, width)."""
    if layout not in LAYOUTS:
        raise ValueError(f"input '{layout}' is unknown; choose one of {', '.join(LAYOUTS)}")
    if layout == "nv12" and (input_size[0] % 2 or input_size[1] % 2):
        raise ValueError(f"nv12 needs an even height and width, not {tuple(input_size)}")


def frame_shape(layout: str, input_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Shape of one frame for a network input of (height, width)."""
    height, width = input_size
    return (1, 1, height * 3 // 2, width) if layout == "nv12" else (1, 3, height, width)


def camera_frame(bgr: np.ndarray, layout: str) -> np.ndarray:
    """A picture as a camera of that layout would give it.

    Args:
        bgr: uint8 (H, W, 3) in the network's size.
        layout: One of :data:`LAYOUTS`.

    Returns:
        See the module's text.
    """
    check_layout(layout, bgr.shape[:2])
    planes = torch.from_numpy(np.ascontiguousarray(bgr.transpose(2, 0, 1)))
    if layout == "rgb":
        return planes.flip(0)[None].numpy()
    yuv = bgr_to_yuv444(planes)[None].numpy()
    if layout == "yuv444":
        return yuv
    if layout == "normalized":
        return (yuv.astype(np.float32) - 128) / 128
    height, width = bgr.shape[:2]
    blocks = yuv[0, 1:].reshape(2, height // 2, 2, width // 2, 2).astype(np.uint16)
    chroma = ((blocks.sum(axis=(2, 4)) + 2) // 4).astype(np.uint8)  # (2, H/2, W/2)
    rows = chroma.transpose(1, 2, 0).reshape(height // 2, width)
    return np.concatenate([yuv[0, 0], rows])[None, None]


def network_input(frame: np.ndarray, layout: str) -> np.ndarray:
    """What the network is shown of a camera's frame: the layout's conversion, in NumPy.

    Args:
        frame: As :func:`camera_frame` gives it.
        layout: One of :data:`LAYOUTS`.

    Returns:
        float32 (1, 3, H, W).
    """
    if layout == "normalized":
        return frame
    yuv = frame
    if layout == "rgb":
        yuv = bgr_to_yuv444(torch.from_numpy(frame[:, ::-1].copy())).numpy()
    elif layout == "nv12":
        height = frame.shape[2] * 2 // 3
        pairs = frame[0, 0, height:].reshape(height // 2, -1, 2).transpose(2, 0, 1)
        chroma = pairs.repeat(2, axis=1).repeat(2, axis=2)
        yuv = np.concatenate([frame[0, :, :height], chroma])[None]
    return (yuv.astype(np.float32) - 128) / 128


def example_frame(layout: str, input_size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A frame of random values, for measuring speed."""
    random = np.random.default_rng(seed)
    shape = frame_shape(layout, input_size)
    if layout == "normalized":
        return random.uniform(-1, 1, shape).astype(np.float32)
    return random.integers(0, 256, shape, dtype=np.uint8)
