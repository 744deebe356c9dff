"""Counts a model's parameters and multiply-accumulates, part by part."""

from __future__ import annotations

import argparse
import sys

import torch
from mmengine.analysis import FlopAnalyzer
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table
from torch import nn

from ganet_mm.engine.config_file import config_at_fault, read_config
from ganet_mm.models import GaNetNeck, MixVarGENet
from ganet_mm.registry import MODELS


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file of a float model")
    parser.add_argument(
        "--shape",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="input size in pixels; default: the config's",
    )
    return parser.parse_args()


def build_model(config: str, shape: list[int] | None) -> nn.Module:
    """The config's float model in eval mode, for another input size if ``shape`` is given.

    Raises:
        FileNotFoundError, ValueError: the config is missing, or describes no such model.
    """
    cfg = read_config(config)
    if "model" not in cfg:
        raise ValueError(f"{config} has no `model`: give the config of a float model")
    init_default_scope(cfg.get("default_scope", "ganet_mm"))
    if shape is not None:
        for part in ("data_preprocessor", "neck"):
            if "input_size" in cfg.model[part]:
                cfg.model[part].input_size = tuple(shape)
    with config_at_fault(cfg):
        return MODELS.build(cfg.model).eval()


def count_macs(model: nn.Module, shape: tuple[int, int]) -> dict[str, int]:
    """Multiply-accumulates of one frame by module name ('' is the whole model).

    Convolutions and matrix products are counted. Batch norm is not, for it is folded into its
    convolution, nor are interpolation and element-wise operators.
    """
    analyzer = FlopAnalyzer(model, torch.zeros(1, 3, *shape))
    # A handle that counts 0: mmengine 0.10.7 goes on counting an operator whose handle is None.
    for operator in ("aten::batch_norm", "aten::upsample_bilinear2d"):
        analyzer.set_op_handle(operator, lambda inputs, outputs: 0)
    analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return dict(analyzer.by_module())


def list_parts(model: nn.Module) -> list[tuple[str, list[str]]]:
    """Rows of the table: what a part is called, and the modules that make it.

    A backbone or neck that is not the package's own is one row.
    """
    parts = [("backbone", ["backbone"])]
    if isinstance(model.backbone, MixVarGENet):
        parts = [("backbone stem", ["backbone.stem"])]
        for index, _ in enumerate(model.backbone.stages):
            parts.append((f"backbone stage {index}", [f"backbone.stages.{index}"]))
    if isinstance(model.neck, GaNetNeck):
        pyramid = [f"neck.{name}" for name, _ in model.neck.named_children() if name != "attention"]
        parts += [("attention", ["neck.attention"]), ("FPN", pyramid)]
    else:
        parts.append(("neck", ["neck"]))
    return parts + [("head", ["head"])]


def main() -> None:
    args = parse_args()
    try:
        model = build_model(args.config, args.shape)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    shape = model.data_preprocessor.input_size
    macs = count_macs(model, shape)
    print(f"{args.config}: one frame of {shape[0]}×{shape[1]}")
    table = Table()
    table.add_column("part")
    table.add_column("parameters", justify="right")
    table.add_column("GMAC", justify="right")
    for name, modules in list_parts(model):
        parameters = sum(_count_parameters(model.get_submodule(module)) for module in modules)
        part_macs = sum(macs[module] for module in modules)
        table.add_row(name, _spaced(parameters), f"{part_macs / 1e9:.3f}")
    table.add_section()
    table.add_row("total", _spaced(_count_parameters(model)), f"{macs[''] / 1e9:.3f}")
    Console().print(table)


def _count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


if __name__ == "__main__":
    main()
