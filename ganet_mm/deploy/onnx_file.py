"""A frozen graph to a QDQ ONNX file whose weights are stored as integers.

The exporter's graph is rewritten twice on its way, see :mod:`.onnx_passes`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import onnx
import torch
from torch import nn

from ganet_mm.files import write_bytes

from .camera import check_layout
from .camera_input import take_camera_frames
from .machine import TARGETS, can_saturate
from .onnx_passes import (
    compute_outputs_in_integers,
    fold_constant_quantize,
    fold_shapes,
    signed_weights,
    store_integer_biases,
    store_weights_unsigned,
)

OPSET = 17  # QuantizeLinear per axis needs 13; 17 is the newest the TorchScript exporter maps fully
INPUT_NAME = "input"
OUTPUT_NAMES = ("kpts_logits", "pts_offset", "int_offset")
METADATA_KEY = "ganet_mm"
FORMAT_VERSION = 2


def export_onnx(
    graph: nn.Module,
    input_size: tuple[int, int],
    path: str | Path,
    metadata: dict,
    target: str = "vnni",
    layout: str = "normalized",
) -> onnx.ModelProto:
    """Writes the graph at batch 1; the file appears only when it is whole and checked.

    Args:
        graph: Module from the network's input (1, 3, H, W) to the head's three maps.
        input_size: (height, width) of the network's input.
        path: The file to write.
        metadata: Plain values stored in the file under the key ``ganet_mm``.
        target: One of :data:`.machine.TARGETS`. On ``avx2`` int8 weights whose sums could saturate
            are stored as uint8, which onnxruntime multiplies exactly there. ``target`` and
            ``weights`` (``int8`` or ``uint8``; ``saturating`` where AVX2 would cut sums) are added
            to the metadata.
        layout: Form of the frames that the file takes, one of :data:`.camera.LAYOUTS`; the
            metadata's ``input``.

    Returns:
        The model as written.

    Raises:
        ValueError: unknown target or layout.
    """
    if target not in TARGETS:
        raise ValueError(f"target '{target}' is unknown; choose one of {', '.join(TARGETS)}")
    check_layout(layout, input_size)
    buffer = io.BytesIO()
    torch.onnx.export(
        graph,
        (torch.zeros(1, 3, *input_size),),
        buffer,
        input_names=[INPUT_NAME],
        output_names=list(OUTPUT_NAMES),
        opset_version=OPSET,
        dynamo=False,  # the dynamo exporter needs onnxscript, one package more for the same file
    )
    model = onnx.load_model_from_string(buffer.getvalue())
    fold_shapes(model)
    fold_constant_quantize(model)
    compute_outputs_in_integers(model)
    store_integer_biases(model)
    record = dict(
        format_version=FORMAT_VERSION,
        input_size=list(input_size),
        input=layout,
        target=target,
        **_weights_for(model, target),
        **metadata,
    )
    take_camera_frames(model, layout, input_size, INPUT_NAME)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(record)})
    onnx.checker.check_model(model, full_check=True)

    write_bytes(path, model.SerializeToString())
    return model


def _weights_for(model: onnx.ModelProto, target: str) -> dict:
    """Stores the weights in the signedness that the target computes exactly with."""
    weights = signed_weights(model)
    if not weights:
        return {}
    saturating = any(can_saturate(weight) for weight in weights)
    if target == "avx2" and saturating:
        store_weights_unsigned(model)
        return dict(weights="uint8", saturating=False)
    return dict(weights="int8", saturating=saturating)


def read_metadata(model: onnx.ModelProto, name: str) -> dict:
    """What :func:`export_onnx` stored in a file.

    Args:
        model: The loaded model.
        name: The file's name, for the errors.

    Raises:
        ValueError: the file was not written by this package, or in another format version.
    """
    props = {prop.key: prop.value for prop in model.metadata_props}
    return parse_metadata(props.get(METADATA_KEY), name)


def parse_metadata(text: str | None, name: str) -> dict:
    """See :func:`read_metadata`; ``text`` is the stored value, None if there is none."""
    if text is None:
        raise ValueError(f"{name} was not exported by ganet_mm: make it with tools/export.py")
    record = json.loads(text)
    if record.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{name} has format version {record.get('format_version')}, this package reads "
            f"{FORMAT_VERSION}: export it again with tools/export.py"
        )
    return record
