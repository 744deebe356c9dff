"""How cost grows with the number of frames and of lanes.

    python benchmarks/scale.py [--quick]

Packing, loading and scoring run on data sets of growing size; packing, loading, targets, decoding
and scoring on frames with more and more lanes. The slope is that of log time over log number: 1 is
proportional, 0 does not grow. Pictures are small, so that what is counted is the project's own
work and not the disk's.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from decoder import maps_of
from measuring import machine
from rich.console import Console
from rich.table import Table
from targets import IMG_SHAPE, draw_lanes

from ganet_mm.datasets import packing
from ganet_mm.datasets.lmdb_store import LmdbReader
from ganet_mm.datasets.packing import Source
from ganet_mm.evaluation.lane_iou import count_pictures
from ganet_mm.evaluation.lines_file import format_lines
from ganet_mm.models import GaNetDecoder, GaNetTarget

PICTURE_SHAPE = (590, 1640)
SCALE, CROP = np.array([800 / 1640, 1.0]), np.array([0.0, 270.0])
CHUNK = 64  # pictures scored at once, as in the metric


def lanes_ori(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Lanes of one road in the original picture's frame."""
    return [(lane / SCALE + CROP).astype(np.float32) for lane in draw_lanes(rng, count)]


def write_folder(root: Path, frames: int, lanes: int) -> Source:
    """A folder in CULane's layout: one small picture under many names."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (59, 164, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    texts = [format_lines(lanes_ori(rng, lanes)) for _ in range(16)]
    names = [f"road/{index // 1000:03d}/{index:06d}.jpg" for index in range(frames)]
    for index, name in enumerate(names):
        path = root / name
        if index % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(jpeg)
        path.with_suffix(".lines.txt").write_text(texts[index % len(texts)])
    (root / "list").mkdir()
    (root / "list" / "train.txt").write_text("".join(f"/{name}\n" for name in names))
    return Source.open(root, root / "list" / "train.txt")


def best_of(rounds: int, function: Callable[[], object]) -> float:
    """Least seconds of some rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def pack_and_load(folder: Path, frames: int, lanes: int, rounds: int) -> dict[str, float]:
    source = write_folder(folder / "raw", frames, lanes)
    out = folder / "lmdb"

    def pack() -> None:
        shutil.rmtree(out, ignore_errors=True)
        packing.pack(source, out, workers=2)

    seconds = {"pack": best_of(rounds, pack)}
    reader = LmdbReader(out)
    order = list(range(frames))
    random.Random(0).shuffle(order)
    seconds["load, random order"] = best_of(rounds, lambda: [reader.read(i) for i in order])
    reader.close()
    shutil.rmtree(folder / "raw"), shutil.rmtree(out)
    return seconds


def score(frames: int, lanes: int, rounds: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(CHUNK):
        gts = lanes_ori(rng, lanes)
        pictures.append(([lane + np.float32([3, 0]) for lane in gts], gts))

    def run() -> None:
        for start in range(0, frames, CHUNK):
            chunk = pictures[: min(CHUNK, frames - start)]
            count_pictures(chunk, [PICTURE_SHAPE] * len(chunk), (0.5, 0.75))

    return {"score": best_of(rounds, run)}


def targets_and_decode(batch: int, lanes: int, rounds: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    frames = [draw_lanes(rng, lanes) for _ in range(batch)]
    target, decoder = GaNetTarget(), GaNetDecoder()
    maps = maps_of(frames)
    scale, crop = np.tile(SCALE, (batch, 1)), np.tile(CROP, (batch, 1))
    return {
        "targets": best_of(3 * rounds, lambda: target.get_targets(frames, IMG_SHAPE)),
        "decode": best_of(3 * rounds, lambda: decoder.decode(*maps, scale, crop)),
    }


def slope(numbers: Sequence[int], seconds: Sequence[float]) -> float:
    return float(np.polyfit(np.log(numbers), np.log(seconds), 1)[0])


def add_rows(
    table: Table, numbers: Sequence[int], found: list[dict], frames: Sequence[int]
) -> None:
    for name in found[0]:
        seconds = [each[name] for each in found]
        cells = [f"{1e6 * s / n:.0f}" for s, n in zip(seconds, frames, strict=True)]
        table.add_row(name, *cells, f"{slope(numbers, seconds):.2f}")


def table_of(title: str, numbers: Sequence[int]) -> Table:
    table = Table(title=title)
    table.add_column("µs a frame")
    for number in numbers:
        table.add_column(f"{number:,}".replace(",", " "), justify="right")
    table.add_column("slope", justify="right")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 5000, 20000, 50000])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--temp", type=Path, help="where to write (default: the system's)")
    parser.add_argument("--quick", action="store_true", help="at most 2000 frames, one round")
    args = parser.parse_args()
    if args.quick:
        args.frames, args.rounds = [500, 1000, 2000], 1
    torch.set_num_threads(1)
    console = Console()
    with tempfile.TemporaryDirectory(dir=args.temp) as temporary:
        folder = Path(temporary)
        table = table_of("against frames, 4 lanes each", args.frames)
        found = [
            pack_and_load(folder, count, 4, args.rounds) | score(count, 4, args.rounds)
            for count in args.frames
        ]
        add_rows(table, args.frames, found, args.frames)
        console.print(table)

        table = table_of("against frames in a batch, 4 lanes each", args.batches)
        found = [targets_and_decode(count, 4, args.rounds) for count in args.batches]
        add_rows(table, args.batches, found, args.batches)
        console.print(table)

        count, batch = args.frames[0], 16
        table = table_of("against lanes a frame", args.lanes)
        found = [
            pack_and_load(folder, count, lanes, args.rounds)
            | score(count, lanes, args.rounds)
            | {
                name: seconds * count / batch
                for name, seconds in targets_and_decode(batch, lanes, args.rounds).items()
            }
            for lanes in args.lanes
        ]
        add_rows(table, args.lanes, found, [count] * len(args.lanes))
        console.print(table)
    console.print(machine("numpy", "lmdb", "opencv-python"), soft_wrap=True)


if __name__ == "__main__":
    main()
