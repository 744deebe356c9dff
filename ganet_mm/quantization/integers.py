"""Integer tensors and the arithmetic of onnxruntime's quantized operators on them.

Each operator gives an exact intermediate result, which the quantizer that follows turns into uint8
by the float32 steps that onnxruntime's kernels take (QLinearConv, QLinearMatMul, QLinearMul:
``round(float(sum) · (a_scale · b_scale / y_scale)) + y_zero_point``; QLinearAdd: two fused
multiply-adds; QLinearSoftmax: a table of exponentials). Rounding is half to even, then saturating.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Float32 adds integers exactly, in any order, as long as every sum stays below this.
EXACT_FLOAT32 = 2**24


@dataclass
class Integers:
    """A quantized tensor: ``(values − zero_point) · scale``.

    Attributes:
        values: uint8.
        scale: Step.
        zero_point: The integer that stands for 0.
    """

    values: Tensor
    scale: float
    zero_point: int

    def centred(self, dtype: torch.dtype) -> Tensor:
        """values − zero_point."""
        return self.values.to(dtype) - self.zero_point

    def reals(self) -> Tensor:
        """float32: the numbers that the integers stand for."""
        return self.centred(torch.float32) * _float32(self.scale)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Integers:
        """Of the same grid, with other integers."""
        return Integers(function(self.values), self.scale, self.zero_point)


class Result(ABC):
    """What an operator computed, before it is rounded to a grid."""

    rectified = False

    def rectify(self) -> Result:
        """ReLU: the quantizer cuts what is negative."""
        self.rectified = True
        return self

    def steps(self, scale: float, zero_point: int) -> Tensor:
        """float32 integers: the result in steps of ``scale``, ``zero_point`` added."""
        return (self.exact() / _float32(scale).to(self.exact().device)).round() + zero_point

    @abstractmethod
    def exact(self) -> Tensor:
        """float32: the result without a ReLU that may follow."""

    def reals(self) -> Tensor:
        """float32: the result as a float tensor."""
        return self.exact().relu() if self.rectified else self.exact()

    def quantize(self, scale: float, zero_point: int, lowest: int, highest: int) -> Integers:
        """The nearest integers of a grid, saturated to ``lowest`` … ``highest``."""
        lowest = zero_point if self.rectified else lowest
        steps = self.steps(scale, zero_point).clamp(lowest, highest)
        return Integers(steps.to(torch.uint8), scale, zero_point)


@dataclass
class Sums(Result):
    """Exact integer sums of products.

    Attributes:
        values: int32, without the bias.
        scale: float32, broadcastable to ``values``: what a step is worth.
        integer_bias: int32 in the same steps, or None.
        bias: float32, or None; the same bias.
    """

    values: Tensor
    scale: Tensor
    integer_bias: Tensor | None = None
    bias: Tensor | None = None

    def steps(self, scale: float, zero_point: int) -> Tensor:
        sums = self.values if self.integer_bias is None else self.values + self.integer_bias
        return (sums.float() * (self.scale / _float32(scale))).round() + zero_point

    def exact(self) -> Tensor:
        # as the exported ConvInteger, Mul and Add compute a float output
        scaled = self.values.float() * self.scale
        return scaled if self.bias is None else scaled + self.bias


class Products(Sums):
    """Products of single elements; the zero point is added before rounding."""

    def steps(self, scale: float, zero_point: int) -> Tensor:
        return (self.values.float() * (self.scale / _float32(scale)) + zero_point).round()


@dataclass
class Addition(Result):
    """The sum of two quantized tensors."""

    a: Integers
    b: Integers

    def steps(self, scale: float, zero_point: int) -> Tensor:
        a_ratio = _float32(self.a.scale) / _float32(scale)
        b_ratio = _float32(self.b.scale) / _float32(scale)
        constant = zero_point - (a_ratio * self.a.zero_point + b_ratio * self.b.zero_point)
        partial = _fused_multiply_add(self.a.values, a_ratio, constant)
        return _fused_multiply_add(self.b.values, b_ratio, partial).round()

    def exact(self) -> Tensor:
        return self.a.reals() + self.b.reals()


@dataclass
class Softmax(Result):
    """Exponentials and their sums, float64."""

    exponentials: Tensor
    sums: Tensor

    def steps(self, scale: float, zero_point: int) -> Tensor:
        levels = math.floor(1 / _float32(scale))
        return (self.exponentials * levels / self.sums).round().float() + zero_point

    def exact(self) -> Tensor:
        return (self.exponentials / self.sums).float()


@dataclass
class Reals(Result):
    """A float32 tensor."""

    values: Tensor

    def exact(self) -> Tensor:
        return self.values


def convolve(
    x: Integers,
    weight: Tensor,
    weight_scale: Tensor,
    integer_bias: Tensor,
    bias: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> Sums:
    """Two-dimensional convolution.

    Args:
        x: (B, in, H, W).
        weight: Integers in float32 (out, in / groups, kh, kw).
        weight_scale: float32 (out).
        integer_bias: int32 (out), in steps of x.scale · weight_scale.
        bias: float32 (out), the same.
        stride, padding, dilation, groups: As for ``torch.nn.functional.conv2d``.
    """
    largest = max(x.zero_point, 255 - x.zero_point) * weight.abs().sum(dim=(1, 2, 3)).max()
    # GPUs convolve float32 by ways that are inexact even for integers.
    exact = x.values.device.type == "cpu" and largest < EXACT_FLOAT32
    dtype = torch.float32 if exact else torch.float64
    sums = torch.nn.functional.conv2d(
        x.centred(dtype), weight.to(dtype), None, stride, padding, dilation, groups
    )
    scale = _float32(x.scale).to(weight_scale.device) * weight_scale
    shape = (-1, 1, 1)
    return Sums(
        sums.round().to(torch.int32),
        scale.reshape(shape),
        integer_bias.reshape(shape),
        bias.reshape(shape),
    )


def multiply_matrices(a: Integers, b: Integers) -> Sums:
    """(…, n, k) times (…, k, m)."""
    sums = torch.matmul(a.centred(torch.float64), b.centred(torch.float64))
    return Sums(sums.to(torch.int32), _float32(a.scale) * _float32(b.scale))


def multiply(a: Integers, b: Integers) -> Products:
    """Element by element, broadcasting."""
    products = a.centred(torch.int32) * b.centred(torch.int32)
    return Products(products, _float32(a.scale) * _float32(b.scale))


def softmax(x: Integers, dim: int) -> Softmax:
    """Softmax along ``dim``."""
    below = x.values.double() - x.values.amax(dim, keepdim=True).double()
    exponentials = (below * float(_float32(x.scale))).exp()
    return Softmax(exponentials, exponentials.sum(dim, keepdim=True))


def _fused_multiply_add(values: Tensor, factor: Tensor, addend: Tensor) -> Tensor:
    """values · factor + addend, rounded to float32 once."""
    return (values.double() * factor.double() + addend.double()).float()


def _float32(value: float) -> Tensor:
    """A scalar that takes part in float32 arithmetic; a Python float would make it float64."""
    return torch.tensor(value, dtype=torch.float32)
