"""Scores a folder of predicted ``.lines.txt`` files, as the official program does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ganet_mm.datasets.culane import read_list

from .lane_iou import count_pictures
from .lines_file import lines_name, read_lines_file
from .scores import MF1_THRESHOLDS, LaneCounts, check_iou_thrs, mean_f1
from .scoring_pool import ScoringPool

CULANE_SHAPE = (590, 1640)
_CHUNK = 64
_TOTAL = "total"


def list_files(lists: Sequence[str | os.PathLike], list_dir: str | os.PathLike | None = None):
    """The list files asked for: ``lists`` and every ``.txt`` of ``list_dir``, sorted by name.

    Raises:
        ValueError: There is none, or two have one stem, or one is called total.
        NotADirectoryError: ``list_dir`` is no folder.
    """
    paths = [Path(path) for path in lists]
    if list_dir is not None:
        if not Path(list_dir).is_dir():
            raise NotADirectoryError(f"{list_dir}: no such folder of lists.")
        paths += sorted(Path(list_dir).glob("*.txt"))
    if not paths:
        where = f"{list_dir} has no .txt file" if list_dir is not None else "none is given"
        raise ValueError(f"No list of pictures: {where}. CULane's are list/test_split/*.txt.")
    stems: dict[str, Path] = {}
    for path in paths:
        if path.stem in stems or path.stem == _TOTAL:
            other = stems.get(path.stem, "the sum of all lists")
            raise ValueError(
                f"{path} and {other} would both be called {path.stem!r} in the result; rename one."
            )
        stems[path.stem] = path
    return paths


def score_folders(
    gt_dir: str | os.PathLike,
    pred_dir: str | os.PathLike,
    lists: Sequence[str | os.PathLike],
    iou_thrs: Sequence[float] = (0.5, 0.75),
    num_workers: int = 0,
    img_shape: tuple[int, int] = CULANE_SHAPE,
    fix_degenerate: bool = False,
    progress: bool = False,
) -> tuple[dict[str, LaneCounts], LaneCounts, list[str]]:
    """Counts of every list and of all together.

    A picture whose prediction file is missing has no predicted lanes, as in the official program.

    Args:
        gt_dir, pred_dir: Folders of annotations and of predictions, in the lists' layout.
        lists: List files, one picture a line, with or without a leading ``/``.
        iou_thrs: IoU thresholds inside (0, 1).
        num_workers: Worker processes, 0 for none.
        img_shape: (height, width) of the pictures.
        fix_degenerate: See :func:`.lane_iou.count_true_positives`.
        progress: Whether to show a progress bar on the terminal.

    Returns:
        Counts by list stem, their sum, and warnings (lists without any prediction file).

    Raises:
        ValueError: A threshold or shape is out of range, a list or all lists are empty, a file is
            not text.
        NotADirectoryError: ``gt_dir`` or ``pred_dir`` is no folder.
        FileNotFoundError: A list, or an annotation it names, is missing; or ``pred_dir`` has no
            file of any name in the lists.
    """
    thresholds = check_iou_thrs(iou_thrs)
    if min(img_shape) < 1:
        raise ValueError(f"A picture of {img_shape[1]}×{img_shape[0]} has no pixels.")
    for name, folder in (("annotations", gt_dir), ("predictions", pred_dir)):
        if not Path(folder).is_dir():
            raise NotADirectoryError(f"{folder}: no such folder of {name}.")
    images = {Path(path).stem: read_list(path, allow_empty=True) for path in lists}
    warnings = _check_predictions(images, gt_dir, pred_dir)

    chunks = [
        (stem, names[start : start + _CHUNK])
        for stem, names in images.items()
        for start in range(0, len(names), _CHUNK)
    ]
    score = partial(
        _score_files,
        gt_dir=str(gt_dir),
        pred_dir=str(pred_dir),
        lists={Path(path).stem: str(path) for path in lists},
        iou_thrs=thresholds,
        img_shape=tuple(img_shape),
        fix_degenerate=fix_degenerate,
    )
    by_list = {stem: LaneCounts.zeros(len(thresholds)) for stem in images}
    for stem, counts in _run(score, chunks, num_workers, progress):
        by_list[stem] = by_list[stem] + counts
    total = sum(by_list.values(), LaneCounts.zeros(len(thresholds)))
    return by_list, total, warnings


def scores_dict(
    by_list: dict[str, LaneCounts], total: LaneCounts, iou_thrs: Sequence[float], mf1: bool = False
) -> dict[str, dict]:
    """``{list stem: {"0.5": {tp, fp, fn, precision, recall, f1}, …}, …, "total": …}``.

    With ``mf1`` each has a number ``"mF1"`` too, the mean F1 at 0.50:0.05:0.95, all of which must
    then be among ``iou_thrs``.
    """
    scores: dict[str, dict] = {}
    for name, counts in {**by_list, _TOTAL: total}.items():
        scores[name] = {f"{thr:g}": counts.scores(i) for i, thr in enumerate(iou_thrs)}
        if mf1:
            scores[name]["mF1"] = mean_f1(counts, iou_thrs)
    return scores


def with_mf1_thresholds(iou_thrs: Sequence[float]) -> tuple[float, ...]:
    """``iou_thrs`` and those of mF1 that it lacks."""
    return tuple(iou_thrs) + tuple(thr for thr in MF1_THRESHOLDS if thr not in iou_thrs)


def _check_predictions(
    images: dict[str, list[str]], gt_dir: str | os.PathLike, pred_dir: str | os.PathLike
) -> list[str]:
    """Warnings for lists without a prediction; an error if there is none at all."""
    if not any(images.values()):
        raise ValueError(f"The lists are all empty: {', '.join(images)}. Expected picture names.")
    pred_dir = Path(pred_dir)
    without = [
        stem
        for stem, names in images.items()
        if names and not any((pred_dir / lines_name(name)).is_file() for name in names)
    ]
    if len(without) == sum(bool(names) for names in images.values()):
        first = [lines_name(name) for names in images.values() for name in names][:3]
        raise FileNotFoundError(
            f"The prediction folder {pred_dir} has no file of any name in the lists, so every "
            "score would be 0. First names looked for: "
            f"{', '.join(first)}; the annotations were to be under {gt_dir}. Give the folder that "
            "holds the same sub-folders as the annotations."
        )
    return [f"List {stem}: {pred_dir} has no prediction file for any picture." for stem in without]


def _run(score, chunks: list, num_workers: int, progress: bool) -> list[tuple[str, LaneCounts]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    pool = ScoringPool(score, num_workers)
    try:
        bar = Progress(
            "{task.description}",
            BarColumn(),
            MofNCompleteColumn(),
            "pictures",
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not progress,
        )
        if num_workers:
            # The workers are forked before the bar starts its thread.
            for chunk in chunks:
                pool.submit(chunk)
        with bar:
            task = bar.add_task("Scoring", total=sum(len(names) for _, names in chunks))
            if num_workers:
                return pool.collect(lambda result: bar.advance(task, result[1].num_images))
            results = []
            for chunk in chunks:
                results.append(score(chunk))
                bar.advance(task, len(chunk[1]))
            return results
    finally:
        pool.close()


def _score_files(
    chunk: tuple[str, list[str]],
    gt_dir: str,
    pred_dir: str,
    lists: dict[str, str],
    iou_thrs: tuple[float, ...],
    img_shape: tuple[int, int],
    fix_degenerate: bool,
) -> tuple[str, LaneCounts]:
    stem, names = chunk
    pictures = []
    for name in names:
        lines = lines_name(name)
        try:
            gt_lanes = read_lines_file(Path(gt_dir, lines))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{lists[stem]} names {name}, whose annotation {Path(gt_dir, lines)} does not "
                "exist. Give the folder that the list's names are relative to, or a list of "
                "annotated pictures (an empty file says that there is no lane)."
            ) from None
        try:
            pred_lanes = read_lines_file(Path(pred_dir, lines))
        except FileNotFoundError:
            pred_lanes = []
        pictures.append((pred_lanes, gt_lanes))
    true_positives = count_pictures(pictures, [img_shape] * len(names), iou_thrs, fix_degenerate)
    counts = LaneCounts(
        np.sum(true_positives, axis=0),
        sum(len(preds) for preds, _ in pictures),
        sum(len(gts) for _, gts in pictures),
        len(pictures),
    )
    return stem, counts
