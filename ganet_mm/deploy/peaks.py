"""The decoder's suppression of what is no row's local maximum, inside an exported file."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ganet_mm.models.post_process.ganet_decoder import SURE

PEAKS = "peaks"
NO_PEAK = -16.0  # confidence 1e-7: under every threshold


def add_peaks(model: onnx.ModelProto, logits: str) -> None:
    """Adds an output ``peaks`` to a graph, in place.

    It is the keypoint logits where a cell is not below its left and right neighbour, and
    :data:`NO_PEAK` elsewhere, the first step of
    :class:`~ganet_mm.models.post_process.ganet_decoder.GaNetDecoder`: what decodes the file reads
    the cells above its threshold and compares no neighbours. The decoder takes this map in place of
    the logits and finds the same lanes.

    Args:
        model: Graph with an output float32 (1, 1, h, w).
        logits: That output's name.
    """
    graph = model.graph

    def constant(name: str, value: float) -> str:
        name = f"{PEAKS}/{name}"
        graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
        return name

    graph.node.extend(
        [
            helper.make_node("Min", [logits, constant("sure", SURE)], [f"{PEAKS}/cut"]),
            helper.make_node(
                "MaxPool",
                [f"{PEAKS}/cut"],
                [f"{PEAKS}/highest"],
                kernel_shape=[1, 3],
                pads=[0, 1, 0, 1],
            ),
            helper.make_node(
                "GreaterOrEqual", [f"{PEAKS}/cut", f"{PEAKS}/highest"], [f"{PEAKS}/is_peak"]
            ),
            helper.make_node(
                "Where", [f"{PEAKS}/is_peak", logits, constant("none", NO_PEAK)], [PEAKS]
            ),
        ]
    )
    for node in graph.node[-4:]:
        node.name = f"{PEAKS}/{node.op_type}"
    shape = next(v for v in graph.output if v.name == logits).type.tensor_type.shape
    sides = [side.dim_value for side in shape.dim]
    graph.output.append(helper.make_tensor_value_info(PEAKS, TensorProto.FLOAT, sides))
