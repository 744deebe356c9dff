"""How fast the targets are: milliseconds a frame against loops over the points.

    python benchmarks/targets.py [--quick]

Both sides get the same drawn lanes in CULane's manner (one point every 10 rows of the picture) and
must give the same maps.
"""

from __future__ import annotations

import argparse

import literal
import numpy as np
import torch
from measuring import machine, ratio, take_turns
from rich.console import Console
from rich.table import Table

from ganet_mm.models import GaNetTarget

IMG_SHAPE = (320, 800)
TOLERANCE = 1e-5


def draw_lanes(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Lanes of one road, (N, 2) float32 in the network's frame, bottom to top."""
    lanes = []
    for bottom in np.linspace(60, 740, count) + rng.uniform(-40, 40, count):
        y = np.arange(320, rng.uniform(20, 80), -10.0)
        way = (320 - y) / 320
        x = bottom + (400 - bottom) * way + rng.uniform(-60, 60) * way * (1 - way)
        lanes.append(np.stack([x, y], axis=1).astype(np.float32))
    return lanes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="where ours paints, e.g. cuda")
    parser.add_argument("--quick", action="store_true", help="10 rounds")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(0)
    frames = [draw_lanes(rng, args.lanes) for _ in range(max(args.batches))]
    target = GaNetTarget()

    def ours(batch: int) -> dict[str, torch.Tensor]:
        maps = target.get_targets(frames[:batch], IMG_SHAPE, args.device)
        if args.device != "cpu":
            torch.cuda.synchronize()
        return maps

    worst = 0.0
    for image, maps in enumerate(frames):
        expected = literal.targets(maps, IMG_SHAPE)
        actual = target.get_targets([maps], IMG_SHAPE)
        for name, value in expected.items():
            worst = max(worst, float(np.abs(actual[name][0].numpy() - value).max()))
        if worst > TOLERANCE:
            raise SystemExit(f"error: frame {image} differs from the loops by {worst}")

    sides = {f"ours, batch {b}": (lambda b=b: ours(b)) for b in args.batches}
    looped = min(4, len(frames))
    sides["loops"] = lambda: [literal.targets(lanes, IMG_SHAPE) for lanes in frames[:looped]]
    seconds = take_turns(sides, 10 if args.quick else args.rounds, warm_up=3)
    table = Table(title=f"targets, {args.lanes} lanes a frame, {IMG_SHAPE[0]}×{IMG_SHAPE[1]}")
    for column in ("", "ms a frame", "times faster", "aim"):
        table.add_column(column, justify="right" if column else "left")
    loops = seconds["loops"] / looped
    table.add_row("loops over points", f"{1e3 * np.median(loops):.3f}", "1.0", "")
    for batch in args.batches:
        own = seconds[f"ours, batch {batch}"] / batch
        aim = "20" if batch >= 16 else ""
        table.add_row(
            f"ours, batch {batch}, {args.device}",
            f"{1e3 * np.median(own):.3f}",
            f"{ratio(loops, own):.1f}",
            aim,
        )
    table.caption = f"largest difference {worst:.1e}; {machine('numpy', 'scipy')}"
    Console().print(table)


if __name__ == "__main__":
    main()
