"""MixVarGENet, the backbone of Horizon's GaNet sample (``ganet_mixvargenet_culane``)."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from ganet_mm.registry import MODELS

from ..layers import conv_bn

# Block type -> (channel factor of the 3×3 convolution, channels a group or None for dense).
BLOCK_TYPES: dict[str, tuple[int, int | None]] = {
    "mixvarge_f2": (2, None),
    "mixvarge_f4": (4, None),
    "mixvarge_f2_gb16": (2, 16),
    "mixvarge_f4_gb16": (4, 16),
}

# The network of the CULane recipe: strides 2, 4, 8, 16, 32.
CULANE_STAGES: tuple[dict, ...] = (
    dict(block="mixvarge_f2", out_channels=32, stride=1, stack_ops=0),
    dict(block="mixvarge_f4", out_channels=32, stride=2, stack_ops=2),
    dict(block="mixvarge_f4", out_channels=64, stride=2, stack_ops=2),
    dict(block="mixvarge_f2_gb16", out_channels=96, stride=2, stack_ops=6),
    dict(block="mixvarge_f2_gb16", out_channels=160, stride=2, stack_ops=2),
)


class MixVarGEBlock(nn.Module):
    """3×3 convolution to ``factor`` times the channels, 1×1 back, and a shortcut.

    Args:
        block: One of :data:`BLOCK_TYPES`.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the 3×3 convolution. With 1 and equal channels the shortcut is the
            identity, else a 1×1 convolution with batch norm.

    Raises:
        ValueError: unknown ``block``, or channels that do not divide into its groups.
    """

    def __init__(self, block: str, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        if block not in BLOCK_TYPES:
            raise ValueError(f"unknown block type {block!r}; known are {sorted(BLOCK_TYPES)}")
        factor, group_base = BLOCK_TYPES[block]
        if group_base is not None and in_channels % group_base:
            raise ValueError(
                f"{block} groups its channels by {group_base}, but in_channels is {in_channels}; "
                f"use a multiple of {group_base}, or a block type without '_gb{group_base}'"
            )
        groups = 1 if group_base is None else in_channels // group_base
        mid_channels = in_channels * factor
        self.conv1 = conv_bn(in_channels, mid_channels, 3, stride, groups)
        self.conv2 = conv_bn(mid_channels, out_channels, 1, relu=False)
        self.shortcut = None
        if stride != 1 or in_channels != out_channels:
            self.shortcut = conv_bn(in_channels, out_channels, 1, stride, relu=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H/stride, W/stride)."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return self.relu(self.conv2(self.conv1(x)) + shortcut)


@MODELS.register_module()
class MixVarGENet(BaseModule):
    """A stem of stride 2 without activation, then stages of :class:`MixVarGEBlock`.

    Weights start as torch makes them: the recipe trains from scratch.

    Args:
        stages: One dict a stage: ``block`` (a block type), ``out_channels``, ``stride`` of the
            stage's first block and ``stack_ops``, how many blocks of stride 1 follow it.
            Defaults to the network of the CULane recipe.
        out_indices: Indices into ``stages`` whose outputs are returned.
        in_channels: Channels of the picture.
        stem_channels: Channels after the stem.
        init_cfg: mmengine's initialisation config, e.g. to load pretrained weights.

    Raises:
        ValueError: an index in ``out_indices`` that is no stage, or a bad block.
    """

    def __init__(
        self,
        stages: Sequence[dict] = CULANE_STAGES,
        out_indices: Sequence[int] = (2, 3, 4),
        in_channels: int = 3,
        stem_channels: int = 32,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        bad = [index for index in out_indices if not 0 <= index < len(stages)]
        if bad:
            raise ValueError(
                f"out_indices {tuple(out_indices)}: {bad} name no stage; "
                f"there are {len(stages)}, counted from 0"
            )
        self.out_indices = tuple(out_indices)
        self.stem = conv_bn(in_channels, stem_channels, 3, stride=2, relu=False)
        self.stages = nn.ModuleList()
        channels = stem_channels
        for stage in stages:
            self.stages.append(_make_stage(channels, **stage))
            channels = stage["out_channels"]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the stages in ``out_indices``.

        Args:
            x: (B, in_channels, H, W); H and W divisible by the product of all strides.

        Returns:
            With the defaults: (B, 64, H/8, W/8), (B, 96, H/16, W/16), (B, 160, H/32, W/32).
        """
        x = self.stem(x)
        outs = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in self.out_indices:
                outs.append(x)
        return tuple(outs)


def _make_stage(
    in_channels: int, block: str, out_channels: int, stride: int, stack_ops: int
) -> nn.Sequential:
    blocks = [MixVarGEBlock(block, in_channels, out_channels, stride)]
    blocks += [MixVarGEBlock(block, out_channels, out_channels) for _ in range(stack_ops)]
    return nn.Sequential(*blocks)
