"""Compiled models, which OpenVINO loads without reading and compiling a file again."""

from __future__ import annotations

from pathlib import Path

from .openvino_ir import write_ir
from .runtimes import OpenVinoRuntime


def compile_for_openvino(path: str | Path, folder: str | Path, threads: int = 0) -> list[Path]:
    """Writes a file's IR and its compiled model, which OpenVINO takes from there the next time.

    Args:
        path: An ``.onnx`` file made by tools/export.py.
        folder: Where to write; made if need be.
        threads: Threads the model is compiled for; 0 lets OpenVINO choose.

    Returns:
        The IR's .xml, and the cache's files (.blob) that are new.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ir = write_ir(path, folder / f"{Path(path).stem}.xml")
    before = set(folder.glob("*.blob"))
    OpenVinoRuntime(ir, threads, cache_dir=folder)
    return [ir, *sorted(set(folder.glob("*.blob")) - before)]
