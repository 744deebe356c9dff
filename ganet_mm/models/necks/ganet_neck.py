from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from ganet_mm.registry import MODELS

from .position_attention import PositionAttention

COARSEST_STRIDE = 32


@MODELS.register_module()
class GaNetNeck(BaseModule):
    """Attention on the coarsest map, then a feature pyramid of 1×1 convolutions.

    Neither batch norm nor activation nor 3×3 smoothing follows the lateral convolutions, and each
    step down is a bilinear ×2 (``align_corners=False``).

    Args:
        in_channels: Channels of the backbone's maps of stride 8, 16, 32.
        out_channels: Channels of every output map.
        input_size: (height, width) of the network's input picture in pixels. It fixes the
            position embedding; both must be divisible by 32.
        attention_ratio: How many times fewer channels query and key have.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: ``input_size`` is not divisible by 32, or ``in_channels`` are not three.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 96, 160),
        out_channels: int = 32,
        input_size: tuple[int, int] = (320, 800),
        attention_ratio: int = 4,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != 3:
            raise ValueError(f"in_channels needs 3 entries (strides 8, 16, 32): {in_channels}")
        height, width = (int(side) for side in input_size)
        if height <= 0 or width <= 0 or height % COARSEST_STRIDE or width % COARSEST_STRIDE:
            raise ValueError(
                f"input_size (height, width) = {(height, width)} must be positive and divisible "
                f"by {COARSEST_STRIDE}, the coarsest stride; the next sizes that fit are "
                f"{tuple(max(-(-side // COARSEST_STRIDE), 1) * 32 for side in (height, width))}"
            )
        self.input_size = (height, width)
        channels8, channels16, channels32 = in_channels
        self.attention = PositionAttention(
            channels32,
            out_channels,
            (height // COARSEST_STRIDE, width // COARSEST_STRIDE),
            attention_ratio,
        )
        self.lateral8 = nn.Conv2d(channels8, out_channels, 1)
        self.lateral16 = nn.Conv2d(channels16, out_channels, 1)
        self.lateral32 = nn.Conv2d(out_channels, out_channels, 1)
        self.top_down16 = nn.Conv2d(out_channels, out_channels, 1)
        self.top_down32 = nn.Conv2d(out_channels, out_channels, 1)
        self.upsample16 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.upsample32 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        for name in ("lateral8", "lateral16", "lateral32", "top_down16", "top_down32"):
            conv = getattr(self, name)
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)

    def forward(self, feats: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of the same strides, each with ``out_channels``.

        Args:
            feats: (B, C8, H/8, W/8), (B, C16, H/16, W/16), (B, C32, H/32, W/32).

        Returns:
            (B, C, H/8, W/8), (B, C, H/16, W/16), (B, C, H/32, W/32) with C = ``out_channels``.
        """
        feat8, feat16, feat32 = feats
        out32 = self.lateral32(self.attention(feat32))
        out16 = self.lateral16(feat16) + self.upsample32(self.top_down32(out32))
        out8 = self.lateral8(feat8) + self.upsample16(self.top_down16(out16))
        return out8, out16, out32
