"""What an exported file computes, and how onnxruntime on this machine executes it."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from dataclasses import dataclass
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
# Where nearly all of the arithmetic is; in floats, the file would be slow.
MUST_BE_INTEGER = {"Conv", "ConvInteger", "ConvTranspose", "Gemm", "MatMul"}
REASONS = {
    "Resize": "bilinear weights are fractions; onnxruntime has no integer kernel for them",
    "scale": "turns a float output's integer sums into logits or cells",
    "Softmax": "exponentials",
}


@dataclass
class Operator:
    """One operator of an exported file.

    Attributes:
        name: The module that computes it, else its name in the file.
        kind: ONNX operator type in the file.
        runs_as: Operator type in onnxruntime after its graph optimization.
        integer: Whether that computes on int8 or uint8.
        macs: Multiply-accumulate operations a frame.
        reason: Why it is in floats; empty where it is in integers.
    """

    name: str
    kind: str
    runs_as: str
    integer: bool
    macs: int
    reason: str

    @property
    def fault(self) -> bool:
        """In floats though it must not be."""
        return self.kind in MUST_BE_INTEGER and not self.integer


def executed_operators(path: str | Path) -> tuple[Counter, Counter]:
    """How onnxruntime on this machine's CPU runs a file, after its own graph optimization.

    Args:
        path: An ``.onnx`` file made by tools/export.py.

    Returns:
        Operators that compute on int8 or uint8 and operators that compute on floats, by type, with
        their numbers. Conversions and reshapes are in neither.
    """
    graph = _optimized(path)
    types = _tensor_types(graph)
    integer: Counter = Counter()
    floating: Counter = Counter()
    for node in graph.node:
        if node.op_type in PLUMBING:
            continue
        runs_in_integers = types.get(node.input[0]) in INTEGER_TYPES
        (integer if runs_in_integers else floating)[node.op_type] += 1
    return integer, floating


def list_operators(path: str | Path, names: dict[str, list[str]] | None = None) -> list[Operator]:
    """Every computing operator of a file, in its order.

    Args:
        path: An ``.onnx`` file made by tools/export.py.
        names: By operator kind (``conv``, ``add``, …) the modules that compute, in order; see
            :func:`~ganet_mm.quantization.frozen_graph.kind_of`.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    optimized = _optimized(path)
    types = _tensor_types(optimized)
    makers = {name: node for node in optimized.node for name in node.output}
    shapes = _shapes(model.graph)
    nodes = [node for node in model.graph.node if node.op_type not in PLUMBING]
    titles = _titles(nodes, names or {})
    operators = []
    for node in nodes:
        if node.op_type == "Relu":
            continue  # the rounding to the next grid cuts what is negative
        executed = _executed(node, model.graph, makers)
        runs_as = executed.op_type if executed is not None else node.op_type
        integer = executed is not None and types.get(executed.input[0]) in INTEGER_TYPES
        kind = "scale" if _scales_output(node) else node.op_type
        reason = "" if integer else REASONS.get(kind, "no integer arithmetic for this operator")
        macs = _macs(node, shapes)
        operators.append(Operator(titles[id(node)], node.op_type, runs_as, integer, macs, reason))
    return operators


def integer_share(operators: list[Operator]) -> float:
    """Share of the multiply-accumulate operations that run in integers."""
    total = sum(operator.macs for operator in operators)
    return sum(operator.macs for operator in operators if operator.integer) / max(1, total)


def _optimized(path: str | Path) -> onnx.GraphProto:
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        OnnxRuntime(path, optimized_path=optimized)
        return onnx.load(str(optimized)).graph


def _scales_output(node: onnx.NodeProto) -> bool:
    """Whether the exporter added a node after a ConvInteger; it names their inputs so."""
    return node.op_type in ("Mul", "Add") and node.input[1].endswith(("/scale", "/bias"))


def _titles(nodes: list[onnx.NodeProto], names: dict[str, list[str]]) -> dict[int, str]:
    """Names of modules where the file holds as many operators of a kind as there are modules."""
    types = {
        "conv": ("Conv", "ConvInteger"),
        "add": ("Add",),
        "multiply": ("Mul",),
        "matmul": ("MatMul",),
        "softmax": ("Softmax",),
        "upsample": ("Resize",),
    }
    titles = {id(node): node.name or node.output[0] for node in nodes}
    for kind, modules in names.items():
        own = [n for n in nodes if n.op_type in types.get(kind, ()) and not _scales_output(n)]
        if len(own) == len(modules):
            titles.update({id(node): name for node, name in zip(own, modules, strict=True)})
    return titles


def _executed(node: onnx.NodeProto, graph: onnx.GraphProto, makers: dict) -> onnx.NodeProto | None:
    """The node of the optimized graph that does a node's work.

    onnxruntime names the result of a fused operator after the original's node, or keeps the name
    of the last tensor that it fused.
    """
    candidates = [node.name, *node.output]
    for reader in graph.node:
        if set(reader.input) & set(node.output) and reader.op_type in ("QuantizeLinear", "Relu"):
            candidates += list(reader.output)
            candidates += [
                name
                for last in graph.node
                if reader.op_type == "Relu" and set(last.input) & set(reader.output)
                for name in last.output
            ]
    executed = next((makers[name] for name in candidates if name in makers), None)
    while executed is not None and executed.op_type in ("ReorderOutput", "ReorderInput"):
        executed = makers.get(executed.input[0])  # layout only
    return executed


def _macs(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    cells = math.prod(shapes.get(node.output[0], [0]))
    if node.op_type in ("Conv", "ConvInteger"):
        return cells * math.prod(shapes[node.input[1]][1:])
    if node.op_type in ("MatMul", "Gemm"):
        return cells * shapes[node.input[0]][-1]
    return 0


def _shapes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = [side.dim_value for side in value.type.tensor_type.shape.dim]
    return shapes


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
