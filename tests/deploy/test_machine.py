import numpy as np
import pytest
from hypothesis import given, settings, strategies
from hypothesis.extra import numpy as arrays

from ganet_mm.deploy.machine import (
    add_pairs_saturating,
    can_saturate,
    processor_flags,
    this_machine,
)

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
flags\t\t: fpu sse4_2 avx avx2 {more}
bugs\t\t: spectre_v1
"""


@pytest.mark.parametrize(
    "more, target",
    [("fma", "avx2"), ("avx512f avx512_vnni", "vnni"), ("avx_vnni", "vnni"), ("amx_int8", "vnni")],
)
def test_the_target_follows_the_flags(tmp_path, more, target):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format(more=more))
    flags = processor_flags(path)
    assert {"avx2", *more.split()} <= flags
    assert this_machine(flags) == target


def test_without_flags_the_safe_target_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert this_machine(processor_flags(tmp_path / "none")) == "avx2"
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert this_machine(set()) == "vnni"


def test_the_worst_case_saturates():
    activations = np.full(8, 255, np.uint8)
    weights = np.array([127, 127, -127, -127, 127, -127, 64, 64], np.int8)
    assert add_pairs_saturating(activations, weights).tolist() == [32767, -32768, 0, 32640]


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.int8, (2, 6), elements=strategies.integers(-127, 127)),
    strategies.randoms(use_true_random=False),
)
def test_weights_said_to_be_safe_never_saturate(weights, random):
    """In any order of the weights, with the inputs that make sums largest."""
    saturates = False
    for row in weights:
        order = list(range(6))
        random.shuffle(order)
        packed = row[order]
        for sign in (1, -1):
            activations = np.where(sign * packed.astype(int) > 0, 255, 0).astype(np.uint8)
            exact = (activations.astype(int) * packed).reshape(-1, 2).sum(axis=1)
            saturates |= bool((add_pairs_saturating(activations, packed) != exact).any())
    assert can_saturate(weights) or not saturates


@pytest.mark.parametrize("largest, expected", [(64, False), (65, True), (127, True)])
def test_seven_bits_are_safe(largest, expected):
    assert can_saturate(np.full((1, 9), largest, np.int8)) is expected
    assert can_saturate(np.full((1, 9), -largest, np.int8)) is expected
    mixed = np.array([[127, 1, -128, 0]], np.int8)  # one large weight of each sign: 255 · 128
    assert not can_saturate(mixed)
