"""A checkpoint to a file that a runtime takes, checked against the checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from rich.console import Console
from torch import nn

from ganet_mm.engine.checkpoints import build_model
from ganet_mm.quantization.architecture import QuantLaneDetector
from ganet_mm.quantization.freeze import freeze
from ganet_mm.registry import DATASETS
from ganet_mm.version import __version__

from .comparison import Maps, compare_maps, comparison_table
from .onnx_file import export_onnx
from .operators import executed_operators
from .runtimes import OnnxRuntime


class _FloatMaps(nn.Module):
    """The float detector's raw maps, as a module of one input."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, x: torch.Tensor):
        return self.detector(x, mode="tensor")


class _GraphMaps(nn.Module):
    """A traced graph without the arguments that its tracing fixed."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, x: torch.Tensor):
        return self.graph(x, None, "tensor")


def export_checkpoint(cfg: Config, checkpoint: str | Path, out: str | Path, frames: int) -> dict:
    """Exports a checkpoint to ONNX and compares the file's maps with the checkpoint's.

    A fake-quantized checkpoint becomes a QDQ file that runtimes execute in integers; a float one
    becomes a float32 file.

    Args:
        cfg: The float config.
        checkpoint: ``.pth`` file.
        out: ``.onnx`` file to write.
        frames: How many frames of the config's test set to compare on, spread evenly over it.

    Returns:
        The comparison, see :func:`.comparison.compare_maps`.

    Raises:
        FileNotFoundError, ValueError: checkpoint or test set is missing or does not fit.
    """
    init_default_scope("ganet_mm")
    model = build_model(cfg, checkpoint)
    quantized = isinstance(model, QuantLaneDetector)
    inputs = list(test_inputs(cfg, model.data_preprocessor, frames))  # before any file is written
    graph = _GraphMaps(freeze(model.graph)) if quantized else _FloatMaps(model)
    input_size = model.data_preprocessor.input_size
    export_onnx(
        graph.eval(),
        input_size,
        out,
        dict(
            precision="int8" if quantized else "float32",
            input="yuv444, (v - 128) / 128",
            ganet_mm_version=__version__,
        ),
    )

    @torch.no_grad()
    def reference(frame: np.ndarray) -> Maps:
        return tuple(part.numpy() for part in model(torch.from_numpy(frame), mode="tensor"))

    result = compare_maps(inputs, reference, OnnxRuntime(out).run)
    console = Console()
    console.print(comparison_table(result, f"{out} in onnxruntime against {Path(checkpoint).name}"))
    integer, floating = executed_operators(out)
    console.print(f"in integers: {_listed(integer)}; in floats: {_listed(floating)}")
    size = Path(out).stat().st_size
    console.print(f"{out}: {size / 1e6:.2f} MB, {'int8' if quantized else 'float32'}")
    return result


def _listed(operators: Counter) -> str:
    return ", ".join(f"{count} {name}" for name, count in operators.most_common()) or "none"


def test_inputs(cfg: Config, data_preprocessor: nn.Module, count: int) -> Iterator[np.ndarray]:
    """Network inputs float32 (1, 3, H, W) of ``count`` frames, spread over the test set."""
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    indices = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    for index in indices:
        batch = pseudo_collate([dataset[int(index)]])
        yield data_preprocessor(batch)["inputs"].numpy()
