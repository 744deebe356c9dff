"""What quantization costs: F1 of every stage, over several seeds, on one test set.

For each seed the config is trained, calibrated, trained with quantization, exported and evaluated
by the standard tools; what is whole already is kept. Prints one table.

    python benchmarks/quantization.py configs/ganet_synlane_hard.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from rich.console import Console
from rich.table import Table

from ganet_mm.apis.demo import Step
from ganet_mm.engine.stages import best_checkpoint, calibrated_checkpoint
from ganet_mm.files import read_json

# Name in the table: (file of the model under a seed's folder, options of tools/test.py)
MODELS = {
    "float, torch": (lambda root: best_checkpoint(root, "float"), ()),
    "PTQ, fixed point in torch": (calibrated_checkpoint, ("--quant",)),
    "PTQ int8, onnxruntime": (lambda root: root / "ptq_int8.onnx", ()),
    "QAT, fixed point in torch": (lambda root: best_checkpoint(root, "qat"), ("--quant",)),
    "QAT int8, onnxruntime": (lambda root: root / "qat_int8.onnx", ()),
    "QAT int8, OpenVINO": (lambda root: root / "qat_int8.onnx", ("--backend", "openvino")),
}


def steps(config: str, root: Path, seed: int, epochs: dict[str, int], amp: bool) -> list[Step]:
    """The commands of one seed, in order; with ``amp`` the float stage in mixed precision."""

    def train(stage: str) -> Step:
        return Step(
            f"seed {seed}: {stage}",
            lambda: (
                "tools/train.py", config, "--stage", stage, "--work-dir", root,
                *(("--amp",) if amp and stage == "float" else ()),
                "--cfg-options", f"randomness.seed={seed}",
            ),
            lambda: root / stage / f"epoch_{epochs[stage]}.pth",
        )  # fmt: skip

    def export(name: str, checkpoint) -> Step:
        return Step(
            f"seed {seed}: export {name}",
            lambda: ("tools/export.py", config, checkpoint(root), "--out", root / f"{name}.onnx"),
            lambda: root / f"{name}.onnx",
        )

    def calibrated() -> Path | None:
        try:
            return calibrated_checkpoint(root)
        except FileNotFoundError:
            return None

    found = [
        train("float"),
        Step(
            f"seed {seed}: calibration",
            lambda: ("tools/train.py", config, "--stage", "calibration", "--work-dir", root),
            calibrated,
        ),
        train("qat"),
        export("ptq_int8", calibrated_checkpoint),
        export("qat_int8", lambda root: best_checkpoint(root, "qat")),
    ]
    for number, (name, (model, options)) in enumerate(MODELS.items()):
        found.append(
            Step(
                f"seed {seed}: evaluate {name}",
                lambda model=model, options=options, number=number: (
                    "tools/test.py", config, model(root), *options, "--work-dir", root,
                    "--out", scores_file(root, number),
                ),
                lambda number=number: scores_file(root, number),
                lambda model=model: [model(root)],
            )
        )  # fmt: skip
    return found


def scores_file(root: Path, number: int) -> Path:
    """Where the scores of the ``number``-th model of one seed are kept."""
    return root / "scores" / f"{number}.json"


def table(roots: list[Path], title: str) -> Table:
    """Mean and spread over the seeds, in points (hundredths of F1)."""
    result = Table(title=title)
    for column in ("model", "F1@50", "drop", "worst drop", "F1@75", "drop"):
        result.add_column(column, justify="left" if column == "model" else "right")
    scores = np.array(
        [
            [
                [100 * read_json(scores_file(root, n))[f"culane/F1@{t}"] for t in (50, 75)]
                for root in roots
            ]
            for n in range(len(MODELS))
        ]
    )  # models × seeds × thresholds
    drops = scores[:1] - scores
    for name, score, drop in zip(MODELS, scores, drops, strict=True):
        result.add_row(
            name,
            f"{score[:, 0].mean():.2f} ± {score[:, 0].std():.2f}",
            f"{drop[:, 0].mean():+.2f} ± {drop[:, 0].std():.2f}",
            f"{drop[:, 0].max():+.2f}",
            f"{score[:, 1].mean():.2f} ± {score[:, 1].std():.2f}",
            f"{drop[:, 1].mean():+.2f} ± {drop[:, 1].std():.2f}",
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", default="configs/ganet_synlane_hard.py")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work-dir", help="default: work_dirs/<config name>; a folder a seed")
    parser.add_argument("--amp", action="store_true", help="float training in mixed precision")
    parser.add_argument("--quick", action="store_true", help="the first seed only")
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    epochs = {
        "float": cfg.train_cfg.max_epochs,
        "qat": cfg.stages.qat.train_cfg.max_epochs,
    }
    seeds = args.seeds[:1] if args.quick else args.seeds
    base = Path(args.work_dir or Path("work_dirs") / Path(args.config).stem)
    roots = [base / f"seed_{seed}" for seed in seeds]
    for seed, root in zip(seeds, roots, strict=True):
        for step in steps(args.config, root, seed, epochs, args.amp):
            step.run()
    Console().print(
        table(
            roots,
            f"{args.config}, {len(seeds)} seeds; {platform.processor() or platform.machine()}, "
            f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        )
    )


if __name__ == "__main__":
    main()
