"""How fast the decoder is: milliseconds a frame against loops over the keypoints.

    python benchmarks/decoder.py [--quick]
    python benchmarks/decoder.py --config configs/ganet_synlane.py --checkpoint BEST.pth

Both sides get the same maps and must give the same lanes. Without a checkpoint the maps are those
of drawn lanes, four a frame, with noise; with one they are the network's on its config's test set.
"""

from __future__ import annotations

import argparse

import literal
import numpy as np
import torch
from measuring import machine, ratio, take_turns
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table
from targets import IMG_SHAPE, draw_lanes

from ganet_mm.engine.checkpoints import build_model
from ganet_mm.models import GaNetDecoder, GaNetTarget
from ganet_mm.registry import DATASETS

TOLERANCE = 1e-2  # pixels of the original picture, written in hundredths by CULane's tools


def maps_of(frames: list[list[np.ndarray]], seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Raw maps of frames' lanes, about as a trained head gives them: a ridge of high logits along
    each lane, offsets right to a part of a cell."""
    rng = np.random.default_rng(seed)
    targets = GaNetTarget().get_targets(frames, IMG_SHAPE)
    heat = targets["gt_kpts_hm"].clamp(0.01, 0.97)
    noise = torch.from_numpy(rng.normal(0, 0.2, (3, *heat.shape)).astype(np.float32))
    # A head tells the way to the start beside the keypoints too, in all cells of the ridge.
    way = targets["pts_offset"]
    ridge = torch.stack([way, way.roll(1, -1), way.roll(-1, -1)])
    ridge = ridge.gather(0, ridge.abs().sum(2, keepdim=True).argmax(0).expand_as(way)[None])[0]
    return (
        torch.logit(heat) + noise[0],
        ridge + noise[1],
        targets["int_offset"] + 0.2 * noise[2],
    )


def network_maps(config: str, checkpoint: str, count: int) -> tuple:
    """Raw maps of a checkpoint on ``count`` test frames, its decoder, scales and crop corners."""
    cfg = Config.fromfile(config)
    init_default_scope("ganet_mm")
    model = build_model(cfg, checkpoint)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    maps, samples = [], []
    for index in range(count):
        data = model.data_preprocessor(pseudo_collate([dataset[index % len(dataset)]]))
        with torch.no_grad():
            maps.append(model(**data, mode="tensor"))
        samples += data["data_samples"]
    parts = tuple(torch.cat(part) for part in zip(*maps, strict=True))
    frames = [
        np.array([getattr(s, key) for s in samples]) for key in ("scale_factor", "crop_offset")
    ]
    architecture = getattr(model, "architecture", model)
    return parts, architecture.head.decoder, *frames


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", help="of the checkpoint")
    parser.add_argument("--checkpoint", help=".pth, float or fake-quantized")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="where the maps are, e.g. cuda")
    parser.add_argument("--quick", action="store_true", help="10 rounds, batches 1 and 16")
    args = parser.parse_args()
    batches = [1, 16] if args.quick else args.batches
    torch.set_num_threads(args.threads)
    if args.checkpoint:
        maps, decoder, scale, crop = network_maps(args.config, args.checkpoint, max(batches))
        source = f"{args.checkpoint} on its test set"
    else:
        rng = np.random.default_rng(0)
        maps = maps_of([draw_lanes(rng, 4) for _ in range(max(batches))])
        decoder = GaNetDecoder()
        scale = np.tile([800 / 1640, 1.0], (max(batches), 1))
        crop = np.tile([0.0, 270.0], (max(batches), 1))
        source = "drawn maps of four lanes"
    arrays = [each.numpy() for each in maps]
    maps = [each.to(args.device) for each in maps]

    def ours(batch: int) -> list[list[literal.Lane]]:
        return decoder.decode(*(each[:batch] for each in maps), scale[:batch], crop[:batch])

    def loops(batch: int) -> list[list[literal.Lane]]:
        return [
            literal.decode(
                *(each[index] for each in arrays),
                scale[index],
                crop[index],
                decoder.root_thr,
                decoder.kpt_thr,
                decoder.cluster_thr,
                decoder.downscale,
                decoder.min_points,
            )
            for index in range(batch)
        ]

    worst, lanes = compare(ours(max(batches)), loops(max(batches)))
    sides = {f"ours {b}": (lambda b=b: ours(b)) for b in batches}
    looped = min(4, max(batches))
    sides["loops"] = lambda: loops(looped)
    seconds = take_turns(sides, 10 if args.quick else args.rounds, warm_up=3)
    table = Table(title=f"decoder, {source}, {lanes / max(batches):.1f} lanes a frame")
    for column in ("", "ms a frame", "times faster", "aim"):
        table.add_column(column, justify="right" if column else "left")
    looping = seconds["loops"] / looped
    table.add_row("loops over keypoints", f"{1e3 * np.median(looping):.3f}", "1.0", "")
    for batch in batches:
        own = seconds[f"ours {batch}"] / batch
        table.add_row(
            f"ours, batch {batch}, {args.device}",
            f"{1e3 * np.median(own):.3f}",
            f"{ratio(looping, own):.1f}",
            "5" if batch == 16 else "",
        )
    table.caption = f"points differ by at most {worst:.1e} pixels; {machine('numpy')}"
    Console().print(table)


def compare(actual: list, expected: list) -> tuple[float, int]:
    """Largest difference of points in pixels, and the number of lanes.

    Raises:
        SystemExit: the two found other lanes.
    """
    worst, count = 0.0, 0
    for frame, (lanes, others) in enumerate(zip(actual, expected, strict=True)):
        same = [len(points) for points, _ in lanes] == [len(points) for points, _ in others]
        distances = [np.abs(a[0] - b[0]).max() for a, b in zip(lanes, others, strict=False) if same]
        worst = max([worst, *map(float, distances)])
        if not same or worst > TOLERANCE:
            raise SystemExit(f"error: frame {frame} differs from the loops by {worst} pixels")
        count += len(lanes)
    return worst, count


if __name__ == "__main__":
    main()
