"""Measures the data engine: packing, reading, size, and the training pipeline.

    python benchmarks/data.py --data-root data/synlane

Without ``--data-root`` SynLane frames are drawn into a temporary folder first. Everything runs on
one core but the packer's reading threads. The sides of a ratio run in turns, so that a busy machine
harms all alike: speeds are medians over the rounds, a ratio is the median (least … largest) of the
rounds' ratios.

"From disk" means that the files were dropped from the page cache before each turn (Linux); how much
stayed is printed. The files' names and places on disk stay in memory, which favours plain files.
"""

# ruff: noqa: NPY002  (the transforms draw from the same source)

from __future__ import annotations

import argparse
import ctypes
import mmap
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from measuring import machine
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

from ganet_mm.datasets import CuLaneDataset, packing
from ganet_mm.datasets.culane import lines_name, read_lines
from ganet_mm.datasets.lmdb_store import LmdbReader, LmdbWriter
from ganet_mm.datasets.packing import Source
from ganet_mm.datasets.record import decode_record, encode_record
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
    parser.add_argument("--workers", type=int, default=1, help="the packer's reading threads")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--temp", type=Path, help="where to write (default: the system's)")
    return parser.parse_args()


def take_turns(
    rounds: int,
    sides: Mapping[str, Callable[[], object]],
    before: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Seconds of each round by side; the sides run in turn, every other round backwards.

    ``before`` runs before each turn and is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in list(sides)[:: 1 if turn % 2 == 0 else -1]:
            before()
            start = clock()
            sides[name]()
            seconds[name].append(clock() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def speed_row(
    what: str, count: int, ours: np.ndarray, other: np.ndarray, aim: str = "", unit: str = ""
) -> Row:
    """A row of the table from seconds a round for ``count`` frames."""
    ratios = other / ours
    return (
        what,
        f"{count / np.median(ours):.0f} frames/s{unit}",
        f"{count / np.median(other):.0f}",
        f"{np.median(ratios):.2f} ({ratios.min():.2f} … {ratios.max():.2f})",
        aim,
    )


def forget(paths: list[Path]) -> None:
    """Drops files from the page cache, as far as the system lets a user do that."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def in_memory(paths: list[Path]) -> float:
    """Share of the files' pages that the page cache holds (``mincore``)."""
    mincore = ctypes.CDLL(None, use_errno=True).mincore
    held = total = 0
    for path in paths:
        size = path.stat().st_size
        if not size:
            continue
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        # A private, writable map: ctypes takes no address of a read-only one.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as area:
            first = ctypes.c_char.from_buffer(area)
            if mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), pages):
                raise OSError(ctypes.get_errno(), f"mincore: {path}")
            del first  # a map with a view of it cannot be closed
        held += sum(page & 1 for page in pages)
        total += len(pages)
    return held / total


def measure_packing(source: Source, temp: Path, workers: int, rounds: int) -> list[Row]:
    """Packing, which ends on disk, against copying the same files, flushed to disk or not."""
    files = [source.root / part for name in source.names for part in (name, lines_name(name))]
    copies = [temp / "copy" / file.relative_to(source.root) for file in files]

    def clean() -> None:
        """Empty folders, nothing left to flush, and the source in memory."""
        shutil.rmtree(temp / "lmdb", ignore_errors=True)
        shutil.rmtree(temp / "copy", ignore_errors=True)
        for folder in {path.parent for path in copies}:
            folder.mkdir(parents=True)
        for file in files:
            file.read_bytes()
        os.sync()

    def copy() -> None:
        for file, path in zip(files, copies, strict=True):
            shutil.copyfile(file, path)

    def copy_to_disk() -> None:
        copy()
        os.sync()

    def pack() -> None:
        packing.pack(source, temp / "lmdb", workers=workers)

    sides = {"pack": pack, "copy to disk": copy_to_disk, "copy": copy}
    seconds = take_turns(rounds, sides, clean)
    clean()
    pack()
    count = len(source)
    return [
        speed_row(
            "pack | copy, both on disk", count, seconds["pack"], seconds["copy to disk"], "0.8"
        ),
        speed_row("pack on disk | copy unflushed", count, seconds["pack"], seconds["copy"]),
    ]


def measure_reading(source: Source, lmdb: Path, rounds: int) -> list[Row]:
    """Whole frames (picture's bytes and parsed lanes) in random order."""
    reader = LmdbReader(lmdb)
    order = list(range(len(source)))
    random.Random(0).shuffle(order)
    files = [source.root / part for name in source.names for part in (name, lines_name(name))]
    kept: dict[str, list[float]] = {"LMDB": [], "files": []}

    def sides(order: list[int]) -> dict[str, Callable[[], None]]:
        def from_lmdb() -> None:
            for i in order:
                reader.read(i)

        def through_map() -> None:
            for i in order:
                decode_record(reader.read_bytes(i), "")

        def from_files() -> None:
            for i in order:
                name = source.names[i]
                (source.root / name).read_bytes()
                read_lines(source.root / lines_name(name))

        return {"LMDB": from_lmdb, "map": through_map, "files": from_files}

    def drop() -> None:
        reader.close()  # pages that a process has mapped stay in memory
        forget([lmdb / "data.mdb", *files])
        kept["LMDB"].append(in_memory([lmdb / "data.mdb"]))
        kept["files"].append(in_memory(files))

    take_turns(1, sides(order))  # all into memory
    # One frame in twenty is what a set far larger than memory is like: what a read brings along
    # from disk is of no use to the reads that follow.
    few = order[: max(1, len(order) // 20)]
    rows = []
    for where, part, before, aim in (
        ("cached", order, lambda: None, "1"),
        ("from disk", order, drop, "1"),
        ("from disk, one in 20", few, drop, ""),
    ):
        seconds = take_turns(rounds, sides(part), before)
        for other, name, aimed in (("files", "files", aim), ("map", "LMDB's own map", "")):
            what = f"random reads, {where}: LMDB | {name}"
            rows.append(speed_row(what, len(part), seconds["LMDB"], seconds[other], aimed))
    shares = [f"{100 * max(kept[side]):.2f} %" for side in ("LMDB", "files")]
    rows.append(("still in memory when read from disk, at most", *shares, "", "0"))
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

    turns = {name: run(pipeline) for name, pipeline in sides.items()}
    seconds = take_turns(rounds, turns, clock=time.process_time)
    return [
        speed_row(
            f"train pipeline: ours | {name}", count, seconds["ours"], seconds[name], aim, " a core"
        )
        for name, aim in (("straightforward", "2"), ("two warps", ""), ("decoding alone", ""))
    ]


def measure_opening(temp: Path, rounds: int, count: int = 133_235) -> list[Row]:
    """Opening as many records as CULane has frames, up to the first one read, from disk.

    Records are just so long that each has pages of its own, as a picture has.
    """
    record = encode_record(bytes(3000), [], "a.jpg", None, (1, 1))
    with LmdbWriter(temp / "many", 1 << 31) as writer:
        for start in range(0, count, 10_000):
            number = min(10_000, count - start)
            writer.write(start, [record] * number, {"complete": start + number == count})
    reader = LmdbReader(temp / "many")

    def drop() -> None:
        reader.close()
        forget([temp / "many" / "data.mdb"])

    def open_and_read() -> None:
        nonlocal reader
        reader = LmdbReader(temp / "many")
        reader.read(count // 2)

    cold = take_turns(rounds, {"": open_and_read}, drop)[""]
    warm = take_turns(rounds, {"": open_and_read}, lambda: reader.close())[""]
    reader.close()
    shutil.rmtree(temp / "many")
    figures = (f"{np.median(seconds) * 1e3:.0f} ms" for seconds in (cold, warm))
    return [(f"open {count} records, read one: from disk | cached", *figures, "", "< 1000")]


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
        rows += measure_opening(temp, args.rounds)
        rows += measure_pipeline(cfg, temp / "lmdb", args.rounds)
        for row in rows:
            table.add_row(*row)
    console.print(table)
    console.print(machine("lmdb", "opencv-python"))


if __name__ == "__main__":
    main()
