"""Against onnxruntime's own kernels, one operator at a time, to the bit."""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from ganet_mm.quantization.integers import (
    Addition,
    Integers,
    Reals,
    convolve,
    multiply,
    multiply_matrices,
    softmax,
)


def run(op: str, inputs: list, shape: list[int], domain: str = "", **attributes) -> np.ndarray:
    """One operator's uint8 result in onnxruntime."""
    names = [f"input{index}" for index in range(len(inputs))]
    node = helper.make_node(op, names, ["y"], domain=domain, **attributes)
    constants = [
        numpy_helper.from_array(np.asarray(v), n) for v, n in zip(inputs, names, strict=True)
    ]
    output = helper.make_tensor_value_info("y", TensorProto.UINT8, shape)
    graph = helper.make_graph([node], "one", [], [output], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {})[0]


def drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def given_of(x: Integers) -> list:
    return [x.values.numpy(), np.float32(x.scale), np.uint8(x.zero_point)]


def grid(values: np.ndarray, scale: float, zero_point: int) -> Integers:
    return Integers(torch.from_numpy(values), scale, zero_point)


def compare(result, op: str, inputs: list, scale: float, zero_point: int, **attributes) -> None:
    actual = result.quantize(scale, zero_point, 0, 255).values.numpy()
    output = [np.float32(scale), np.uint8(zero_point)]
    expected = run(op, [*inputs, *output], list(actual.shape), **attributes)
    np.testing.assert_array_equal(actual, expected)
    assert len(np.unique(actual)) > 50  # not all saturated


@pytest.mark.parametrize("groups, stride, zero_point", [(1, 1, 0), (1, 2, 121), (4, 1, 130)])
def test_convolution(groups, stride, zero_point):
    x = grid(drawn((2, 16, 9, 11), 0), 0.0371, zero_point)
    random = np.random.default_rng(1)
    weight = random.integers(-127, 128, (24, 16 // groups, 3, 3), dtype=np.int8)
    scale = random.uniform(0.001, 0.004, 24).astype(np.float32)
    bias = random.integers(-5000, 5000, 24).astype(np.int32)
    sums = convolve(
        x,
        torch.from_numpy(weight.astype(np.float32)),
        torch.from_numpy(scale),
        torch.from_numpy(bias),
        torch.zeros(24),
        (stride, stride),
        (1, 1),
        (1, 1),
        groups,
    )
    y_scale, y_zero_point = 0.9, 119
    actual = sums.quantize(y_scale, y_zero_point, 0, 255).values.numpy()
    expected = run(
        "QLinearConv",
        [*given_of(x), weight, scale, np.zeros(24, np.int8), np.float32(y_scale),
         np.uint8(y_zero_point), bias],
        list(actual.shape),
        strides=[stride, stride],
        pads=[1, 1, 1, 1],
        group=groups,
    )  # fmt: skip
    np.testing.assert_array_equal(actual, expected)
    assert len(np.unique(actual)) > 25


def test_sums_too_large_for_float32_are_exact():
    """One odd sum above 2²⁴, where float32 knows even numbers only."""
    channels = 1200
    x = grid(np.full((1, channels, 1, 1), 255, np.uint8), 1.0, 0)
    weight = torch.full((1, channels, 1, 1), 127.0)
    weight[0, 0] = 126
    none = torch.zeros(1, dtype=torch.int32)
    sums = convolve(
        x, weight, torch.ones(1), none, torch.zeros(1), (1, 1), (0, 0), (1, 1), groups=1
    )
    assert int(sums.values) == 255 * (127 * channels - 1)


@pytest.mark.parametrize("seed", range(3))
def test_addition(seed):
    random = np.random.default_rng(seed)
    a = grid(drawn((1, 8, 40, 50), seed), random.uniform(0.01, 0.3), int(random.integers(256)))
    b = grid(drawn((1, 8, 40, 50), seed + 9), random.uniform(0.01, 0.3), int(random.integers(256)))
    inputs = [*given_of(a), *given_of(b)]
    compare(Addition(a, b), "QLinearAdd", inputs, 0.31, 117, domain="com.microsoft")


def test_matrix_product():
    a, b = grid(drawn((1, 30, 8), 0), 0.0069, 129), grid(drawn((1, 8, 40), 1), 0.0115, 121)
    compare(multiply_matrices(a, b), "QLinearMatMul", [*given_of(a), *given_of(b)], 0.0179, 139)


def test_product_with_one_number():
    a, b = grid(drawn((1,), 0), 0.0005, 0), grid(drawn((1, 8, 10, 25), 1), 0.0125, 135)
    inputs = [*given_of(a), *given_of(b)]
    compare(multiply(a, b), "QLinearMul", inputs, 0.0015, 135, domain="com.microsoft")


@pytest.mark.parametrize("length, scale, levels", [(250, 0.0179, 3399), (65, 0.1, 333)])
def test_softmax(length, scale, levels):
    x = grid(drawn((3, length, 60), 4), scale, 39)
    y_scale = float(np.nextafter(np.float32(1 / levels), np.float32(0)))
    compare(
        softmax(x, 1), "QLinearSoftmax", given_of(x), y_scale, 0,
        domain="com.microsoft", axis=1, opset=13,
    )  # fmt: skip


def test_quantization_of_reals():
    values = np.random.default_rng(0).normal(0, 3, (1, 4, 50, 50)).astype(np.float32)
    compare(Reals(torch.from_numpy(values)), "QuantizeLinear", [values], 0.047, 131)


def test_a_rectified_result_keeps_no_negative():
    a = grid(drawn((1, 2, 5, 5), 0), 0.1, 128)
    assert Addition(a, a).rectify().quantize(0.1, 100, 0, 255).values.min() == 100
    assert Addition(a, a).quantize(0.1, 100, 0, 255).values.min() < 100
