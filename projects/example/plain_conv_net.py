"""A backbone that the package does not have: 3×3 convolutions in a row, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from ganet_mm.registry import MODELS


@MODELS.register_module()
class PlainConvNet(BaseModule):
    """Five stages of stride 2, each of 3×3 convolutions with batch norm and ReLU.

    Args:
        channels: Channels of the stages, of stride 2, 4, 8, 16, 32.
        depths: Convolutions of the stages; the first of each has the stride.
        in_channels: Channels of the picture.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: not five stages, or a stage without a convolution.
    """

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 48, 64, 96),
        depths: Sequence[int] = (1, 2, 2, 2, 2),
        in_channels: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(channels) != 5 or len(depths) != 5 or min(depths) < 1:
            raise ValueError(
                f"channels {tuple(channels)} and depths {tuple(depths)} need five entries each "
                "(strides 2, 4, 8, 16, 32), and every depth must be 1 or more"
            )
        self.stages = nn.ModuleList()
        for out_channels, depth in zip(channels, depths, strict=True):
            layers = []
            for index in range(depth):
                stride = 2 if index == 0 else 1
                # No bias: the batch norm has one.
                layers += [
                    nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(inplace=True),
                ]
                in_channels = out_channels
            self.stages.append(nn.Sequential(*layers))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) -> (B, C3, H/8, W/8), (B, C4, H/16, W/16), (B, C5, H/32, W/32)."""
        outs = []
        for stage in self.stages:
            x = stage(x)
            outs.append(x)
        return tuple(outs[2:])
