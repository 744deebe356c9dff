"""Which operators of an exported file onnxruntime executes in integers."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import onnx
from onnx import TensorProto

from .runtimes import OnnxRuntime

INTEGER_TYPES = {TensorProto.INT8, TensorProto.UINT8}
# They change a tensor's type or shape and compute nothing.
PLUMBING = {
    "QuantizeLinear",
    "DequantizeLinear",
    "Cast",
    "Reshape",
    "Transpose",
    "Flatten",
    "Identity",
}


def executed_operators(path: str | Path) -> tuple[Counter, Counter]:
    """How onnxruntime on this machine's CPU runs a file, after its own graph optimization.

    Args:
        path: An ``.onnx`` file made by tools/export.py.

    Returns:
        Operators that compute on int8 or uint8 and operators that compute on floats, by type, with
        their numbers. Conversions and reshapes are in neither.
    """
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        OnnxRuntime(path, optimized_path=optimized)
        graph = onnx.load(str(optimized)).graph
    types = _tensor_types(graph)
    integer: Counter = Counter()
    floating: Counter = Counter()
    for node in graph.node:
        if node.op_type in PLUMBING:
            continue
        runs_in_integers = types.get(node.input[0]) in INTEGER_TYPES
        (integer if runs_in_integers else floating)[node.op_type] += 1
    return integer, floating


def _tensor_types(graph: onnx.GraphProto) -> dict[str, int]:
    """Element types of the tensors whose type the graph's nodes settle."""
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        types[value.name] = value.type.tensor_type.elem_type
    for node in graph.node:  # in topological order
        if node.op_type == "QuantizeLinear":
            types[node.output[0]] = types.get(node.input[2], TensorProto.UINT8)
        elif node.op_type == "DequantizeLinear":
            types[node.output[0]] = TensorProto.FLOAT
        elif node.op_type == "ConvInteger":
            types[node.output[0]] = TensorProto.INT32
        elif node.op_type == "Cast":
            types[node.output[0]] = next(a.i for a in node.attribute if a.name == "to")
        else:
            for name in node.output:
                types.setdefault(name, types.get(node.input[0], TensorProto.FLOAT))
    return types
