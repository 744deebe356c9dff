"""Rewrites of an exported QDQ graph."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

# Operators whose results lie on the grid of their input.
KEEP_GRID = {"MaxPool", "Reshape", "Transpose", "Flatten"}


def fold_constant_quantize(model: onnx.ModelProto) -> int:
    """Replaces QuantizeLinear of a constant by the integers it would give, in place.

    The exporter writes a quantized weight as float32 values followed by QuantizeLinear. Both are
    constants, so the division is done here once and int8 stored: the file gets four times smaller,
    and no runtime can round differently.

    Returns:
        How many were folded.
    """
    _inline_constant_nodes(model)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    folded = [
        node
        for node in graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] in constants
    ]
    for node in folded:
        values, scale, zero_point = (
            numpy_helper.to_array(constants[name]) for name in node.input[:3]
        )
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        integers = _quantize(values, scale, zero_point, axis)
        graph.initializer.append(numpy_helper.from_array(integers, node.output[0]))
        graph.node.remove(node)
    _drop_unused_initializers(graph)
    return len(folded)


def fold_shapes(model: onnx.ModelProto) -> int:
    """Replaces arithmetic on shapes, all of which are fixed at export, by its results, in place.

    Returns:
        How many nodes were replaced.
    """
    graph = model.graph
    _inline_constant_nodes(model)
    folded = 0
    while True:
        inferred = onnx.shape_inference.infer_shapes(model)
        shapes = {
            value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
            for value in (*inferred.graph.input, *inferred.graph.value_info)
        }
        constants = {tensor.name: tensor for tensor in graph.initializer}
        nodes = [node for node in graph.node if _is_known(node, shapes, constants)]
        if not nodes:
            break
        for node in nodes:
            if node.op_type == "Shape":
                value = np.array(shapes[node.input[0]], np.int64)
            else:
                inputs = {n: numpy_helper.to_array(constants[n]) for n in node.input if n}
                (value,) = ReferenceEvaluator(node).run(None, inputs)
            graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
            graph.node.remove(node)
        folded += len(nodes)
    _drop_unused_initializers(graph)
    return folded


def _is_known(node: onnx.NodeProto, shapes: dict, constants: dict) -> bool:
    if node.op_type == "Shape":
        return all(shapes.get(node.input[0], [0]))
    shape_arithmetic = {"Slice", "Concat", "Gather", "Unsqueeze", "Squeeze", "Cast"}
    if node.op_type not in shape_arithmetic or not all(n in constants for n in node.input if n):
        return False
    kinds = {constants[name].data_type for name in node.input if name}
    return kinds == {TensorProto.INT64}


def compute_outputs_in_integers(model: onnx.ModelProto) -> int:
    """Rewrites convolutions from integers to a graph output so that they run in integers, in place.

    Runtimes fuse DequantizeLinear, Conv, QuantizeLinear into one integer operator, but a float
    output has no QuantizeLinear, and they would compute that convolution in floats. Written out,
    it is ConvInteger to int32, then one multiplication and one addition a channel, and the result
    is the same up to the rounding of float32. onnxruntime's ConvInteger takes uint8 weights: they
    are stored shifted by 128, with 128 as their zero point.

    Returns:
        How many were rewritten.
    """
    graph = model.graph
    outputs = {value.name for value in graph.output}
    makers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    rewritten = 0
    for index, conv in reversed(list(enumerate(graph.node))):
        if conv.op_type != "Conv" or conv.output[0] not in outputs:
            continue
        data, weight = (makers.get(name) for name in conv.input[:2])
        if any(node is None or node.op_type != "DequantizeLinear" for node in (data, weight)):
            continue  # a float file
        graph.node.remove(conv)
        for offset, node in enumerate(_integer_conv(graph, conv, data, weight, constants)):
            graph.node.insert(index + offset, node)
        rewritten += 1
    _drop_unused_nodes(graph)
    _drop_unused_initializers(graph)
    return rewritten


def store_integer_biases(model: onnx.ModelProto) -> int:
    """Stores the biases of convolutions between integers as int32, in place.

    Otherwise onnxruntime would do it, by an optimization that also quantizes the weights of a layer
    that was meant to stay float.

    Returns:
        How many were rewritten.
    """
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    rewritten = 0
    for index, conv in reversed(list(enumerate(graph.node))):
        if conv.op_type != "Conv" or len(conv.input) < 3 or conv.input[2] not in constants:
            continue
        data, weight = (makers.get(name) for name in conv.input[:2])
        while data is not None and data.op_type in KEEP_GRID:
            data = makers.get(data.input[0])
        if any(node is None or node.op_type != "DequantizeLinear" for node in (data, weight)):
            continue
        name = conv.input[2]
        scale = (constants[data.input[1]] * constants[weight.input[1]]).astype(np.float32)
        steps = np.rint(constants[name].astype(np.float64) / scale).astype(np.int32)
        inputs = [f"{conv.name}/bias/int32", f"{conv.name}/bias/scale"]
        for title, values in zip(inputs, (steps, scale), strict=True):
            graph.initializer.append(numpy_helper.from_array(values, title))
        conv.input[2] = f"{conv.name}/bias"
        node = helper.make_node("DequantizeLinear", inputs, [f"{conv.name}/bias"], axis=0)
        graph.node.insert(index, node)
        rewritten += 1
    _drop_unused_initializers(graph)
    return rewritten


def signed_weights(model: onnx.ModelProto) -> list[np.ndarray]:
    """int8 weights (out, …) of the convolutions between integers."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    return [
        numpy_helper.to_array(constants[node.input[0]])
        for node in _weight_dequantizers(model.graph, constants)
    ]


def store_weights_unsigned(model: onnx.ModelProto) -> int:
    """Shifts int8 weights by 128 to uint8 with zero point 128, in place; their values stay.

    A processor that cuts sums of uint8×int8 products (see :mod:`.machine`) multiplies uint8 by
    uint8 exactly, in more steps.

    Returns:
        How many tensors were rewritten.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = _weight_dequantizers(graph, constants)
    for node in nodes:
        weight, zero_point = constants[node.input[0]], constants[node.input[2]]
        shifted = numpy_helper.to_array(weight).astype(np.int16) + 128
        unsigned = numpy_helper.from_array(shifted.astype(np.uint8), weight.name)
        weight.CopyFrom(unsigned)
        middle = np.full(numpy_helper.to_array(zero_point).shape, 128, np.uint8)
        name = f"{weight.name}/zero_point"
        graph.initializer.append(numpy_helper.from_array(middle, name))
        node.input[2] = name
    _drop_unused_initializers(graph)
    return len(nodes)


def _weight_dequantizers(graph: onnx.GraphProto, constants: dict) -> list[onnx.NodeProto]:
    return [
        node
        for node in graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in constants
        and constants[node.input[0]].data_type == TensorProto.INT8
    ]


def _integer_conv(graph, conv, data, weight, constants) -> list[onnx.NodeProto]:
    """ConvInteger, Cast, Mul and Add in the place of ``conv`` of two DequantizeLinear nodes."""
    name = conv.output[0]
    data_scale = constants[data.input[1]]
    weight_integers, weight_scale = constants[weight.input[0]], constants[weight.input[1]]
    bias = constants[conv.input[2]]
    shape = (1, -1, 1, 1)
    for suffix, values in (
        ("weight", (weight_integers.astype(np.int16) + 128).astype(np.uint8)),
        ("weight_zero_point", np.array(128, np.uint8)),
        ("scale", (data_scale * weight_scale).astype(np.float32).reshape(shape)),
        ("bias", bias.astype(np.float32).reshape(shape)),
    ):
        graph.initializer.append(numpy_helper.from_array(values, f"{name}/{suffix}"))
    product = helper.make_node(
        "ConvInteger",
        [data.input[0], f"{name}/weight", data.input[2], f"{name}/weight_zero_point"],
        [f"{name}/int32"],
        name=f"{name}/ConvInteger",
    )
    product.attribute.extend(conv.attribute)
    return [
        product,
        helper.make_node("Cast", [f"{name}/int32"], [f"{name}/float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}/float", f"{name}/scale"], [f"{name}/scaled"]),
        helper.make_node("Add", [f"{name}/scaled", f"{name}/bias"], [name]),
    ]


def _drop_unused_nodes(graph: onnx.GraphProto) -> None:
    outputs = {value.name for value in graph.output}
    while True:
        used = outputs | {name for node in graph.node for name in node.input}
        unused = [node for node in graph.node if not used.intersection(node.output)]
        if not unused:
            return
        for node in unused:
            graph.node.remove(node)


def _quantize(
    values: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int
) -> np.ndarray:
    """ONNX QuantizeLinear: round half to even, add the zero point, saturate."""
    if scale.ndim == 1 and values.ndim > 1:
        shape = [1] * values.ndim
        shape[axis] = -1
        scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
    info = np.iinfo(zero_point.dtype)
    shifted = np.rint(values / scale) + zero_point.astype(np.float32)
    return np.clip(shifted, info.min, info.max).astype(zero_point.dtype)


def _inline_constant_nodes(model: onnx.ModelProto) -> None:
    """Turns Constant nodes, and Identity of constants, into initializers."""
    graph = model.graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = TensorProto()
            tensor.CopyFrom(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in initializers:
            tensor = TensorProto()
            tensor.CopyFrom(initializers[node.input[0]])
        else:
            continue
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        initializers[tensor.name] = tensor
        graph.node.remove(node)


def _drop_unused_initializers(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
