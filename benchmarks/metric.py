"""How fast the CULane metric is: images a second against a plain implementation, one table.

The plain one is the tests' oracle: full masks, one ``cv2.line`` a segment, every matching tried;
once drawing each lane once a picture, and once drawing both lanes of every pair as the official
program does. Both sides score the same pictures and must count the same.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ganet_mm.evaluation import CuLaneMetric
from ganet_mm.evaluation.culane_folders import CULANE_SHAPE, score_folders
from ganet_mm.evaluation.lane_iou import count_pictures
from ganet_mm.evaluation.lines_file import format_lines
from ganet_mm.evaluation.scoring_pool import ScoringPool

THRS = (0.5, 0.75)
CULANE_TEST_IMAGES = 34_680
CHUNK = 64


def load_oracle() -> ModuleType:
    path = Path(__file__).parents[1] / "tests" / "evaluation" / "oracle.py"
    spec = importlib.util.spec_from_file_location("oracle", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Three lanes in CULane's manner (y step 10, x drifting) and a prediction of each."""
    height, width = CULANE_SHAPE
    vanish_x, vanish_y = rng.uniform(700, 940), rng.uniform(255, 290)
    gts: list[np.ndarray] = []
    while len(gts) < 3:
        bottom = rng.uniform(-0.1 * width, 1.1 * width)
        y = np.arange(height, vanish_y + rng.uniform(5, 40), -10.0)
        way = (height - y) / (height - vanish_y)
        x = bottom + (vanish_x - bottom) * way + rng.uniform(-100, 100) * way * (1 - way)
        inside = (x > -30) & (x < width + 30)
        if inside.sum() >= 10:
            gts.append(np.stack([x[inside].round(3), y[inside]], 1).astype(np.float32))
    drift = rng.normal(0, 4, 3)
    preds = [
        (gt + np.stack([np.linspace(0, drift[i], len(gt)) + drift[i], 0 * gt[:, 1]], 1)).round(3)
        for i, gt in enumerate(gts)
    ]
    return [pred.astype(np.float32) for pred in preds], gts


def score_chunk(pictures: list) -> np.ndarray:
    return np.sum(count_pictures(pictures, [CULANE_SHAPE] * len(pictures), THRS), axis=0)


def score_pictures(pictures: list, workers: int) -> np.ndarray:
    pool = ScoringPool(score_chunk, workers)
    for start in range(0, len(pictures), CHUNK):
        pool.submit(pictures[start : start + CHUNK])
    return np.sum(pool.collect(), axis=0)


def score_by_oracle(oracle: ModuleType, pictures: list, per_pair: bool) -> np.ndarray:
    counts = np.zeros(len(THRS), int)
    for preds, gts in pictures:
        if per_pair:
            rows = [[oracle.ious([pred], [gt], CULANE_SHAPE)[0, 0] for gt in gts] for pred in preds]
            matrix = np.array(rows)
        else:
            matrix = oracle.ious(preds, gts, CULANE_SHAPE)
        counts += [max(oracle.true_positives(matrix, thr)) for thr in THRS]
    return counts


def score_by_metric(pictures: list, workers: int) -> tuple[float, dict]:
    """Seconds that a test loop spends in the metric while it runs, and the metrics."""
    metric = CuLaneMetric(THRS, num_workers=workers)
    samples = [
        dict(
            sample_idx=i, img_path=f"{i}.jpg", ori_shape=CULANE_SHAPE, pred_lanes=p, gt_lanes_ori=g
        )
        for i, (p, g) in enumerate(pictures)
    ]
    start = time.perf_counter()
    for sample in samples:
        metric.process(None, [sample])
    seconds = time.perf_counter() - start
    return seconds, metric.evaluate(len(samples))


def timed(function, *args):
    start = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a thirtieth of the pictures")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    num_images = CULANE_TEST_IMAGES // 30 if args.quick else CULANE_TEST_IMAGES
    num_plain = 30 if args.quick else 300
    cv2.setNumThreads(1)
    oracle = load_oracle()
    rng = np.random.default_rng(0)
    pictures = [picture(rng) for _ in range(num_images)]
    some = pictures[:num_plain]
    score_pictures(pictures[:CHUNK], 0)  # the drawn table fills, once a process

    table = Table("", "images", "seconds", "images/s", "× plain", box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"

    def row(name: str, images: int, seconds: float, base: float | None) -> float:
        speed = images / seconds
        ratio = f"{speed / base:.1f}" if base else "1.0"
        table.add_row(name, str(images), f"{seconds:.2f}", f"{speed:.0f}", ratio)
        return speed

    seconds, expected = timed(score_by_oracle, oracle, some, False)
    plain = row("plain, each lane drawn once", len(some), seconds, None)
    seconds, _ = timed(score_by_oracle, oracle, some[: len(some) // 3], True)
    row("plain, each pair drawn anew", len(some) // 3, seconds, plain)
    if not np.array_equal(score_pictures(some, 0), expected):
        raise SystemExit("error: the counts differ from the plain implementation's.")
    seconds, counts = timed(score_pictures, pictures, 0)
    row("ours, one process", num_images, seconds, plain)
    seconds, parallel = timed(score_pictures, pictures, args.workers)
    row(f"ours, {args.workers} processes", num_images, seconds, plain)
    if not np.array_equal(counts, parallel):
        raise SystemExit("error: the counts depend on the number of processes.")

    with tempfile.TemporaryDirectory() as folder:
        for kind in ("pred", "gt"):
            Path(folder, kind).mkdir()
        for i, lanes in enumerate(pictures):
            for kind, some_lanes in zip(("pred", "gt"), lanes, strict=True):
                Path(folder, kind, f"{i:05d}.lines.txt").write_text(format_lines(some_lanes))
        names = "".join(f"{i:05d}.jpg\n" for i in range(num_images))
        Path(folder, "test.txt").write_text(names)
        for workers in (0, args.workers):
            seconds, (_, total, _) = timed(
                score_folders,
                Path(folder, "gt"),
                Path(folder, "pred"),
                [Path(folder, "test.txt")],
                THRS,
                workers,
            )
            name = f"{workers} processes" if workers else "one process"
            row(f"ours, from files, {name}", num_images, seconds, plain)
            if not np.array_equal(total.tp, counts):
                raise SystemExit("error: the counts from files differ.")
    for workers in (0, 1):
        seconds, _ = score_by_metric(pictures[: num_images // 4], workers)
        name = "a worker" if workers else "no worker"
        row(f"CuLaneMetric in a test loop, {name}", num_images // 4, seconds, plain)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
