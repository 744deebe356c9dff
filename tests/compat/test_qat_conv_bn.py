"""The fused convolution and batch norm that divides its weights, against torch's own."""

import copy

import pytest
import torch
from torch import nn
from torch.ao.nn.intrinsic.qat import ConvBn2d, ConvBnReLU2d, freeze_bn_stats
from torch.ao.quantization import FakeQuantize, PerChannelMinMaxObserver, QConfig

from ganet_mm.compat.qat_conv_bn import divide_weights_not_results

QCONFIG = QConfig(
    activation=FakeQuantize,
    weight=FakeQuantize.with_args(
        observer=PerChannelMinMaxObserver,
        quant_min=-127,
        quant_max=127,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
    ),
)


class Grid(nn.Module):
    """Straight-through rounding in any precision; torch's kernels know float32 only."""

    def forward(self, x):
        return x + (torch.round(x * 64) / 64 - x).detach()


def network(bias: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        ConvBnReLU2d(3, 8, 3, padding=1, bias=bias, qconfig=QCONFIG),
        ConvBn2d(8, 8, 3, stride=2, groups=4, bias=bias, qconfig=QCONFIG),
    )
    for module in net:
        nn.init.normal_(module.bn.weight)  # of either sign
        nn.init.normal_(module.bn.bias)
        module.bn.running_var.uniform_(0.1, 4)
        module.bn.running_mean.normal_()
    return net


def measured(net: nn.Module) -> nn.Module:
    twin = copy.deepcopy(net)
    divide_weights_not_results(twin)
    return twin


def step(net: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    y = net(x)
    y.square().mean().backward()
    return y.detach(), {name: p.grad for name, p in net.named_parameters()}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_same_function_and_gradients(bias, frozen):
    """In float64, so that nothing but the order of operations is left to differ."""
    theirs = network(bias).double()
    for module in theirs:
        module.weight_fake_quant = Grid()
    if frozen:
        theirs.apply(freeze_bn_stats)
    ours = measured(theirs)
    x = torch.randn(4, 3, 9, 11, dtype=torch.float64)
    expected, expected_grads = step(theirs, x)
    actual, actual_grads = step(ours, x)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
    for name, grad in expected_grads.items():
        torch.testing.assert_close(actual_grads[name], grad, rtol=1e-10, atol=1e-12, msg=name)
    for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_a_dead_channel_gives_its_bias_and_can_revive():
    """torch's own gives nan there."""
    theirs = network()
    with torch.no_grad():
        theirs[0].bn.weight[2] = 0
    ours = measured(theirs)
    x = torch.randn(4, 3, 9, 11)
    assert theirs(x).isnan().any()
    first = ours[0](x)
    assert (first[:, 2] == ours[0].bn.bias[2].clamp(min=0)).all()
    with torch.no_grad():
        ours[0].bn.bias[2] = 1.0  # so that the ReLU lets the channel through
    _, grads = step(ours, x)
    assert all(grad.isfinite().all() for grad in grads.values())
    assert grads["0.bn.weight"][2] != 0

    plain = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
    quantized = ours[0].weight_fake_quant(ours[0].weight)
    plain[0].weight.data[2] = quantized[2]
    plain[1].load_state_dict(ours[0].bn.state_dict())
    relu = plain(x).relu()
    upstream = torch.randn_like(relu)
    relu.backward(upstream)
    ours.zero_grad()
    ours[0](x).backward(upstream)
    torch.testing.assert_close(ours[0].bn.weight.grad[2], plain[1].weight.grad[2])


def test_a_tiny_gamma_is_a_finite_channel():
    net = measured(network())
    with torch.no_grad():
        net[0].bn.weight[:] = torch.tensor([1e-30, -1e-30, 1e-38, 1e-44, 1e-8, 1, -1, 1e4])
    y, grads = step(net, torch.randn(4, 3, 9, 11))
    assert y.isfinite().all()
    assert all(grad.isfinite().all() for grad in grads.values())


def test_half_precision_comes_out_as_torchs():
    theirs, x = network(), torch.randn(2, 3, 9, 11)
    ours = measured(theirs)
    with torch.autocast("cpu", torch.bfloat16):
        expected, actual = theirs(x), ours(x)
    assert actual.dtype == expected.dtype == torch.float32
    torch.testing.assert_close(actual, expected, rtol=0.05, atol=0.05)


def test_torch_is_left_as_it_was_and_copies_keep_it():
    before = ConvBn2d.forward
    theirs = network()
    ours = measured(theirs)
    assert ConvBn2d.forward is before
    assert "forward" not in vars(theirs[0])
    twin = copy.deepcopy(ours)
    assert twin[0].forward.__self__ is twin[0]
    assert twin[0].forward.__func__ is ours[0].forward.__func__
    assert type(ours[0]) is ConvBnReLU2d  # which freeze_bn_stats asks for
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_torch_still_divides_the_result():
    """If not, this measure can go. Its division is the one node of the graph that takes a whole
    activation and gives one."""
    x = torch.randn(2, 3, 8, 8)
    for net, divides in ((network()[:1], True), (measured(network()[:1]), False)):
        with torch.profiler.profile(record_shapes=True) as profiler:
            net(x)
        shapes = [e.input_shapes[0] for e in profiler.events() if e.name == "aten::div"]
        assert ([2, 8, 8, 8] in shapes) is divides
