"""Rewrites of a model in OpenVINO, before it is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import openvino

# What stands between a quantized tensor and the operator that made it.
_CONVERSIONS = {"Convert", "Subtract", "Multiply", "FakeQuantize", "Divide", "Relu", "Clamp"}
# Their results lie on the grid of their input; ResNet's first addition takes a max-pool's.
_KEEP_GRID = {"MaxPool", "Reshape", "Transpose"}
_MAKERS = {"Convolution", "GroupConvolution", "Add"}  # a convolution's bias is an Add


def keep_roundings(model: openvino.Model) -> int:
    """Makes OpenVINO round a convolution's result before it adds another tensor to it, in place.

    OpenVINO computes a convolution, the addition after it and that addition's rounding in one
    kernel, and drops the rounding between convolution and addition. A fifth of the sums then
    differ from what was trained and from other runtimes. A convolution whose quantized result has
    a second reader is not merged so. Hence each such result gets one that reads a single number,
    and all of them are put together to one more output, ``roundings``.

    Args:
        model: As read from an exported file.

    Returns:
        How many results were given a second reader.
    """
    from openvino import opset13 as ops

    def one(value: int):
        return ops.constant(np.full(4, value, np.int64))

    readers = [
        ops.slice(addend, one(0), one(1), one(1)).output(0)
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Add" and node.get_output_partial_shape(0).rank == 4
        for addend in _quantized_addends(node)
    ]
    if readers:
        joined = ops.concat(readers, 0).output(0)
        joined.get_tensor().set_names({"roundings"})
        model.add_outputs([joined])
    return len(readers)


def _quantized_addends(add) -> list:
    """A residual addition's inputs that are a convolution's result and have no other reader."""
    addends = [entry.get_source_output() for entry in add.inputs()]
    if any(_dequantized(addend.get_node()) is None for addend in addends):
        return []  # a bias, or a float model
    return [
        addend
        for addend in addends
        if len(addend.get_target_inputs()) == 1 and _maker(addend.get_node()) in _MAKERS
    ]


def _dequantized(node):
    """The Multiply that ends the dequantization of what a node gives; None where there is none."""
    while node.get_type_name() in _KEEP_GRID:
        node = node.input(0).get_source_output().get_node()
    return node if node.get_type_name() == "Multiply" else None


def _maker(node) -> str:
    while node.get_type_name() in _CONVERSIONS:
        node = node.input(0).get_source_output().get_node()
    return node.get_type_name()
