"""Small building blocks that backbone and neck share."""

from __future__ import annotations

from torch import nn


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    relu: bool = True,
) -> nn.Sequential:
    """Convolution (with bias, "same" padding), batch norm and, if asked, ReLU.

    Plain ``torch.nn`` modules in a row: torch.fx then fuses the chain into one integer operator.
    The convolution keeps its bias in front of the batch norm because the reference network does;
    it is folded away on export.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, groups=groups
        ),
        nn.BatchNorm2d(out_channels),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
