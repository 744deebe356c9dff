"""Ours against torch's kernel, which it stands in for."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.ao.quantization import (
    FakeQuantize,
    HistogramObserver,
    MovingAverageMinMaxObserver,
    disable_fake_quant,
    disable_observer,
)

from ganet_mm.quantization import ActivationFakeQuantize


def pair(scale: float, zero_point: int, **kwargs) -> tuple[FakeQuantize, ActivationFakeQuantize]:
    """torch's and ours, with frozen parameters."""
    both = FakeQuantize(**kwargs), ActivationFakeQuantize(**kwargs)
    for module in both:
        module.scale.fill_(scale)
        module.zero_point.fill_(zero_point)
        disable_observer(module)
    return both


def run(module, x, grad):
    x = x.clone().requires_grad_()
    y = module(x)
    y.backward(grad)
    return y.detach(), x.grad


@given(
    scale=st.floats(2**-20, 2**14, width=32),
    zero_point=st.integers(0, 255),
    seed=st.integers(0, 2**31),
)
def test_the_same_numbers_as_torch(scale, zero_point, seed):
    """On, between, half-way between and far off the grid's numbers."""
    generator = torch.Generator().manual_seed(seed)
    inside = (torch.rand(400, generator=generator) * 300 - 20 - zero_point) * scale
    halves = (torch.arange(-20, 280) - zero_point + 0.5) * scale
    x = torch.cat([inside, halves, halves.nextafter(inside[0]), torch.tensor([1e30, -1e30, 0.0])])
    theirs, ours = pair(scale, zero_point)
    expected, expected_grad = run(theirs, x, x)
    actual, actual_grad = run(ours, x, x)
    assert torch.equal(actual, expected)

    steps = x / theirs.scale + zero_point
    edge = torch.minimum((steps + 0.5).abs(), (steps - 255.5).abs()) < 1e-3
    assert torch.equal(actual_grad[~edge], expected_grad[~edge])


def test_the_gradient_stops_outside_of_the_range_only():
    _, ours = pair(0.5, 10)
    x = torch.tensor([-5.5, -5.2, -5.0, 0.0, 0.1, 122.5, 122.7, 123.0])
    _, grad = run(ours, x, torch.full_like(x, 3.0))
    assert grad.tolist() == [0, 3, 3, 3, 3, 3, 3, 0]


def test_what_is_no_finite_number_becomes_what_torch_makes_of_it():
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 3e38, -3e38])
    for values in (x, x.repeat(20)):  # torch has a loop for whole vectors and one for the rest
        theirs, ours = pair(0.1, 10)
        assert torch.equal(ours(values), theirs(values))
        assert ours(values).isfinite().all()


def test_a_range_of_seven_bits_and_int8():
    x = torch.linspace(-20, 20, 5000)
    for kwargs in (
        dict(quant_min=0, quant_max=127),
        dict(quant_min=-128, quant_max=127, dtype=torch.qint8),
    ):
        theirs, ours = pair(0.1, 5, **kwargs)
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("observer", [MovingAverageMinMaxObserver, HistogramObserver])
def test_it_observes_and_switches_as_torchs(observer):
    generator = torch.Generator().manual_seed(0)
    theirs, ours = FakeQuantize(observer), ActivationFakeQuantize(observer)
    for _ in range(4):
        x = torch.randn(2, 3, 8, 8, generator=generator)
        assert torch.equal(ours(x), theirs(x))
        assert torch.equal(ours.scale, theirs.scale)
        assert torch.equal(ours.zero_point, theirs.zero_point)
    for module in (theirs, ours):
        disable_observer(module)
    assert torch.equal(ours(3 * x), theirs(3 * x))
    disable_fake_quant(ours)
    assert ours(x) is x


def test_both_read_each_others_checkpoints():
    x = torch.randn(4, 4)
    theirs, ours = FakeQuantize(), ActivationFakeQuantize()
    theirs(x)
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    assert torch.equal(ours(x), theirs(x))
    FakeQuantize().load_state_dict(ours.state_dict())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_types_are_torchs(dtype):
    x = torch.linspace(-3, 3, 1000, dtype=dtype)
    theirs, ours = pair(0.02, 100)
    assert torch.equal(ours(x), theirs(x))
    assert ours(x).dtype == theirs(x).dtype


def test_channels_last_stays_so():
    _, ours = pair(0.02, 100)
    x = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    assert ours(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.gpu
def test_on_a_gpu_it_is_torchs():
    theirs, ours = (module.cuda() for module in pair(0.02, 100))
    x = torch.randn(1000, device="cuda")
    assert torch.equal(ours(x), theirs(x))
