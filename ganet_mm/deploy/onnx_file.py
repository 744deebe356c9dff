"""A frozen graph to a QDQ ONNX file whose weights are stored as integers.

The exporter's graph is rewritten twice on its way, see :mod:`.onnx_passes`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
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
from .peaks import PEAKS, add_peaks

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
    peaks: bool = False,
) -> onnx.ModelProto:
    """Writes the graph at batch 1; the file appears only when it is whole and checked.

    Args:
        graph: Module from the network's input (1, 3, H, W) to the head's three maps.
        input_size: (height, width) of the network's input.
        path: The file to write.
        metadata: Plain values stored in the file under the key ``ganet_mm``.
        target: One of :data:`.machine.TARGETS`. On ``avx2`` int8 weights whose sums could saturate
            are stored as uint8, which onnxruntime multiplies exactly there. ``target``,
            ``weights`` (``int8`` or ``uint8``), ``weight_bits`` and ``saturating`` (whether AVX2
            would cut sums) are added to the metadata.
        layout: Form of the frames that the file takes, one of :data:`.camera.LAYOUTS`; the
            metadata's ``input``.
        peaks: Whether the file also gives the keypoints that the decoder's suppression leaves, see
            :func:`.peaks.add_peaks`; the metadata's ``outputs`` names them then.

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
    outputs = [*OUTPUT_NAMES]
    if peaks:
        add_peaks(model, OUTPUT_NAMES[0])
        outputs.append(PEAKS)
    record = dict(
        format_version=FORMAT_VERSION,
        input_size=list(input_size),
        input=layout,
        outputs=outputs,
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
    # Symmetric weights of n bits lie within ±(2^(n−1) − 1).
    bits = 1 + max(int(np.abs(weight.astype(np.int16)).max()) for weight in weights).bit_length()
    if target == "avx2" and saturating:
        store_weights_unsigned(model)
        return dict(weights="uint8", weight_bits=bits, saturating=False)
    return dict(weights="int8", weight_bits=bits, saturating=saturating)


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


def damaged(path: str | Path, form: str) -> ValueError:
    """The error for a file that cannot be read as what its name says, ``form``."""
    return ValueError(
        f"{path} cannot be read as {form}: it is cut short or of another kind. Make it again with "
        "tools/export.py"
    )


def load_onnx(path: str | Path) -> onnx.ModelProto:
    """An ``.onnx`` file's model.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return onnx.load(str(path))
    except DecodeError as error:
        raise damaged(path, "ONNX") from error
