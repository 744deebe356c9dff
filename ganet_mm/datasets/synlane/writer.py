"""Writes SynLane in CULane's layout: pictures, annotations, lists; whole or not at all."""

import json
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .levels import CATEGORIES, LEVELS, category_of
from .render import render
from .scene import choose_scene

SPLITS = ("train", "val", "test")
RENDERER = 3
"""Raised whenever the same seed gives other pictures."""

_MANIFEST = "synlane.json"
_CLIP = 100  # frames in a clip folder
_CHUNK = 8  # frames a worker draws between two reports


@dataclass(frozen=True)
class Plan:
    """What a SynLane folder holds. Equal plans give equal bytes.

    Args:
        train: Number of training frames.
        val: Number of validation frames.
        test: Number of test frames.
        level: Key of :data:`~.levels.LEVELS`.
        seed: Seed of the world, not negative.
        quality: JPEG quality, 1–100.
        renderer: Version of the renderer.

    Raises:
        ValueError: If a value is out of its range.
    """

    train: int
    val: int
    test: int
    level: str = "standard"
    seed: int = 0
    quality: int = 90
    renderer: int = RENDERER

    def __post_init__(self) -> None:
        for name in SPLITS:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more frames, got {getattr(self, name)}")
        if self.train + self.val + self.test == 0:
            raise ValueError("nothing to draw: train, val and test are all 0 frames")
        if self.level not in LEVELS:
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {self.level!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, got {self.seed}")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality must be within 1..100, got {self.quality}")


def frame_name(split: str, index: int) -> str:
    """List name (no leading '/') of a frame."""
    driver = SPLITS.index(split)
    clip, frame = divmod(index, _CLIP)
    return f"driver_{driver:02d}_synlane/{clip:05d}.MP4/{frame:05d}.jpg"


def frame_seed(plan: Plan, split: str, index: int) -> np.random.SeedSequence:
    """Seed of one frame: no two frames of any split, level or seed share it."""
    key = (list(LEVELS).index(plan.level), SPLITS.index(split), index)
    return np.random.SeedSequence(plan.seed, spawn_key=key)


def format_lane(lane: np.ndarray) -> str:
    """A lane (N, 2) as CULane writes it: ``x y x y … `` with a trailing blank."""
    return "".join(f"{round(float(value), 4) + 0.0:g} " for point in lane for value in point)


def draw_frame(plan: Plan, split: str, index: int) -> tuple[bytes, str]:
    """JPEG bytes and annotation text of one frame."""
    rng = np.random.default_rng(frame_seed(plan, split, index))
    picture, lanes = render(choose_scene(rng, category_of(index, plan.level), plan.level))
    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, plan.quality])
    if not done:
        raise RuntimeError(f"OpenCV could not encode frame {index} of {split} as JPEG")
    return jpeg.tobytes(), "".join(format_lane(lane) + "\n" for lane in lanes)


def _write_frames(root: str, plan: Plan, split: str, indices: range) -> int:
    cv2.setNumThreads(1)  # processes are the parallelism, and results must not depend on threads
    for index in indices:
        jpeg, text = draw_frame(plan, split, index)
        path = Path(root, frame_name(split, index))
        path.write_bytes(jpeg)
        path.with_suffix(".lines.txt").write_text(text)
    return len(indices)


def _write_lists(root: Path, plan: Plan) -> None:
    for split in SPLITS:
        names = [frame_name(split, i) for i in range(getattr(plan, split))]
        path = root / "list" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"/{name}\n" for name in names))
    # CULane has categories of its test set only; of the validation set too they are worth watching
    # while training.
    for split in ("val", "test"):
        folder = root / "list" / f"{split}_split"
        folder.mkdir()
        for number, category in enumerate(CATEGORIES):
            names = [
                frame_name(split, i)
                for i in range(getattr(plan, split))
                if category_of(i, plan.level) == category
            ]
            text = "".join(f"{name}\n" for name in names)
            (folder / f"{split}{number}_{category}.txt").write_text(text)


def _is_whole(out: Path, plan: Plan) -> bool:
    """Whether ``out`` already holds the plan.

    Raises:
        FileExistsError: If it holds anything else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    manifest = out / _MANIFEST
    if not manifest.is_file():
        raise FileExistsError(
            f"{out} exists and is no SynLane folder (it has no {_MANIFEST}); name another --out"
        )
    try:
        held = json.loads(manifest.read_text())
    except ValueError as error:
        raise FileExistsError(f"{manifest} is no JSON ({error}); delete {out} to draw it") from None
    wanted = asdict(plan)
    keys = sorted(set(held) | set(wanted))
    other = [k for k in keys if held.get(k) != wanted.get(k)]
    if other:
        said = ", ".join(f"{k} {held.get(k)} (asked for: {wanted.get(k)})" for k in other)
        raise FileExistsError(
            f"{out} holds another SynLane set: {said}; delete it or name another --out"
        )
    for split in SPLITS:
        for index in range(getattr(plan, split)):
            path = out / frame_name(split, index)
            if not (path.is_file() and path.with_suffix(".lines.txt").is_file()):
                raise FileExistsError(f"{path} or its .lines.txt is missing; delete {out}")
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _open_partial(out: Path) -> Path:
    """A fresh folder beside ``out`` to draw into; left-overs of dead runs are removed.

    Its name ends in the process id, so what outlives a killed run cannot write into a later one.
    """
    for old in out.parent.glob(f".{out.name}.partial-*"):
        pid = old.name.rpartition("-")[2]
        if pid.isdigit() and int(pid) != os.getpid() and _alive(int(pid)):
            raise FileExistsError(
                f"process {pid} is drawing {out} just now; if it is not, delete {old}"
            )
        shutil.rmtree(old)
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    partial.mkdir(parents=True)
    return partial


def _end_with_parent() -> None:
    """Let this worker die with the process that started it, even by kill -9."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def make_synlane(out: str | Path, plan: Plan, workers: int = 1, quiet: bool = False) -> bool:
    """Draw a SynLane folder.

    The folder appears under its name only when it is whole.

    Args:
        out: Folder to make.
        plan: What to draw.
        workers: Number of processes; the bytes do not depend on it.
        quiet: Whether to show no progress bar.

    Returns:
        False when ``out`` already held the plan, True when it was drawn.

    Raises:
        ValueError: If ``workers`` is below 1.
        FileExistsError: If ``out`` holds anything else, or is being drawn by another process.
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, got {workers}")
    out = Path(out).resolve()
    if _is_whole(out, plan):
        return False
    partial = _open_partial(out)
    try:
        jobs = []
        for split in SPLITS:
            count = getattr(plan, split)
            for start in range(0, count, _CHUNK):
                jobs.append((split, range(start, min(start + _CHUNK, count))))
            for index in range(0, count, _CLIP):
                (partial / frame_name(split, index)).parent.mkdir(parents=True)
        _draw_all(partial, plan, jobs, workers, quiet)
        _write_lists(partial, plan)
        (partial / _MANIFEST).write_text(json.dumps(asdict(plan), indent=2) + "\n")
        if out.is_dir():
            out.rmdir()  # empty, as _is_whole saw
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return True


def _draw_all(root: Path, plan: Plan, jobs: list, workers: int, quiet: bool) -> None:
    columns = (
        TextColumn("drawing SynLane"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=quiet) as progress:
        task = progress.add_task("", total=sum(len(indices) for _, indices in jobs))
        if workers == 1:
            for split, indices in jobs:
                progress.advance(task, _write_frames(str(root), plan, split, indices))
            return
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(jobs)), spawn, _end_with_parent) as pool:
            futures = [pool.submit(_write_frames, str(root), plan, *job) for job in jobs]
            try:
                for future in as_completed(futures):
                    progress.advance(task, future.result())
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
