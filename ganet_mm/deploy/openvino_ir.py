"""Exported files in OpenVINO's own form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from .onnx_file import METADATA_KEY, damaged, load_onnx, parse_metadata, read_metadata
from .openvino_passes import keep_roundings

if TYPE_CHECKING:
    import openvino


def read_for_openvino(path: str | Path) -> tuple[openvino.Model, dict]:
    """An ``.onnx`` or ``.xml`` file as a model that rounds as the checkpoint does; its metadata.

    Raises:
        FileNotFoundError: the .bin that belongs to an .xml is missing.
        ValueError: the file was not written by this package, or in another format version, or is
            damaged.
    """
    import openvino

    path = Path(path)
    if path.suffix == ".onnx":
        metadata = read_metadata(load_onnx(path), str(path))
        model = openvino.Core().read_model(str(path))
        keep_roundings(model)
        return model, metadata
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise FileNotFoundError(f"{weights} does not exist: {path} needs its weights beside it")
    try:
        model = openvino.Core().read_model(str(path), str(weights))
    except RuntimeError as error:
        raise damaged(path, "OpenVINO IR with its .bin") from error
    stored = model.get_rt_info()
    text = stored[METADATA_KEY].value if METADATA_KEY in stored else None
    return model, parse_metadata(text, str(path))


def write_ir(path: str | Path, out: str | Path) -> Path:
    """Writes an exported file as OpenVINO IR: ``out`` (.xml) and the .bin beside it.

    Programs that load the ``.onnx`` in OpenVINO by themselves get sums rounded otherwise (see
    :func:`.openvino_passes.keep_roundings`); with the IR they get the checkpoint's.

    Args:
        path: An ``.onnx`` file made by tools/export.py.
        out: The ``.xml`` to write.

    Returns:
        ``out``.
    """
    import openvino

    out = Path(out)
    model, metadata = read_for_openvino(path)
    model.set_rt_info(json.dumps(metadata), METADATA_KEY)
    partial = out.with_name(f"{out.stem}.partial.xml")
    try:
        openvino.save_model(model, str(partial), compress_to_fp16=False)
        # The .xml last: it is what makes the pair look whole.
        partial.with_suffix(".bin").replace(out.with_suffix(".bin"))
        partial.replace(out)
    finally:
        for left in (partial, partial.with_suffix(".bin")):
            left.unlink(missing_ok=True)
    return out
