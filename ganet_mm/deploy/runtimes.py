"""One call for every runtime: ``maps = runtime.run(batch)``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import numpy as np
from mmengine.logging import print_log

from .machine import this_machine
from .onnx_file import INPUT_NAME, METADATA_KEY, OUTPUT_NAMES, parse_metadata, read_metadata
from .openvino_passes import keep_roundings


class Runtime(Protocol):
    """An exported file, loaded.

    Attributes:
        metadata: What the export stored: ``input_size`` (height, width), ``format_version``, ….
    """

    metadata: dict

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Network input float32 (1, 3, H, W) to kpts_logits (1, 1, H/8, W/8), pts_offset and
        int_offset (1, 2, H/8, W/8)."""


class OnnxRuntime:
    """onnxruntime on the CPU.

    Args:
        path: An ``.onnx`` file made by tools/export.py.
        threads: Threads in an operator; 0 lets onnxruntime choose.
        optimized_path: Where to write the graph as onnxruntime runs it, to see what became an
            integer operator; None writes nothing.
    """

    def __init__(
        self, path: str | Path, threads: int = 0, optimized_path: str | Path | None = None
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if optimized_path is not None:
            options.optimized_model_filepath = str(optimized_path)
        self.session = onnxruntime.InferenceSession(
            str(_existing(path)), options, providers=["CPUExecutionProvider"]
        )
        stored = self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        self.metadata = parse_metadata(stored, str(path))

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return tuple(self.session.run(list(OUTPUT_NAMES), {INPUT_NAME: batch}))


class OpenVinoRuntime:
    """OpenVINO on the CPU.

    Args:
        path: An ``.onnx`` file made by tools/export.py.
        threads: Threads of inference; 0 lets OpenVINO choose.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ImportError(
                "backend openvino needs the package openvino: `pip install ganet_mm[openvino]`"
            ) from error
        import onnx

        self.metadata = read_metadata(onnx.load(str(_existing(path))), str(path))
        core = openvino.Core()
        model = core.read_model(str(path))
        keep_roundings(model)
        # On processors with bfloat16 OpenVINO would take it for what is float in the file.
        config: dict = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        self.compiled = core.compile_model(model, "CPU", config)

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        result = self.compiled({INPUT_NAME: batch})
        return tuple(result[name] for name in OUTPUT_NAMES)


RUNTIMES = {"onnxruntime": OnnxRuntime, "openvino": OpenVinoRuntime}


def warn_of_saturation(metadata: dict, name: str, machine: str | None = None) -> bool:
    """Warns when this machine would cut sums that the file's weights can make.

    Args:
        metadata: Of the file.
        name: The file's name.
        machine: See :func:`.machine.this_machine`; None asks it.

    Returns:
        Whether it warned.
    """
    saturates = metadata.get("saturating", False) and (machine or this_machine()) == "avx2"
    if saturates:
        print_log(
            f"{name} has 8 bit signed weights, and this processor (AVX2 without VNNI) cuts sums of "
            "their products: lanes may differ from the checkpoint's. Export with --target avx2 for "
            "onnxruntime, or train with 7 bit weights (w_qscheme bit=7), which OpenVINO takes too",
            "current",
            logging.WARNING,
        )
    return saturates


def load_runtime(backend: str, path: str | Path, threads: int = 0) -> Runtime:
    """Loads an exported file.

    Raises:
        ValueError: unknown backend, or a file this package did not write.
        FileNotFoundError: no such file.
    """
    if backend not in RUNTIMES:
        raise ValueError(f"backend '{backend}' is unknown; choose one of {', '.join(RUNTIMES)}")
    runtime = RUNTIMES[backend](path, threads)
    warn_of_saturation(runtime.metadata, str(path))
    return runtime


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: make it with tools/export.py")
    return path
