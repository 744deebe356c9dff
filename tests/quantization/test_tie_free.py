from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, strategies
from torch.ao.quantization import FakeQuantizeBase

from ganet_mm.quantization.fixed_point import FixedPointGraph
from ganet_mm.quantization.freeze import freeze
from ganet_mm.quantization.frozen_graph import (
    MODULES,
    FrozenConv2d,
    FrozenFakeQuantize,
    kind_of,
    module_of,
)
from ganet_mm.quantization.tie_free import LARGEST_DENOMINATOR, settle_scales, tie_free

RATIOS = strategies.floats(1e-4, 8.0)


def bound(ratio: float) -> float:
    """D is m / ratio moved by less than 2, and m is the largest for D ≤ 4095, at least 1."""
    numerator = max(1, int(ratio * LARGEST_DENOMINATOR))
    return 2 / (numerator / ratio - 2)


@given(RATIOS, strategies.booleans())
def test_a_fraction_has_an_odd_denominator_and_lies_on_the_side_asked_for(ratio, up):
    fraction = tie_free(ratio, up)
    assert fraction.denominator % 2 == 1
    side = float(fraction) / ratio - 1  # up to the last digit of a double
    assert side >= -1e-15 if up else side <= 1e-15
    assert abs(float(fraction) / ratio - 1) <= bound(ratio)


@given(RATIOS, strategies.integers(-(2**20), 2**20))
def test_no_sum_comes_near_a_tie(ratio, total):
    product = tie_free(ratio) * total
    from_tie = abs((product % 1) - type(product)(1, 2))
    denominator = tie_free(ratio).denominator
    assert from_tie * 2 * denominator >= 1


@pytest.mark.parametrize("ratio", [0.00047, 0.0021, 0.037, 0.9, 1.3])
def test_float32_rounds_alike_in_every_order(ratio):
    """As runtimes evaluate it: one factor, two factors, a division, with the zero point first."""
    fraction = tie_free(ratio)
    input_scale, output_scale = np.float32(0.0713), np.float32(0.2171)
    weight_scale = np.float32(float(fraction) * float(output_scale) / float(input_scale))
    limit = int(255 / float(fraction))
    sums = np.arange(-limit, limit + 1) if limit < 10**6 else np.arange(10**6)
    exact = [round(fraction * int(total)) for total in sums]  # no ties: nearest is nearest
    x = sums.astype(np.float32)
    orders = [
        np.rint(x * (input_scale * weight_scale / output_scale)),
        np.rint(x * input_scale * weight_scale / output_scale),
        np.rint(x * (input_scale * weight_scale) * (np.float32(1) / output_scale)),
        np.rint(x * (input_scale * weight_scale) / output_scale + np.float32(128)) - 128,
    ]
    for values in orders:
        np.testing.assert_array_equal(values, exact)


@pytest.fixture
def pair(quantized):
    """An observed graph and its frozen copy."""
    graph = quantized().graph
    return graph, freeze(graph)


def test_activation_scales_grow_by_little(pair):
    graph, frozen = pair
    compared = 0
    for name, module in graph.named_modules():
        if not isinstance(module, FakeQuantizeBase) or "weight" in name or module.scale.numel() > 1:
            continue
        after = getattr(frozen, name, None)
        if not isinstance(after, FrozenFakeQuantize) or name == "activation_post_process_0":
            continue  # the input takes the grid of bytes
        compared += 1
        assert 1 - 1e-6 <= after.scale / float(module.scale) < 1.01, name
        assert after.zero_point == int(module.zero_point)
    assert compared > 70


def test_weights_stay_on_the_grid_and_near_what_they_were(pair):
    graph, frozen = pair
    for node in frozen.graph.nodes:
        if kind_of(frozen, node) != "conv":
            continue
        conv: FrozenConv2d = module_of(frozen, node)
        original = graph.get_submodule(node.target)
        before = original.weight_fake_quant.scale
        assert (conv.scale / before).min() >= 1 - 1e-6, node.target
        assert (conv.scale / before).max() < 1.01, node.target
        steps = conv.integer_weight()
        assert steps.abs().max() <= 127
        torch.testing.assert_close(steps * conv.scale[:, None, None, None], conv.weight)


def test_every_requantization_is_tie_free(pair):
    """The ratio of each convolution's steps to its output's is m / D with D odd."""
    _, frozen = pair
    checked = 0
    for node in frozen.graph.nodes:
        if kind_of(frozen, node) != "conv":
            continue
        (user,) = node.users
        if kind_of(frozen, user) != "quantize":
            continue
        scale_in = module_of(frozen, node.args[0]).scale
        conv, scale_out = module_of(frozen, node), module_of(frozen, user).scale
        for scale in conv.scale.tolist():
            ratio = scale_in * scale / scale_out
            fraction = Fraction(ratio).limit_denominator(max(5000, int(2 / ratio)))
            assert fraction.denominator % 2 == 1
            assert float(fraction) == pytest.approx(ratio, rel=3e-7)
            checked += 1
    assert checked > 4000


def test_the_input_keeps_every_byte(pair):
    _, frozen = pair
    first = next(node for node in frozen.graph.nodes if kind_of(frozen, node) == "quantize")
    values = (torch.arange(256.0) - 128) / 128
    assert torch.equal(module_of(frozen, first)(values), values)


class Odd(torch.nn.Module):
    """Additions and products with a number, with an unquantized tensor, a nearest upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.quantize = torch.nn.ModuleList(Fixed(0.1) for _ in range(5))
        self.up = torch.nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x):
        x = self.quantize[0](x)
        a = self.quantize[1](x + 1)
        b = self.quantize[2](a * torch.sigmoid(a))
        c = self.quantize[3](torch.sigmoid(a) + b)
        return self.quantize[4](self.up(c))


class Fixed(FrozenFakeQuantize):
    def __init__(self, scale: float) -> None:
        torch.nn.Module.__init__(self)
        self.scale, self.zero_point, self.quant_min, self.quant_max = scale, 100, 0, 255


def test_what_is_not_on_grids_is_left_alone(monkeypatch):
    monkeypatch.setitem(MODULES, Fixed, "quantize")

    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, module, name):
            return isinstance(module, FrozenFakeQuantize) or super().is_leaf_module(module, name)

    network = Odd()
    graph = torch.fx.GraphModule(network, Tracer().trace(network))
    settle_scales(graph)
    assert [quantize.scale for quantize in network.quantize] == [1 / 128, 0.1, 0.1, 0.1, 0.1]
    x = torch.rand(1, 1, 3, 3)
    torch.testing.assert_close(FixedPointGraph(graph)(x), graph(x), atol=1e-6, rtol=0)
