"""Writes a config's frames after any step of their pipeline, with lanes and training targets drawn.

    python tools/analysis_tools/browse_dataset.py configs/ganet_culane.py --out look
    python tools/analysis_tools/browse_dataset.py configs/ganet_culane.py --out look --step all

Each picture shows the frame with its lanes; below it, where the frame has the network's size, the
keypoint heat map with an arrow from each keypoint to its lane's start.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from rich.progress import track

from ganet_mm.engine.config_file import config_at_fault, read_config
from ganet_mm.registry import DATASETS, TASK_UTILS
from ganet_mm.visualization.drawing import (
    draw_lanes,
    draw_offset_arrows,
    overlay_heatmap,
)
from ganet_mm.visualization.picture_io import write_picture


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "--split",
        default="train",
        choices=["train", "val", "test", "calibrate"],
        help="whose dataloader's dataset (default train)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--number", type=int, default=10, help="how many frames (default 10)")
    parser.add_argument("--start", type=int, default=0, help="the first frame (default 0)")
    parser.add_argument(
        "--step",
        default="last",
        help="number (from 0) or name of the pipeline step to look after, 'all', or 'last'",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the augmentation")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="as in train.py")
    args = parser.parse_args(argv)
    for option, least in (("number", 1), ("start", 0)):
        if getattr(args, option) < least:
            parser.error(f"--{option} must be at least {least}")
    return args


def chosen_steps(names: list[str], step: str) -> list[int]:
    """Positions in the pipeline that ``--step`` means.

    Args:
        names: Class names of the steps that have a picture, in order.
        step: A number, a class name (all steps of that name), ``all`` or ``last``.

    Raises:
        ValueError: The pipeline has no such step.
    """
    if step == "all":
        return list(range(len(names)))
    if step == "last":
        return [len(names) - 1]
    chosen = [int(step)] if step.isdigit() else [i for i, n in enumerate(names) if n == step]
    if not chosen or chosen[0] >= len(names):
        steps = ", ".join(f"{i} {name}" for i, name in enumerate(names))
        raise ValueError(f"--step {step}: no such step; the pipeline has {steps}")
    return chosen


def draw_frame(results: dict, target) -> np.ndarray:
    """A frame's picture with its lanes, and with its targets below where the size allows.

    Args:
        results: A frame within its pipeline: ``img`` (H, W, 3) uint8 BGR, ``gt_lanes``
            in its pixels.
        target: A ``GaNetTarget``, or None.

    Returns:
        (H, W, 3) or (2·H, W, 3) uint8 BGR.
    """
    img, lanes = np.ascontiguousarray(results["img"]), results["gt_lanes"]
    drawn = draw_lanes(img, lanes)
    if target is None or any(side % target.hm_down_scale for side in img.shape[:2]):
        return drawn
    maps = target.get_targets([lanes], img.shape[:2])
    maps = {name: value[0].numpy() for name, value in maps.items()}
    points = maps["pts_offset_mask"][0] > 0
    heat = overlay_heatmap(img, maps["gt_kpts_hm"][0])
    arrows = draw_offset_arrows(heat, maps["pts_offset"], points, target.hm_down_scale)
    return np.concatenate([drawn, arrows])


def frames(dataset, index: int, steps: list[int], seed: int) -> Iterator[tuple[int, dict]]:
    """Step and frame after it, for each of ``steps``, of the dataset's frame ``index``."""
    np.random.seed(seed + index)  # noqa: NPY002  (the transforms draw from it)
    results = dataset.get_data_info(index)
    for step, transform in enumerate(dataset.pipeline.transforms[: max(steps) + 1]):
        results = transform(results)
        if step in steps:
            yield step, results


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        cfg = read_config(args.config, args.cfg_options)
        init_default_scope(cfg.get("default_scope", "ganet_mm"))
        loader = cfg.get(f"{args.split}_dataloader")
        if loader is None:
            raise ValueError(f"{args.config}: has no {args.split}_dataloader")
        with config_at_fault(cfg):
            dataset = DATASETS.build(loader.dataset)
        names = [type(transform).__name__ for transform in dataset.pipeline.transforms]
        if "PackLaneInputs" in names:  # after it there is no picture any more
            names = names[: names.index("PackLaneInputs")]
        steps = chosen_steps(names, args.step)
        head = cfg.get("model", {}).get("head", {})
        with config_at_fault(cfg):
            target = TASK_UTILS.build(head.target) if "target" in head else None
        indices = range(args.start, min(args.start + args.number, len(dataset)))
        if not indices:
            raise ValueError(f"--start {args.start}: the dataset has {len(dataset)} frames")
        for index in track(indices, "draw"):
            for step, results in frames(dataset, index, steps, args.seed):
                name = f"{index:06d}_{step:02d}_{names[step]}.jpg"
                write_picture(args.out / name, draw_frame(results, target))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {len(indices) * len(steps)} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
