"""One call for every runtime: ``maps = runtime.run(batch)``."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import numpy as np
from mmengine.logging import print_log

from ..cores import allowed_cores
from .machine import this_machine
from .onnx_file import (
    INPUT_NAME,
    METADATA_KEY,
    OUTPUT_NAMES,
    damaged,
    load_onnx,
    parse_metadata,
)
from .onnx_passes import store_weights_unsigned
from .openvino_ir import read_for_openvino

_MILLISECOND = timedelta(milliseconds=1)


class Runtime(Protocol):
    """An exported file, loaded.

    Attributes:
        metadata: What the export stored: ``input_size`` (height, width), ``format_version``, ….
    """

    metadata: dict

    def run(
        self, batch: np.ndarray, outputs: Sequence[str] = OUTPUT_NAMES
    ) -> tuple[np.ndarray, ...]:
        """A frame as the file takes it, see :mod:`.camera`, to the maps named; by default
        kpts_logits (1, 1, H/8, W/8), pts_offset and int_offset (1, 2, H/8, W/8)."""


class OnnxRuntime:
    """onnxruntime on the CPU.

    On a processor that would cut sums of a file's int8 weights (see :mod:`.machine`) the weights
    are stored unsigned on loading.

    Args:
        path: An ``.onnx`` file made by tools/export.py.
        threads: Threads in an operator; 0 takes one a core that this process may use.
        optimized_path: Where to write the graph as onnxruntime runs it, to see what became an
            integer operator; None writes nothing.
        measure_layers: Whether :meth:`layer_times` is wanted.
    """

    def __init__(
        self,
        path: str | Path,
        threads: int = 0,
        optimized_path: str | Path | None = None,
        measure_layers: bool = False,
    ) -> None:
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

        options = onnxruntime.SessionOptions()
        # Left to itself onnxruntime takes a thread a core of the machine and pins them there, past
        # the cores that `taskset` or a container allows.
        options.intra_op_num_threads = threads or allowed_cores()
        options.log_severity_level = 3
        if optimized_path is not None:
            options.optimized_model_filepath = str(optimized_path)
        if measure_layers:
            self._folder = tempfile.TemporaryDirectory()  # lives as long as the runtime
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(self._folder.name) / "layers")

        def session(model: str | bytes) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(
                model,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["WeightBiasQuantization"],  # float layers stay float
            )

        try:
            self.session = session(str(_existing(path)))
        except (InvalidProtobuf, InvalidGraph, Fail) as error:
            raise damaged(path, "ONNX") from error
        stored = self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        self.metadata = parse_metadata(stored, str(path))
        if cuts_sums(self.metadata):
            # What `--target avx2` writes: the same numbers, multiplied exactly here.
            model = load_onnx(path)
            store_weights_unsigned(model)
            self.session = session(model.SerializeToString())
            self.metadata |= dict(weights="uint8", saturating=False)

    def run(
        self, batch: np.ndarray, outputs: Sequence[str] = OUTPUT_NAMES
    ) -> tuple[np.ndarray, ...]:
        return tuple(self.session.run(list(outputs), {INPUT_NAME: batch}))

    def layer_times(self) -> list[tuple[str, str, float]]:
        """Of the last frame: layer, operator type and milliseconds, in the order of execution. Ends
        the measuring: to be called once."""
        events = json.loads(Path(self.session.end_profiling()).read_text())
        runs = [event["ts"] for event in events if event["name"] == "model_run"]
        return [
            (
                event["name"].removesuffix("_kernel_time"),
                event["args"]["op_name"],
                event["dur"] / 1000,
            )
            for event in events
            if event["name"].endswith("_kernel_time") and event["ts"] >= runs[-1]
        ]


class OpenVinoRuntime:
    """OpenVINO on the CPU.

    Args:
        path: An ``.onnx`` file made by tools/export.py, or an ``.xml`` made of it by
            :func:`.openvino_ir.write_ir`.
        threads: Threads of inference; 0 lets OpenVINO choose.
        cache_dir: Folder that keeps the compiled model; the next start takes it from there.
        measure_layers: Whether :meth:`layer_times` is wanted.
    """

    def __init__(
        self,
        path: str | Path,
        threads: int = 0,
        cache_dir: str | Path | None = None,
        measure_layers: bool = False,
    ) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ImportError(
                "backend openvino needs the package openvino: `pip install ganet_mm[openvino]`"
            ) from error
        model, self.metadata = read_for_openvino(_existing(path))
        # On processors with bfloat16 OpenVINO would take it for what is float in the file.
        config: dict = {"INFERENCE_PRECISION_HINT": "f32", "PERF_COUNT": measure_layers}
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        if cache_dir is not None:
            config["CACHE_DIR"] = str(cache_dir)
        compiled = openvino.Core().compile_model(model, "CPU", config)
        self.request = compiled.create_infer_request()

    def run(
        self, batch: np.ndarray, outputs: Sequence[str] = OUTPUT_NAMES
    ) -> tuple[np.ndarray, ...]:
        result = self.request.infer({INPUT_NAME: batch})
        return tuple(result[name].copy() for name in outputs)

    def layer_times(self) -> list[tuple[str, str, float]]:
        """Of the last frame: layer, kernel and milliseconds, in the order of execution."""
        return [
            (info.node_name, f"{info.node_type} {info.exec_type}", info.real_time / _MILLISECOND)
            for info in self.request.get_profiling_info()
            if info.real_time > 0 * _MILLISECOND
        ]


RUNTIMES = {"onnxruntime": OnnxRuntime, "openvino": OpenVinoRuntime}


def cuts_sums(metadata: dict) -> bool:
    """Whether this processor would cut sums that a file's weights can make."""
    return metadata.get("saturating", False) and this_machine() == "avx2"


def choose_backend(path: str | Path, backend: str | None = None) -> str:
    """The runtime of an exported file: onnxruntime for ``.onnx``, OpenVINO for its IR (``.xml``).

    Args:
        path: The file.
        backend: What is wished for; None leaves it to the file.

    Raises:
        ValueError: unknown backend, or one that does not read such files.
    """
    is_ir = Path(path).suffix == ".xml"
    if backend is None:
        return "openvino" if is_ir else "onnxruntime"
    if backend not in RUNTIMES:
        raise ValueError(f"backend '{backend}' is unknown; choose one of {', '.join(RUNTIMES)}")
    if is_ir and backend != "openvino":
        raise ValueError(f"{path} is OpenVINO's IR, which backend {backend} does not read")
    return backend


def load_runtime(backend: str | None, path: str | Path, threads: int = 0) -> Runtime:
    """Loads an exported file.

    Args:
        backend: See :func:`choose_backend`.
        path: ``.onnx`` file made by tools/export.py, or the IR (``.xml``) of one.
        threads: Threads of the runtime; 0 lets it choose.

    Raises:
        ValueError: unknown backend, or a file this package did not write.
        FileNotFoundError: no such file.
    """
    backend = choose_backend(path, backend)
    runtime = RUNTIMES[backend](path, threads)
    if backend == "openvino" and runtime.metadata.get("weights") == "uint8":
        print_log(
            f"{path} was exported with --target avx2, for onnxruntime: OpenVINO computes uint8 "
            "weights in floats, slower and not to the checkpoint's integers",
            "current",
            logging.WARNING,
        )
    if cuts_sums(runtime.metadata):
        print_log(
            f"{path} has 8 bit signed weights, and this processor (AVX2 without VNNI) cuts sums of "
            "their products: lanes may differ from the checkpoint's. Use onnxruntime, or train "
            "with 7 bit weights (w_qscheme bit=7)",
            "current",
            logging.WARNING,
        )
    return runtime


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: make it with tools/export.py")
    return path
