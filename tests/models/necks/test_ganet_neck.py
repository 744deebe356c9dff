from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganet_mm.models import GaNetNeck
from ganet_mm.models.necks.position_attention import PositionAttention, sine_position_embedding


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def feats(size, batch=2):
    height, width = size
    shapes = [(64, 8), (96, 16), (160, 32)]
    return tuple(torch.randn(batch, c, height // s, width // s) for c, s in shapes)


def test_parameters():
    neck = GaNetNeck()
    assert count(neck.attention) == 57_073
    assert count(neck) - count(neck.attention) == 8_352


def test_output_shapes():
    outs = GaNetNeck(input_size=(64, 96)).eval()(feats((64, 96)))
    assert [tuple(out.shape) for out in outs] == [(2, 32, 8, 12), (2, 32, 4, 6), (2, 32, 2, 3)]


def test_position_embedding_by_its_formula():
    embedding = sine_position_embedding(10, 25)
    assert embedding.shape == (1, 32, 10, 25) and embedding.dtype == torch.float32
    for channel in range(32):
        feature = channel % 16
        wavelength = 10000 ** (2 * (feature // 2) / 16)
        for row, column in [(0, 0), (3, 7), (9, 24)]:
            position = (row if channel < 16 else column) + 1
            wave = math.sin if feature % 2 == 0 else math.cos
            expected = wave(position / wavelength)
            assert embedding[0, channel, row, column].item() == pytest.approx(expected, abs=1e-6)


def test_position_embedding_follows_the_input_and_is_no_state():
    neck = GaNetNeck(input_size=(96, 192))
    assert neck.attention.position_embedding.shape == (1, 32, 3, 6)
    assert not any("position_embedding" in key for key in neck.state_dict())
    assert "attention.position_embedding" in dict(neck.named_buffers())
    # So weights of one input size load into another.
    GaNetNeck(input_size=(320, 800)).load_state_dict(neck.state_dict())


def test_attention_by_its_formula():
    """Sums written out: energy of a key and a query, softmax over keys, no 1/√d."""
    torch.manual_seed(0)
    layer = PositionAttention(160, 32, (2, 3)).eval()
    with torch.no_grad():
        layer.gamma.fill_(0.7)
        for conv in (layer.query, layer.key):  # larger, so that the softmax is not flat
            conv.weight.normal_(std=0.3)
        layer.value.weight.normal_(std=0.3)
        x = torch.randn(2, 160, 2, 3)
        y = layer.conv_in(x) + layer.position_embedding
        q, k, v = (
            conv(y).reshape(2, -1, 6).numpy() for conv in (layer.query, layer.key, layer.value)
        )
        attended = np.zeros((2, 32, 6), np.float32)
        for image in range(2):
            for query in range(6):
                energy = [float(k[image, :, key] @ q[image, :, query]) for key in range(6)]
                total = sum(math.exp(e) for e in energy)
                for key in range(6):
                    attended[image, :, query] += v[image, :, key] * math.exp(energy[key]) / total
        attended = torch.from_numpy(attended).reshape(2, 32, 2, 3)
        torch.testing.assert_close(layer(x), layer.conv_out(0.7 * attended + y))


def test_attention_starts_as_no_attention():
    layer = PositionAttention(160, 32, (2, 3)).eval()
    x = torch.randn(1, 160, 2, 3)
    expected = layer.conv_out(layer.conv_in(x) + layer.position_embedding)
    torch.testing.assert_close(layer(x), expected)
    layer(x).sum().backward()
    assert layer.gamma.grad.abs().item() > 0  # and can leave from there


def test_pyramid_by_its_formula():
    neck = GaNetNeck(input_size=(64, 96)).eval()
    c8, c16, c32 = feats((64, 96))

    def up(x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    p32 = neck.lateral32(neck.attention(c32))
    p16 = neck.lateral16(c16) + up(neck.top_down32(p32))
    p8 = neck.lateral8(c8) + up(neck.top_down16(p16))
    for out, expected in zip(neck((c8, c16, c32)), (p8, p16, p32), strict=True):
        torch.testing.assert_close(out, expected)


def test_init():
    torch.manual_seed(0)
    neck = GaNetNeck()
    assert neck.attention.gamma.item() == 0
    for conv in (neck.attention.conv_in[0], neck.attention.conv_out[0]):
        fan_out = conv.out_channels * 9
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.05)
        assert conv.bias.abs().max() == 0
    small = [neck.attention.query, neck.attention.key, neck.attention.value]
    small += [neck.lateral8, neck.lateral16, neck.lateral32, neck.top_down16, neck.top_down32]
    for conv in small:
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.2)
        assert conv.bias.abs().max() == 0


@pytest.mark.parametrize("size", [(160, 400), (100, 192), (0, 64)])
def test_sizes_that_do_not_divide_are_refused(size):
    with pytest.raises(ValueError, match="divisible by 32"):
        GaNetNeck(input_size=size)


def test_next_fitting_size_is_proposed():
    with pytest.raises(ValueError, match=r"\(160, 416\)"):
        GaNetNeck(input_size=(160, 400))


def test_three_maps_are_needed():
    with pytest.raises(ValueError, match="3 entries"):
        GaNetNeck(in_channels=(64, 96))
