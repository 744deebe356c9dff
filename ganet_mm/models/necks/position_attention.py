"""Self-attention over all positions of one small feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..layers import conv_bn


def sine_position_embedding(
    height: int, width: int, num_feats: int = 16, temperature: float = 10000.0
) -> Tensor:
    """Sine and cosine of row and column numbers, not normalised.

    Args:
        height: Rows of the map; their numbers are 1..height.
        width: Columns of the map; their numbers are 1..width.
        num_feats: Features an axis, even.
        temperature: Base of the geometric row of wavelengths.

    Returns:
        float32 (1, 2·num_feats, height, width): rows in the first half of the channels, columns
        in the second; even channels hold the sine, odd ones the cosine.
    """
    index = torch.arange(num_feats, dtype=torch.float64)
    wavelength = temperature ** (2 * torch.div(index, 2, rounding_mode="floor") / num_feats)

    def encode(length: int) -> Tensor:
        angle = torch.arange(1, length + 1, dtype=torch.float64) / wavelength[:, None]
        return torch.where((index % 2 == 0)[:, None], angle.sin(), angle.cos())

    rows = encode(height)[:, :, None].expand(-1, -1, width)
    columns = encode(width)[:, None, :].expand(-1, height, -1)
    return torch.cat([rows, columns])[None].float()


class PositionAttention(nn.Module):
    """3×3 convolution, attention with a learnable gain γ (0 at the start), 3×3 convolution.

    Args:
        in_channels: Channels of the input map.
        channels: Channels inside and out; a multiple of 4, for the embedding halves them.
        feat_shape: Rows and columns of the map. They shape the position embedding, which is a
            constant of the graph: the layer serves this one size.
        ratio: ``channels / ratio`` channels for query and key.
    """

    def __init__(
        self, in_channels: int, channels: int, feat_shape: tuple[int, int], ratio: int = 4
    ) -> None:
        super().__init__()
        if channels % 4 or channels % ratio:
            raise ValueError(f"channels must be a multiple of 4 and of ratio {ratio}: {channels}")
        self.channels = channels
        self.feat_shape = feat_shape
        self.conv_in = conv_bn(in_channels, channels, 3)
        self.query = nn.Conv2d(channels, channels // ratio, 1)
        self.key = nn.Conv2d(channels, channels // ratio, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.conv_out = conv_bn(channels, channels, 3)
        self.register_buffer(
            "position_embedding",
            sine_position_embedding(*feat_shape, num_feats=channels // 2),
            persistent=False,
        )
        for conv in (self.conv_in[0], self.conv_out[0]):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(conv.bias)
        for conv in (self.query, self.key, self.value):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, channels, H, W), with H and W as in ``feat_shape``.

        The softmax runs over the keys, and the energies are not divided by √d, as in the
        reference network.
        """
        x = self.conv_in(x) + self.position_embedding
        query = self.query(x).flatten(2)
        key = self.key(x).flatten(2)
        value = self.value(x).flatten(2)
        energy = torch.matmul(key.transpose(1, 2), query)  # B × keys × queries
        attended = torch.matmul(value, energy.softmax(dim=1))  # B × channels × queries
        # Python constants only: torch.fx and the exporter see no shape arithmetic.
        attended = attended.reshape(-1, self.channels, *self.feat_shape)
        return self.conv_out(self.gamma * attended + x)
