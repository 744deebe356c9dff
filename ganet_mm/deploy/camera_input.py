"""Puts a camera's conversion in front of an exported graph."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .camera import check_layout, frame_shape

YUV = "camera/yuv"
# Rows Y, U, V of (R, G, B) / 256, see models.data_preprocessors.bgr_to_yuv444.
FROM_RGB = np.array([[77, 150, 29], [-43, -84, 127], [127, -106, -21]], np.float32) / 256


def take_camera_frames(
    model: onnx.ModelProto, layout: str, input_size: tuple[int, int], input_name: str
) -> None:
    """Rewrites a graph of the network's float input to take a camera's bytes, in place.

    An int8 graph begins by rounding its input to the grid of bytes, which (v − 128) / 128 lies on:
    there the bytes are the integers themselves, and nothing of normalising is left.

    Args:
        model: Graph whose input is float32 (1, 3, H, W), named ``input_name``.
        layout: One of :data:`.camera.LAYOUTS`.
        input_size: (height, width).
        input_name: Also the name of the new input.

    Raises:
        ValueError: unknown layout, or the size does not fit it.
    """
    check_layout(layout, input_size)
    if layout == "normalized":
        return
    graph = model.graph
    nodes = _conversion(graph, layout, input_size, input_name)
    readers = [node for node in graph.node if input_name in node.input]
    if [node.op_type for node in readers] == ["QuantizeLinear"]:
        (quantize,) = readers
        graph.node.remove(quantize)
        for node in graph.node:
            node.input[:] = [YUV if n == quantize.output[0] else n for n in node.input]
    else:
        nodes += _normalization(graph)
        for node in readers:
            node.input[:] = ["camera/real" if n == input_name else n for n in node.input]
    for index, node in enumerate(nodes):
        graph.node.insert(index, node)
    graph.input[0].CopyFrom(
        helper.make_tensor_value_info(
            input_name, TensorProto.UINT8, frame_shape(layout, input_size)
        )
    )


def _conversion(
    graph: onnx.GraphProto, layout: str, input_size: tuple[int, int], input_name: str
) -> list[onnx.NodeProto]:
    """Nodes from the camera's frame to uint8 (1, 3, H, W) named :data:`YUV`."""

    def constant(name: str, values) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(values), f"camera/{name}"))
        return f"camera/{name}"

    def node(kind: str, inputs: list[str], output: str, **attributes) -> onnx.NodeProto:
        output = output if output == YUV else f"camera/{output}"
        return helper.make_node(kind, inputs, [output], name=f"{output}/{kind}", **attributes)

    height, width = input_size
    if layout == "yuv444":
        return [node("Identity", [input_name], YUV)]
    if layout == "rgb":
        # Sums of bytes over 256 are exact in float32; + 128 of 256 rounds, U and V sit around 128.
        weight = constant("from_rgb", FROM_RGB[:, :, None, None])
        bias = constant("from_rgb_bias", np.array([0.5, 128.5, 128.5], np.float32))
        return [
            node("Cast", [input_name], "rgb", to=TensorProto.FLOAT),
            node("Conv", ["camera/rgb", weight, bias], "sums", kernel_shape=[1, 1]),
            node("Floor", ["camera/sums"], "floor"),
            node("Cast", ["camera/floor"], YUV, to=TensorProto.UINT8),
        ]
    rows = [constant(name, np.array([at])) for name, at in (("top", 0), ("middle", height))]
    rows.append(constant("bottom", np.array([height * 3 // 2])))
    axis = constant("rows", np.array([2]))
    pairs = constant("pairs", np.array([1, height // 2, width // 2, 2]))
    scales = constant("twice", np.array([1, 1, 2, 2], np.float32))
    return [
        node("Slice", [input_name, rows[0], rows[1], axis], "luma"),
        node("Slice", [input_name, rows[1], rows[2], axis], "chroma_rows"),
        node("Reshape", ["camera/chroma_rows", pairs], "chroma_pairs"),
        node("Transpose", ["camera/chroma_pairs"], "chroma", perm=[0, 3, 1, 2]),
        node(
            "Resize",
            ["camera/chroma", "", scales],
            "chroma_twice",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        node("Concat", ["camera/luma", "camera/chroma_twice"], YUV, axis=1),
    ]


def _normalization(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Nodes from :data:`YUV` to float32 ``camera/real``, (v − 128) / 128."""
    for name, value in (("middle_value", 128), ("step", 1 / 128)):
        graph.initializer.append(numpy_helper.from_array(np.float32(value), f"camera/{name}"))
    return [
        helper.make_node("Cast", [YUV], ["camera/float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["camera/float", "camera/middle_value"], ["camera/centred"]),
        helper.make_node("Mul", ["camera/centred", "camera/step"], ["camera/real"]),
    ]
