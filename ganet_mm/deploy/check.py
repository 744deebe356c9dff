"""What a config's network will compute in integers, before it is trained."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.table import Table
from torch.ao.quantization import disable_observer, enable_observer

from ganet_mm.engine.stages import stage_config
from ganet_mm.quantization import QuantLaneDetector
from ganet_mm.quantization.frozen_graph import kind_of, module_of
from ganet_mm.registry import MODELS

from .export_model import GraphMaps
from .onnx_file import export_onnx
from .operators import Operator, integer_share, list_operators


def check_config(cfg: Config, stage: str = "qat") -> list[Operator]:
    """Builds a stage's network with random weights, exports it and asks onnxruntime.

    Args:
        cfg: The float config.
        stage: ``qat`` or ``calibration``.

    Raises:
        ValueError: the config does not describe that stage.
    """
    init_default_scope("ganet_mm")
    model: QuantLaneDetector = MODELS.build(stage_config(cfg, stage).model).eval()
    input_size = tuple(model.data_preprocessor.input_size)
    model.apply(enable_observer)
    with torch.no_grad():
        model(torch.rand(1, 3, *input_size) * 2 - 1, mode="tensor")
    model.apply(disable_observer)
    frozen = model.fixed_point().frozen
    names: dict[str, list[str]] = {}
    for node in frozen.graph.nodes:
        title = str(node.target) if node.op == "call_module" else node.name
        float_conv = "Conv" in type(module_of(frozen, node)).__name__
        names.setdefault("conv" if float_conv else kind_of(frozen, node), []).append(title)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(GraphMaps(frozen).eval(), input_size, path, dict(precision="int8"))
        return list_operators(path, names)


def operators_table(operators: list[Operator], title: str) -> Table:
    """For the terminal; the caption sums up."""
    table = Table(title=title)
    table.add_column("operator", no_wrap=True)
    table.add_column("computes")
    table.add_column("MMAC", justify="right")
    table.add_column("precision")
    table.add_column("in onnxruntime")
    table.add_column("reason")
    for operator in operators:
        style = "red" if operator.fault else None if operator.integer else "yellow"
        table.add_row(
            operator.name,
            operator.kind,
            f"{operator.macs / 1e6:.2f}" if operator.macs else "",
            "int8" if operator.integer else "float32",
            operator.runs_as,
            operator.reason,
            style=style,
        )
    total = sum(operator.macs for operator in operators)
    integers = sum(operator.integer for operator in operators)
    table.caption = (
        f"{integer_share(operators):.2%} of {total / 1e9:.2f} GMAC in integers; "
        f"{integers} operators in integers, {len(operators) - integers} in floats"
    )
    return table
