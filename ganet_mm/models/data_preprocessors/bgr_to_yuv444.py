"""Colour conversion of the network's input, in the integers of the camera chip."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganet_mm.registry import MODELS


def bgr_to_yuv444(bgr: Tensor) -> Tensor:
    """Full-swing BT.601 by integer arithmetic, on the tensor's device.

    ``Y = (77R + 150G + 29B + 128) >> 8``, ``U = ((−43R − 84G + 127B + 128) >> 8) + 128``,
    ``V = ((127R − 106G − 21B + 128) >> 8) + 128``. Every result lies in 0..255.

    Args:
        bgr: uint8 (..., 3, H, W), channels blue, green, red.

    Returns:
        uint8 of the same shape, channels Y, U, V.

    Raises:
        TypeError: ``bgr`` is not uint8.
        ValueError: the third last axis has not 3 channels.
    """
    if bgr.dtype != torch.uint8:
        raise TypeError(f"bgr_to_yuv444 takes uint8 pixels, got {bgr.dtype}")
    if bgr.dim() < 3 or bgr.shape[-3] != 3:
        raise ValueError(f"bgr_to_yuv444 takes (..., 3, H, W), got {tuple(bgr.shape)}")
    # int32: the sums reach 65 408; >> on negative numbers rounds down, as on the chip.
    blue, green, red = bgr.to(torch.int32).unbind(-3)
    luma = (77 * red + 150 * green + 29 * blue + 128) >> 8
    chroma_u = ((-43 * red - 84 * green + 127 * blue + 128) >> 8) + 128
    chroma_v = ((127 * red - 106 * green - 21 * blue + 128) >> 8) + 128
    return torch.stack([luma, chroma_u, chroma_v], dim=-3).to(torch.uint8)


@MODELS.register_module()
class BgrToYuv444(nn.Module):
    """:func:`bgr_to_yuv444` as a module."""

    def forward(self, bgr: Tensor) -> Tensor:
        """uint8 (..., 3, H, W) BGR -> uint8 (..., 3, H, W) YUV."""
        return bgr_to_yuv444(bgr)
