"""What quantizing each layer costs: error of the maps and F1, each layer quantized alone and each
left float. `--budget 0.2` proposes the layers to leave float for a drop of at most 0.2 points of
F1@50; put them into the quantizer's `float_layers`.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import sys
from pathlib import Path

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ganet_mm.engine.checkpoints import build_model, is_quantized, load_checkpoint_file
from ganet_mm.engine.command_line import parse_one_checkpoint
from ganet_mm.engine.config_file import config_at_fault, read_config
from ganet_mm.files import check_output, write_bytes, write_json
from ganet_mm.quantization.sensitivity import LayerCost, SensitivityStudy
from ganet_mm.registry import DATASETS


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="the config that the checkpoint was trained with")
    parser.add_argument("checkpoint", help=".pth of the calibration or qat stage")
    parser.add_argument("--frames", type=int, default=40, help="test frames (default 40)")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--budget", type=float, help="points of F1@50 that may be lost")
    parser.add_argument("--out", help="write the numbers to this JSON file")
    parser.add_argument("--picture", help="draw them to this .png, .svg or .pdf")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="override settings")
    args = parse_one_checkpoint(parser)
    if args.frames < 1 or args.batch_size < 1:
        parser.error("--frames and --batch-size must be at least 1")
    return args


def load_study(cfg: Config, args: argparse.Namespace) -> SensitivityStudy:
    """The model, the frames and the metric.

    Raises:
        FileNotFoundError, ValueError: checkpoint or frames are missing or do not fit.
    """
    init_default_scope("ganet_mm")
    MMLogger.get_current_instance().setLevel("WARNING")  # a metric's table for each of 170 runs
    if not is_quantized(load_checkpoint_file(args.checkpoint)["state_dict"]):
        raise ValueError(
            f"{args.checkpoint} is a float checkpoint, and nothing in it is quantized: make one "
            "with `tools/train.py CONFIG --stage qat`"
        )
    model = build_model(cfg, args.checkpoint)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    count = min(args.frames, len(dataset))
    indices = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    batches = []
    for start in range(0, count, args.batch_size):
        part = [dataset[int(index)] for index in indices[start : start + args.batch_size]]
        data = model.data_preprocessor(pseudo_collate(part))
        batches.append((data["inputs"], data["data_samples"]))
    metric = cfg.test_evaluator
    if metric.type != "CuLaneMetric":  # F1 is asked for, whatever the data set's own metric is
        metric = dict(type="CuLaneMetric")
    return SensitivityStudy(model, batches, Evaluator(metric))


def costs_table(study: SensitivityStudy, costs: list[LayerCost], frames: int) -> Table:
    table = Table(title=f"{frames} frames; F1@50 float {study.float_f1:.4f}, all quantized "
                  f"{study.all_f1:.4f}, error {study.all_error:.4f}")  # fmt: skip
    table.add_column("layer", no_wrap=True)
    for column in ("error alone", "F1 cost alone", "error saved left float", "F1 gain left float"):
        table.add_column(column, justify="right")
    for cost in costs:
        table.add_row(
            cost.name,
            f"{cost.error_alone:.4f}",
            f"{100 * (study.float_f1 - cost.f1_alone):+.2f}",
            f"{study.all_error - cost.error_without:+.4f}",
            f"{100 * (cost.f1_without - study.all_f1):+.2f}",
        )
    return table


def draw(study: SensitivityStudy, costs: list[LayerCost], path: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1 + 0.19 * len(costs)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    rows = range(len(costs))
    left.barh(rows, [cost.error_alone for cost in costs])
    left.set_yticks(rows, [cost.name for cost in costs], fontsize="x-small")
    left.set_ylim(len(costs) - 0.5, -0.5)
    left.set_xlabel("error of the maps, this layer quantized alone")
    right.barh(rows, [study.all_error - cost.error_without for cost in costs], color="tab:green")
    right.axvline(0, color="black", linewidth=0.8)
    right.set_xlabel(f"error saved by leaving it float (of {study.all_error:.3f})")
    right.locator_params(axis="x", nbins=5)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=Path(path).suffix.lstrip(".") or "png", dpi=120)
    write_bytes(path, buffer.getvalue())


def main() -> None:
    args = parse_args()
    console = Console()
    try:
        for path in filter(None, (args.picture, args.out)):
            check_output(path)
        cfg = read_config(args.config, args.cfg_options)
        with config_at_fault(cfg):
            study = load_study(cfg, args)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    names = list(study.layers)
    costs = [study.cost(name) for name in track(names, "layers", console=console, transient=True)]
    frames = sum(len(samples) for _, samples in study.batches)
    console.print(costs_table(study, costs, frames))
    proposal = None
    if args.budget is not None:
        proposal = study.propose(
            costs,
            args.budget,
            lambda name, drop: console.print(f"{name} float, too: a drop of {drop:.2f} points"),
        )
        if proposal is None:
            console.print(f"no choice of layers loses as little as {args.budget} points")
        else:
            console.print(f"for at most {args.budget} points: float_layers={proposal}")
    if args.picture:
        draw(study, costs, args.picture)
    if args.out:
        rows = [dataclasses.asdict(cost) for cost in costs]
        write_json(args.out, dict(float_f1=study.float_f1, all_f1=study.all_f1,
                   all_error=study.all_error, layers=rows, float_layers=proposal))  # fmt: skip


if __name__ == "__main__":
    main()
