"""What ``tools/analysis_tools/eval_culane.py`` does with its arguments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ganet_mm.cores import allowed_cores
from ganet_mm.files import write_json

from .culane_folders import list_files, score_folders, scores_dict, with_mf1_thresholds
from .scores import check_iou_thrs, scores_table


def run_eval_culane(
    gt_dir: str,
    pred_dir: str,
    lists: Sequence[str] = (),
    list_dir: str | None = None,
    iou_thr: Sequence[float] = (0.5, 0.75),
    mf1: bool = False,
    workers: int | None = None,
    out: str | None = None,
    img_size: Sequence[int] = (1640, 590),
    fix_degenerate: bool = False,
) -> dict[str, dict]:
    """Scores folders, prints the table, and writes the JSON file if asked.

    Args:
        gt_dir, pred_dir: Folders of annotations and of predictions.
        lists, list_dir: List files, and a folder whose ``.txt`` files are lists too.
        iou_thr: IoU thresholds inside (0, 1).
        mf1: Whether to add the mean F1 at 0.50:0.05:0.95 (and F1 at each of these).
        workers: Processes; None for one a core that this process may use, 0 or 1 for no extra one.
        out: JSON file for the scores.
        img_size: (width, height) of the pictures.
        fix_degenerate: See :func:`.lane_iou.count_true_positives`.

    Returns:
        The scores as in the JSON file, see :func:`.culane_folders.scores_dict`.

    Raises:
        ValueError, OSError: See :func:`.culane_folders.score_folders`.
    """
    shown = check_iou_thrs(iou_thr)
    thresholds = with_mf1_thresholds(shown) if mf1 else shown
    if workers is None:
        workers = allowed_cores()
    if workers < 0:
        raise ValueError(f"--workers must be 0 or more, not {workers}.")
    if out is not None and not Path(out).absolute().parent.is_dir():
        raise NotADirectoryError(f"{Path(out).absolute().parent}: no such folder for --out {out}.")
    by_list, total, warnings = score_folders(
        gt_dir,
        pred_dir,
        list_files(lists, list_dir),
        thresholds,
        num_workers=workers if workers > 1 else 0,
        img_shape=(img_size[1], img_size[0]),
        fix_degenerate=fix_degenerate,
        progress=True,
    )
    for warning in warnings:
        print(f"WARNING: {warning}", file=sys.stderr)
    print(scores_table(by_list, total, thresholds, show=shown, mf1=mf1))
    scores = scores_dict(by_list, total, thresholds, mf1)
    if out is not None:
        write_json(out, scores)
    return scores
