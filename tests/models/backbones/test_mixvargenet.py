from __future__ import annotations

import pytest
import torch
from torch import nn

from ganet_mm.models import MixVarGENet
from ganet_mm.models.backbones.mixvargenet import MixVarGEBlock


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_of_every_stage():
    net = MixVarGENet()
    assert count(net.stem) == 960
    assert [count(stage) for stage in net.stages] == [20_768, 125_440, 377_472, 319_488, 272_704]
    assert count(net) == 1_116_832
    assert [len(stage) for stage in net.stages] == [1, 3, 3, 7, 3]


def test_output_shapes():
    net = MixVarGENet().eval()
    with torch.no_grad():
        outs = net(torch.zeros(2, 3, 64, 96))
    assert [tuple(out.shape) for out in outs] == [(2, 64, 8, 12), (2, 96, 4, 6), (2, 160, 2, 3)]
    every = MixVarGENet(out_indices=(0, 1, 2, 3, 4)).eval()
    with torch.no_grad():
        outs = every(torch.zeros(1, 3, 64, 96))
    assert [out.shape[2] for out in outs] == [32, 16, 8, 4, 2]


def test_stem_has_no_activation():
    net = MixVarGENet()
    assert [type(layer) for layer in net.stem] == [nn.Conv2d, nn.BatchNorm2d]
    assert net.stem(torch.randn(2, 3, 16, 16)).min() < 0


@pytest.mark.parametrize(
    ("block", "mid", "groups"),
    [
        ("mixvarge_f2", 64, 1),
        ("mixvarge_f4", 128, 1),
        ("mixvarge_f2_gb16", 64, 2),
        ("mixvarge_f4_gb16", 128, 2),
    ],
)
def test_block_types(block, mid, groups):
    module = MixVarGEBlock(block, 32, 48, stride=2).eval()
    conv1, conv2 = module.conv1[0], module.conv2[0]
    assert (conv1.out_channels, conv1.groups, conv1.kernel_size) == (mid, groups, (3, 3))
    assert conv1.in_channels // conv1.groups == (16 if "gb16" in block else 32)
    assert (conv2.kernel_size, conv2.groups) == ((1, 1), 1)
    assert conv1.bias is not None and conv2.bias is not None
    assert module(torch.zeros(1, 32, 8, 8)).shape == (1, 48, 4, 4)


def test_block_by_its_formula():
    torch.manual_seed(0)
    x = torch.randn(2, 32, 6, 6)
    same = MixVarGEBlock("mixvarge_f2", 32, 32).eval()
    assert same.shortcut is None
    conv1, bn1, _ = same.conv1
    conv2, bn2 = same.conv2
    expected = torch.relu(bn2(conv2(torch.relu(bn1(conv1(x))))) + x)
    torch.testing.assert_close(same(x.clone()), expected)
    wider = MixVarGEBlock("mixvarge_f2", 32, 48).eval()
    assert wider.shortcut[0].kernel_size == (1, 1) and len(wider.shortcut) == 2
    expected = torch.relu(wider.conv2(wider.conv1(x)) + wider.shortcut(x))
    torch.testing.assert_close(wider(x.clone()), expected)


def test_input_is_not_changed_in_place():
    x = torch.randn(1, 32, 6, 6)
    before = x.clone()
    MixVarGEBlock("mixvarge_f2", 32, 32)(x)
    assert torch.equal(x, before)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="mixvarge_f3"):
        MixVarGEBlock("mixvarge_f3", 32, 32)
    with pytest.raises(ValueError, match="in_channels is 24"):
        MixVarGEBlock("mixvarge_f2_gb16", 24, 32)
    with pytest.raises(ValueError, match=r"\[5\] name no stage"):
        MixVarGENet(out_indices=(2, 3, 5))
