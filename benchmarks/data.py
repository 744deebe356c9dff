"""Measures the data engine: packing, reading, size, and the training pipeline.

    python benchmarks/data.py --data-root data/synlane

Without ``--data-root`` SynLane frames are drawn into a temporary folder first. Everything runs on
one core but the packer's reading threads; each figure is the best of several rounds, the two sides
of a ratio in turn, so that a busy machine harms both alike.
"""

# ruff: noqa: NPY002  (the transforms draw from the same source)

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

from ganet_mm.datasets import CuLaneDataset, packing
from ganet_mm.datasets.culane import lines_name, read_lines
from ganet_mm.datasets.lmdb_store import LmdbReader
from ganet_mm.datasets.packing import Source
from ganet_mm.structures.polylines import transform_points

ROOT = Path(__file__).resolve().parents[1]
Row = tuple[str, str, str, str, str]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, help="folder in CULane's layout; default: draw")
    parser.add_argument("--split", default="train", help="list to measure (default train)")
    parser.add_argument("--frames", type=int, default=300, help="frames to draw without a root")
    parser.add_argument("--config", type=Path, default=ROOT / "configs/_base_/datasets/culane.py")
    parser.add_argument("--workers", type=int, default=4, help="the packer's reading threads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--temp", type=Path, help="where to write (default: the system's)")
    return parser.parse_args()


def best_seconds(
    rounds: int, *sides: Callable[[], None], clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """The least time of each side, over rounds that run all sides in turn."""
    best = [float("inf")] * len(sides)
    for _ in range(rounds):
        for i, side in enumerate(sides):
            start = clock()
            side()
            best[i] = min(best[i], clock() - start)
    return best


def forget(paths: list[Path]) -> None:
    """Drops files from the page cache, as far as the system lets a user do that."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def measure_packing(source: Source, temp: Path, workers: int, rounds: int) -> list[Row]:
    """Packing, which ends on disk, against copying the same files, flushed to disk or not."""
    files = [source.root / part for name in source.names for part in (name, lines_name(name))]

    def copy() -> None:
        shutil.rmtree(temp / "copy", ignore_errors=True)
        for file in files:
            path = temp / "copy" / file.relative_to(source.root)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, path)

    def copy_to_disk() -> None:
        copy()
        os.sync()

    def pack() -> None:
        shutil.rmtree(temp / "lmdb", ignore_errors=True)
        packing.pack(source, temp / "lmdb", workers=workers)

    flushed, copied, packed = best_seconds(rounds, copy_to_disk, copy, pack)
    count = len(source)
    speed = f"{count / packed:.0f} frames/s"
    return [
        (
            "pack | copy, both on disk",
            speed,
            f"{count / flushed:.0f}",
            ratio(flushed, packed),
            "0.8",
        ),
        (
            "pack on disk | copy unflushed",
            speed,
            f"{count / copied:.0f}",
            ratio(copied, packed),
            "",
        ),
    ]


def measure_reading(source: Source, lmdb: Path, rounds: int) -> list[Row]:
    """Whole frames (picture's bytes and parsed lanes) in random order."""
    reader = LmdbReader(lmdb)
    order = list(range(len(source)))
    random.Random(0).shuffle(order)
    files = [source.root / part for name in source.names for part in (name, lines_name(name))]

    def from_lmdb() -> None:
        for i in order:
            reader.read(i)

    def from_files() -> None:
        for i in order:
            name = source.names[i]
            (source.root / name).read_bytes()
            read_lines(source.root / lines_name(name))

    rows = []
    stored, raw = best_seconds(rounds, from_lmdb, from_files)
    rows.append(
        (
            "random reads, cached: LMDB | files",
            f"{len(order) / stored:.0f} frames/s",
            f"{len(order) / raw:.0f}",
            ratio(raw, stored),
            "1",
        )
    )
    stored = raw = float("inf")
    for _ in range(rounds):
        reader.close()  # pages that a process has mapped stay in memory
        forget([lmdb / "data.mdb", *files])
        stored = min(stored, best_seconds(1, from_lmdb)[0])
        forget([lmdb / "data.mdb", *files])
        raw = min(raw, best_seconds(1, from_files)[0])
    rows.append(
        (
            "random reads, from disk: LMDB | files",
            f"{len(order) / stored:.0f} frames/s",
            f"{len(order) / raw:.0f}",
            ratio(raw, stored),
            "1",
        )
    )
    return rows


def measure_size(source: Source, lmdb: Path) -> list[Row]:
    """The LMDB against the JPEGs, and against PNG pictures of a sample of the frames."""
    jpegs = int(source.sizes[:, 0].sum())
    stored = (lmdb / "data.mdb").stat().st_size
    sample = range(0, len(source), max(1, len(source) // 20))
    png = sum(_png_size(source.root / source.names[i]) for i in sample)
    png_scaled = png * jpegs / sum(int(source.sizes[i, 0]) for i in sample)
    return [
        (
            "size: LMDB | JPEG files",
            f"{stored / 1e6:.1f} MB",
            f"{jpegs / 1e6:.1f}",
            f"{stored / jpegs:.3f}",
            "≤ 1.03",
        ),
        (
            "size: LMDB | PNG records",
            f"{stored / 1e6:.1f} MB",
            f"{png_scaled / 1e6:.1f}",
            f"{stored / png_scaled:.3f}",
            "",
        ),
    ]


def _png_size(path: Path) -> int:
    return len(cv2.imencode(".png", cv2.imread(str(path)))[1])


class Straightforward:
    """The recipe as one writes it down first: NumPy arithmetic, a resampling a transform.

    Its steps, ranges and probabilities are the recipe's.
    """

    def __init__(self, crop: dict, size: tuple[int, int]) -> None:
        self.crop, self.size = crop, size

    def __call__(self, frame: dict) -> tuple[torch.Tensor, list[np.ndarray]]:
        rng, (height, width) = np.random, self.size
        img = cv2.imdecode(np.frombuffer(frame["img_bytes"], np.uint8), cv2.IMREAD_COLOR)
        x, y, w, h = (self.crop[key] for key in "xywh")
        img = img[y : y + h, x : x + w]
        lanes = self.move(frame["gt_lanes_ori"], [[1, 0, -x], [0, 1, -y], [0, 0, 1]])
        if rng.rand() < 0.5:
            img = np.ascontiguousarray(img[:, ::-1])
            lanes = self.move(lanes, [[-1, 0, w - 1], [0, 1, 0], [0, 0, 1]])
        img = cv2.resize(img, (width, height))
        lanes = self.move(lanes, np.diag([width / w, height / h, 1]))
        if rng.rand() < 0.7:
            img = self.rgb_shift(img) if rng.rand() < 0.5 else self.hsv_shift(img)
        if rng.rand() < 0.2:
            quality = [cv2.IMWRITE_JPEG_QUALITY, rng.randint(85, 96)]
            img = cv2.imdecode(cv2.imencode(".jpg", img, quality)[1], cv2.IMREAD_COLOR)
        if rng.rand() < 0.2:
            img = cv2.blur(img, (3, 3)) if rng.rand() < 0.5 else cv2.medianBlur(img, 3)
        if rng.rand() < 0.5:
            img = self.to_uint8(img.astype(np.float32) + 255 * rng.uniform(-0.2, 0.2))
        if rng.rand() < 0.6:
            centre = ((width - 1) / 2, (height - 1) / 2)
            matrix = np.eye(3)
            matrix[:2] = cv2.getRotationMatrix2D(
                centre, rng.uniform(-10, 10), rng.uniform(0.8, 1.2)
            )
            matrix[:2, 2] += rng.uniform(-0.1, 0.1, 2) * (width, height)
            img = cv2.warpAffine(img, matrix[:2], (width, height))
            lanes = self.move(lanes, matrix)
        if rng.rand() < 0.6:
            x, y, w, h = self.rectangle()
            img = cv2.resize(img[y : y + h, x : x + w], (width, height))
            scale = np.diag([width / w, height / h, 1])
            lanes = self.move(lanes, scale @ [[1, 0, -x], [0, 1, -y], [0, 0, 1]])
        return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1))), lanes

    @staticmethod
    def move(lanes: list[np.ndarray], matrix) -> list[np.ndarray]:
        return [transform_points(lane, np.asarray(matrix, np.float64)) for lane in lanes]

    @staticmethod
    def to_uint8(img: np.ndarray) -> np.ndarray:
        return np.clip(img, 0, 255).astype(np.uint8)

    def rgb_shift(self, img: np.ndarray) -> np.ndarray:
        return self.to_uint8(img.astype(np.float32) + np.random.uniform(-10, 10, 3))

    def hsv_shift(self, img: np.ndarray) -> np.ndarray:
        hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV).astype(np.float32)
        hsv += np.random.uniform(-1, 1, 3).astype(np.float32) * (10, 15, 10)
        hsv[..., 0] %= 180
        return cv2.cvtColor(self.to_uint8(hsv), cv2.COLOR_HSV2BGR)

    def rectangle(self) -> tuple[int, int, int, int]:
        height, width = self.size
        for _ in range(10):
            area = height * width * np.random.uniform(0.8, 1.2)
            aspect = np.exp(np.random.uniform(np.log(1.7), np.log(2.7)))
            w, h = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if w <= width and h <= height:
                left, top = np.random.randint(width - w + 1), np.random.randint(height - h + 1)
                return left, top, w, h
        return 0, 0, width, height


def unrolled(pipeline: list[dict]) -> list[dict]:
    """The recipe with each warp its own resampling."""
    return [
        step
        for outer in pipeline
        for step in (outer["transforms"] if outer["type"] == "WarpOnce" else [outer])
    ]


def measure_pipeline(cfg: Config, lmdb: Path, rounds: int) -> list[Row]:
    """Frames a second of CPU time, reading included."""
    data = CuLaneDataset(str(lmdb))
    count = min(len(data), 200)
    ours = Compose(cfg.train_pipeline)
    sides = {
        "ours": ours,
        "straightforward": Straightforward(cfg.crop, cfg.input_size),
        "two warps": Compose(unrolled(cfg.train_pipeline)),
        "decoding alone": ours.transforms[0],
    }

    def run(pipeline: Callable) -> Callable[[], None]:
        def side() -> None:
            np.random.seed(0)
            for i in range(count):
                pipeline(data.get_data_info(i))

        return side

    seconds = best_seconds(rounds, *map(run, sides.values()), clock=time.process_time)
    speed = dict(zip(sides, (count / s for s in seconds), strict=True))
    return [
        (
            f"train pipeline: ours | {name}",
            f"{speed['ours']:.0f} frames/s a core",
            f"{speed[name]:.0f}",
            f"{speed['ours'] / speed[name]:.2f}",
            aim,
        )
        for name, aim in (("straightforward", "2"), ("two warps", ""), ("decoding alone", ""))
    ]


def measure_opening(temp: Path, count: int = 133_235) -> list[Row]:
    """Opening as many records as CULane has frames."""
    from ganet_mm.datasets.lmdb_store import LmdbWriter

    with LmdbWriter(temp / "many", 1 << 28) as writer:
        writer.write(0, [b"x" * 64] * count, {"complete": True})
    (seconds,) = best_seconds(3, lambda: LmdbReader(temp / "many").close())
    return [(f"open {count} records", f"{seconds * 1e3:.1f} ms", "", "", "< 1000")]


def ratio(other: float, ours: float) -> str:
    """How many times as fast as the other side we are."""
    return f"{other / ours:.2f}"


def draw(folder: Path, frames: int) -> None:
    """Draws a SynLane folder."""
    script = ROOT / "tools/dataset_converters/make_synlane.py"
    command = [sys.executable, str(script), "--out", str(folder), "--train", str(frames)]
    subprocess.run(command, check=True)


def main() -> None:
    args = parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    init_default_scope("ganet_mm")
    cfg = Config.fromfile(args.config)
    console = Console()
    with tempfile.TemporaryDirectory(dir=args.temp) as name:
        temp = Path(name)
        root = args.data_root
        if root is None:
            root = temp / "synlane"
            draw(root, args.frames)
        source = Source.open(root, root / "list" / f"{args.split}.txt")
        table = Table(title=f"{len(source)} frames, {source.sizes[:, 0].sum() / 1e6:.1f} MB JPEG")
        for column in ("what", "ours", "other", "ratio", "aim"):
            table.add_column(column)
        rows = measure_packing(source, temp, args.workers, args.rounds)
        rows += measure_reading(source, temp / "lmdb", args.rounds)
        rows += measure_size(source, temp / "lmdb")
        rows += measure_opening(temp)
        rows += measure_pipeline(cfg, temp / "lmdb", args.rounds)
        for row in rows:
            table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
