"""Scales whose products never fall half-way between two integers.

An integer operator ends by scaling an exact integer sum and rounding: ``round(sum · M)`` with
``M = input scale · weight scale / output scale``. Runtimes evaluate ``sum · M`` in float32, each in
its own order, and where the exact product lies within a few float32 steps of n + ½ they round
apart. One such cell in a hundred thousand is enough: the next layers pass it on, and after fifty
of them a third of the cells differ.

So each M is made a fraction m / D with an odd D. ``2 · sum · m = D · (2n + 1)`` has an even and
an odd side, hence no sum gives a tie, and the nearest is 1 / 2D away, far more than float32 errs.
Every runtime then finds the same integer, whatever its order of operations. To get there, scales
grow by about a thousandth; they never shrink, so no range is cut.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import torch
from torch.fx import GraphModule, Node

from .frozen_graph import (
    FrozenConv2d,
    FrozenFakeQuantize,
    kind_of,
    module_of,
    quantizer_of,
    source_of,
)

# Ties stay 1 / (2 · 4095) = 1.2e-4 away. Float32 products of up to 256 err by 3e-5 at the most.
LARGEST_DENOMINATOR = 4095
# The picture (v − 128) / 128 of bytes v is on this grid already.
INPUT_SCALE, INPUT_ZERO_POINT = 1 / 128, 128
# A bias of more steps than this would leave no room in an int32 sum.
LARGEST_BIAS = 2**24


def tie_free(ratio: float, up: bool = True) -> Fraction:
    """The fraction m / D next to ``ratio`` with an odd D, D ≤ 4095 where ``ratio`` ≥ 1 / 4095.

    Args:
        ratio: Positive.
        up: The fraction is at least ``ratio``; at most, if not.
    """
    numerator = max(1, math.floor(ratio * LARGEST_DENOMINATOR))
    exact = numerator / ratio
    if up:
        denominator = max(1, math.floor(exact))
        return Fraction(numerator, denominator if denominator % 2 else max(1, denominator - 1))
    denominator = math.ceil(exact)
    return Fraction(numerator, denominator if denominator % 2 else denominator + 1)


def settle_scales(frozen: GraphModule) -> None:
    """Moves the scales of a frozen graph to tie-free ones, in place; weights are not yet rounded.

    Activations first, in the order of the graph: an operator's output scale follows its inputs'.
    An addition has two ratios and one output, so one of its inputs must follow as well: a
    convolution's output can, because its weights' scales are set last. Operators of unknown kind,
    or with an input that is not quantized, are left as they are.
    """
    for node in frozen.graph.nodes:
        if kind_of(frozen, node) == "quantize":
            _settle_output(frozen, node)
    for node in frozen.graph.nodes:
        if kind_of(frozen, node) == "conv":
            _settle_weights(frozen, node)


def _settle_output(frozen: GraphModule, node: Node) -> None:
    output = module_of(frozen, node)
    source = source_of(frozen, node, {"relu", "shape"})
    kind = kind_of(frozen, source)
    if kind == "input":
        output.scale, output.zero_point = INPUT_SCALE, INPUT_ZERO_POINT
    elif kind == "softmax":
        # onnxruntime rounds 1 / scale down to an integer: be one already.
        steps = max(1, math.floor(1 / output.scale))
        output.scale = float(np.nextafter(np.float32(1 / steps), np.float32(0)))
    elif not _on_grids(frozen, source):
        return
    elif kind in ("matmul", "multiply", "upsample"):
        ratio = _input_scale(frozen, source)
        output.scale = _float32(ratio / tie_free(ratio / output.scale, up=False))
    elif kind == "add":
        _settle_addition(frozen, output, source)


def _on_grids(frozen: GraphModule, node: Node) -> bool:
    """Whether an operator computes on quantized tensors only, by steps known here."""
    quantized = [
        kind_of(frozen, _quantizer(frozen, part)) == "quantize"
        for part in node.args
        if isinstance(part, Node)
    ]
    if kind_of(frozen, node) == "upsample":
        upsample = module_of(frozen, node)
        factor = upsample.scale_factor
        return (
            all(quantized)
            and upsample.mode == "bilinear"
            and isinstance(factor, int | float)
            and factor == int(factor)
        )
    inputs = 2 if kind_of(frozen, node) in ("add", "multiply", "matmul") else 1
    return all(quantized) and len(quantized) == inputs


def _settle_addition(frozen: GraphModule, output: FrozenFakeQuantize, add: Node) -> None:
    """Both input scales become multiples of output scale / D."""
    nodes = [_quantizer(frozen, operand) for operand in add.args]
    fixed, free = nodes if not _can_follow(frozen, nodes[0]) else reversed(nodes)
    if not _can_follow(frozen, free):
        return  # two inputs whose scales others depend on: ties remain possible
    scale = module_of(frozen, fixed).scale
    numerator = max(1, math.floor(LARGEST_DENOMINATOR * scale / output.scale))
    output.scale = _float32(scale * LARGEST_DENOMINATOR / numerator)
    step = output.scale / LARGEST_DENOMINATOR
    _follow(frozen, free, step * math.ceil(module_of(frozen, free).scale / step - 1e-6))


def _can_follow(frozen: GraphModule, node: Node) -> bool:
    """Whether a quantizer's scale may still change: it has one user, and what makes its values can
    adapt."""
    quantize = module_of(frozen, node)
    sharers = [other for other in frozen.graph.nodes if module_of(frozen, other) is quantize]
    if len(node.users) > 1 or len(sharers) > 1:
        return False
    source = source_of(frozen, node, {"relu", "shape"})
    kind = kind_of(frozen, source)
    if kind in ("upsample", "multiply"):
        return any(_can_follow(frozen, _quantizer(frozen, part)) for part in _operands(source))
    return kind in ("conv", "constant")


def _follow(frozen: GraphModule, node: Node, scale: float) -> None:
    """Sets a quantizer's scale, and with it what its values are made of."""
    quantize = module_of(frozen, node)
    factor = scale / quantize.scale
    quantize.scale = _float32(scale)
    source = source_of(frozen, node, {"relu", "shape"})
    if kind_of(frozen, source) in ("upsample", "multiply"):
        operands = [_quantizer(frozen, part) for part in _operands(source)]
        free = next(operand for operand in operands if _can_follow(frozen, operand))
        _follow(frozen, free, module_of(frozen, free).scale * factor)


def _settle_weights(frozen: GraphModule, node: Node) -> None:
    conv: FrozenConv2d = module_of(frozen, node)
    input_scale = quantizer_of(frozen, node.args[0]).scale
    # A channel of zeros has next to no scale; its bias still must fit.
    smallest = conv.bias.abs().double() / (input_scale * LARGEST_BIAS)
    scales = torch.maximum(conv.scale.double(), smallest)
    output = _output_scale(frozen, node)
    if output is not None:
        ratios = [tie_free(input_scale * scale / output) for scale in scales.tolist()]
        scales = torch.tensor([output / input_scale * float(ratio) for ratio in ratios])
    conv.scale.copy_(scales)


def _output_scale(frozen: GraphModule, node: Node) -> float | None:
    """Scale of the quantizer that takes a convolution's output; None for a float output."""
    for user in node.users:
        kind = kind_of(frozen, user)
        if kind == "quantize":
            return module_of(frozen, user).scale
        if kind in ("relu", "shape"):
            return _output_scale(frozen, user)
    return None


def _input_scale(frozen: GraphModule, node: Node) -> float:
    """What one step of an operator's exact integer result is worth."""
    scale = math.prod(module_of(frozen, _quantizer(frozen, part)).scale for part in _operands(node))
    if kind_of(frozen, node) == "upsample":
        # Bilinear ×f weights are multiples of 1 / 2f along each axis.
        scale /= (2 * int(module_of(frozen, node).scale_factor)) ** 2
    return scale


def _operands(node: Node) -> list[Node]:
    return [part for part in node.args if isinstance(part, Node)]


def _quantizer(frozen: GraphModule, node: Node) -> Node:
    """The node of the quantizer whose values another takes."""
    while kind_of(frozen, node) in ("shape", "pool"):
        node = node.args[0]
    return node


def _float32(scale: float | Fraction) -> float:
    return float(np.float32(float(scale)))
