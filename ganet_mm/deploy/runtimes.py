"""One call for every runtime: ``maps = runtime.run(batch)``."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from .onnx_file import INPUT_NAME, METADATA_KEY, OUTPUT_NAMES, parse_metadata, read_metadata


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
        # On processors with bfloat16 OpenVINO would take it for what is float in the file.
        config: dict = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        self.compiled = openvino.Core().compile_model(str(path), "CPU", config)

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        result = self.compiled({INPUT_NAME: batch})
        return tuple(result[name] for name in OUTPUT_NAMES)


RUNTIMES = {"onnxruntime": OnnxRuntime, "openvino": OpenVinoRuntime}


def load_runtime(backend: str, path: str | Path, threads: int = 0) -> Runtime:
    """Loads an exported file.

    Raises:
        ValueError: unknown backend, or a file this package did not write.
        FileNotFoundError: no such file.
    """
    if backend not in RUNTIMES:
        raise ValueError(f"backend '{backend}' is unknown; choose one of {', '.join(RUNTIMES)}")
    return RUNTIMES[backend](path, threads)


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: make it with tools/export.py")
    return path
