"""A checkpoint to a file that a runtime takes, checked against the checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from torch import nn

from ganet_mm.engine.checkpoints import build_model, is_exported
from ganet_mm.files import check_output
from ganet_mm.quantization.architecture import QuantLaneDetector
from ganet_mm.registry import DATASETS, MODELS
from ganet_mm.structures import LaneDataSample
from ganet_mm.version import __version__

from .camera import camera_frame, check_layout, network_input
from .comparison import Maps, compare_maps, comparison_table, same_lanes
from .machine import this_machine
from .onnx_file import export_onnx, load_onnx, read_metadata
from .openvino_ir import write_ir
from .operators import executed_operators
from .runtimes import load_runtime


class FloatMaps(nn.Module):
    """The float detector's raw maps, as a module of one input."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, x: torch.Tensor):
        return self.detector(x, mode="tensor")


class GraphMaps(nn.Module):
    """A traced graph without the arguments that its tracing fixed."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, x: torch.Tensor):
        return self.graph(x, None, "tensor")


def export_checkpoint(
    cfg: Config,
    checkpoint: str | Path,
    out: str | Path,
    frames: int,
    target: str = "auto",
    layout: str = "normalized",
    peaks: bool = False,
    openvino_ir: bool = False,
) -> dict:
    """Exports a checkpoint to ONNX and compares the file's maps with the checkpoint's.

    A fake-quantized checkpoint becomes a QDQ file that runtimes execute in integers; a float one
    becomes a float32 file.

    Args:
        cfg: The float config.
        checkpoint: ``.pth`` file.
        out: ``.onnx`` file to write.
        frames: How many frames of the config's test set to compare on, spread evenly over it.
        target: Processor that will run the file: ``vnni``, ``avx2`` or ``auto``, this machine.
        layout: Form of the frames that the file takes, see :mod:`.camera`.
        peaks: Whether the file also gives the keypoints' peaks, see :mod:`.peaks`.
        openvino_ir: Whether to write OpenVINO's IR beside ``out``, see
            :func:`.openvino_ir.write_ir`.

    Returns:
        The comparison in onnxruntime, see :func:`.comparison.compare_maps`, with ``same_lanes``,
        the share of frames whose lanes are the same.

    Raises:
        FileNotFoundError, ValueError: checkpoint or test set is missing or does not fit, the
            checkpoint is exported already, or there is no frame to compare on.
        OSError: ``out`` cannot be written.
        ImportError: ``openvino_ir`` without the package openvino.
    """
    if Path(out).suffix != ".onnx":
        raise ValueError(f"{out}: an exported file's name ends in .onnx, its tools know it by that")
    check_output(out)
    if is_exported(checkpoint):
        raise ValueError(f"{checkpoint} is exported already; here a checkpoint (.pth) is needed")
    if frames < 1:
        raise ValueError(f"--frames {frames}: the file is compared on 1 frame or more")
    if openvino_ir and find_spec("openvino") is None:
        raise ImportError("--openvino needs the package: `pip install ganet_mm[openvino]`")
    init_default_scope("ganet_mm")
    model = build_model(cfg, checkpoint)
    quantized = isinstance(model, QuantLaneDetector)
    check_layout(layout, model.data_preprocessor.input_size)
    samples = list(test_frames(cfg, layout, frames))  # before a file is written
    target = this_machine() if target == "auto" else target
    if quantized:
        reference, graph = model.fixed_point(), GraphMaps(model.fixed_point().frozen)
    else:
        reference = graph = FloatMaps(model)
    export_onnx(
        graph.eval(),
        model.data_preprocessor.input_size,
        out,
        dict(
            precision="int8" if quantized else "float32",
            ganet_mm_version=__version__,
        ),
        target,
        layout,
        peaks,
    )
    console = Console()
    metadata = read_metadata(load_onnx(out), str(out))
    files = {"onnxruntime": Path(out)}
    # OpenVINO computes uint8 weights in floats: such a file is onnxruntime's.
    if find_spec("openvino") is not None and metadata.get("weights") != "uint8":
        files["openvino"] = (
            write_ir(out, Path(out).with_suffix(".xml")) if openvino_ir else Path(out)
        )
    elif openvino_ir:
        raise ValueError(
            f"{out} is written, but no IR: OpenVINO does not run 8 bit weights in integers on a "
            "processor without VNNI. Train with 7 bit weights, see docs/quantization.md"
        )
    results = {}
    for backend, file in files.items():
        runtime = load_runtime(backend, file)
        results[backend] = _compare(
            samples, layout, reference, runtime.run, MODELS.build(cfg.model.head)
        )
        title = f"{file} in {backend} against {Path(checkpoint).name}"
        console.print(comparison_table(results[backend], title))
    integer, floating = executed_operators(out)
    console.print(f"in integers: {_listed(integer)}; in floats: {_listed(floating)}")
    size = Path(out).stat().st_size
    console.print(f"{out}: {size / 1e6:.2f} MB, {_precision(metadata)}")
    return results["onnxruntime"]


def _precision(metadata: dict) -> str:
    if metadata["precision"] == "float32":
        return f"float32, input {metadata['input']}"
    bits = f", {metadata['weight_bits']} bit" if metadata["weight_bits"] < 8 else ""
    target = f"{metadata['target']} ({metadata['weights']} weights{bits})"
    return f"int8 for {target}, input {metadata['input']}"


def _compare(
    samples: list, layout: str, reference: nn.Module, run: Callable, head: nn.Module
) -> dict:
    """Maps and lanes of the checkpoint and of a runtime on the same frames."""
    lanes: dict[str, list] = {"reference": [], "file": []}

    def decoded(side: str, maps: Maps, sample: LaneDataSample) -> Maps:
        (result,) = head.predict_by_feat(*map(torch.from_numpy, maps), [sample])
        lanes[side].append(result.pred_lanes)
        return maps

    def expected(pair: tuple) -> Maps:
        frame, sample = pair
        with torch.no_grad():
            maps = reference(torch.from_numpy(network_input(frame, layout)))
        return decoded("reference", tuple(part.numpy() for part in maps), sample)

    def actual(pair: tuple) -> Maps:
        return decoded("file", run(pair[0]), pair[1])

    result = compare_maps(samples, expected, actual)
    same = [same_lanes(a, b) for a, b in zip(lanes["reference"], lanes["file"], strict=True)]
    return {**result, "same_lanes": sum(same) / len(same)}


def _listed(operators: Counter) -> str:
    return ", ".join(f"{count} {name}" for name, count in operators.most_common()) or "none"


def test_frames(cfg: Config, layout: str, count: int) -> Iterator[tuple]:
    """``count`` frames, spread over the test set, as a camera gives them, and their samples.

    Args:
        cfg: The float config.
        layout: See :mod:`.camera`.
        count: How many; fewer where the test set is smaller.
    """
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    indices = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    for index in indices:
        data = dataset[int(index)]
        yield camera_frame(data["inputs"].permute(1, 2, 0).numpy(), layout), data["data_samples"]


test_frames.__test__ = False  # no test of pytest's
