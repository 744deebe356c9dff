"""CULane's F1 as an mmengine metric."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger

from ganet_mm.datasets.culane import CATEGORIES
from ganet_mm.registry import METRICS

from .lane_iou import count_pictures
from .lines_file import clean_lanes, lines_name, write_lines_file
from .picture_metric import PictureMetric, picture_key, read_sample
from .scores import MF1_THRESHOLDS, LaneCounts, check_iou_thrs, mean_f1, percent, scores_table
from .scoring_pool import ScoringPool

NO_LANE_CATEGORIES = ("cross",)
"""CULane's categories without annotated lanes: only their false positives mean anything."""


@METRICS.register_module()
class CuLaneMetric(PictureMetric):
    """F1 by the official CULane protocol, for all pictures and for every category.

    Reads of each data sample ``gt_lanes_ori`` and ``pred_lanes`` (lists of (N, 2), pixels of the
    original picture), ``ori_shape`` (height, width), ``sample_idx``, ``img_path`` and, where
    there is one, ``category``. Predicted points that repeat the one before and predicted lanes of
    fewer than two points are dropped first, for the score as for the files of ``lines_dir``.

    Keys, for thresholds 0.5 and 0.75: ``F1@50``, ``precision@50``, ``recall@50``, ``F1@75``, …,
    ``mF1`` if asked, ``F1@50_<category>`` (the first threshold) for the categories there are, and
    ``FP_cross``. The table goes to the log.

    Args:
        iou_thrs: IoU thresholds inside (0, 1); a match needs strictly more.
        mf1: Whether to take the mean F1 at 0.50:0.05:0.95 as well.
        num_workers: Processes that score while the network runs; 0 scores in this process.
        lines_dir: Folder to write the predictions to, as ``.lines.txt`` under the pictures' names,
            for the official program or ``eval_culane.py``. None writes nothing.
        fix_degenerate: Count a pair of lanes wholly outside the picture as a plain miss, where
            the official program lets it cost a good lane its match.
        chunk_size: Pictures handed to a scoring process at a time.
        collect_device, prefix, collect_dir: As in ``BaseMetric``.

    Raises:
        ValueError: A threshold is not inside (0, 1), or a number is negative.
    """

    default_prefix = "culane"

    def __init__(
        self,
        iou_thrs: Sequence[float] = (0.5, 0.75),
        mf1: bool = False,
        num_workers: int = 1,
        lines_dir: str | None = None,
        fix_degenerate: bool = False,
        chunk_size: int = 32,
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        if chunk_size < 1:
            raise ValueError(f"chunk_size must be 1 or more, not {chunk_size}.")
        self.iou_thrs = check_iou_thrs(iou_thrs)
        self.mf1 = mf1
        extra = [thr for thr in MF1_THRESHOLDS if mf1 and thr not in self.iou_thrs]
        self.all_thrs = self.iou_thrs + tuple(extra)
        self.chunk_size = chunk_size
        self._chunk: list[tuple] = []
        score = partial(
            score_chunk,
            iou_thrs=self.all_thrs,
            fix_degenerate=fix_degenerate,
            lines_dir=lines_dir,
        )
        self._pool = ScoringPool(score, num_workers)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Hands a batch's lanes to the scoring processes.

        Args:
            data_batch: Not used.
            data_samples: Data samples, or their dicts, as described above.
        """
        for sample in data_samples:
            sample = read_sample(
                sample, "gt_lanes_ori", "pred_lanes", "ori_shape", "sample_idx", "img_path"
            )
            height, width = (int(side) for side in sample["ori_shape"][:2])
            self._chunk.append(
                (
                    picture_key(sample),
                    sample.get("category"),
                    clean_lanes(sample["pred_lanes"]),
                    list(sample["gt_lanes_ori"]),
                    (height, width),
                )
            )
            if len(self._chunk) >= self.chunk_size:
                self._submit()

    def _submit(self) -> None:
        chunk, self._chunk = self._chunk, []
        if chunk:
            self._pool.submit(chunk)

    def finish(self) -> dict[tuple, tuple]:
        """Waits for the scoring: {picture: (category, num_pred, num_gt, *true positives)}."""
        self._submit()
        return {key: counts for chunk in self._pool.collect() for key, counts in chunk}

    def summarise(self, pictures: dict[tuple, tuple]) -> dict[str, float]:
        """Sums the counts, prints the table and returns the metrics."""
        total = LaneCounts.zeros(len(self.all_thrs))
        found: dict[str, LaneCounts] = {}
        for category, num_pred, num_gt, *tp in pictures.values():
            total.add(tp, num_pred, num_gt)
            if category is not None:
                counts = found.setdefault(category, LaneCounts.zeros(len(self.all_thrs)))
                counts.add(tp, num_pred, num_gt)
        own = sorted(set(found).difference(CATEGORIES))
        by_category = {name: found[name] for name in [*CATEGORIES, *own] if name in found}

        metrics: dict[str, float] = {}
        for index, thr in enumerate(self.iou_thrs):
            scores = total.scores(index)
            metrics[f"F1@{percent(thr)}"] = scores["f1"]
            metrics[f"precision@{percent(thr)}"] = scores["precision"]
            metrics[f"recall@{percent(thr)}"] = scores["recall"]
        if self.mf1:
            metrics["mF1"] = mean_f1(total, self.all_thrs)
        for category, counts in by_category.items():
            if category in NO_LANE_CATEGORIES:
                metrics[f"FP_{category}"] = counts.scores(0)["fp"]
            else:
                metrics[f"F1@{percent(self.iou_thrs[0])}_{category}"] = counts.scores(0)["f1"]
        table = scores_table(
            by_category, total, self.all_thrs, show=self.iou_thrs, mf1=self.mf1, last="overall"
        )
        MMLogger.get_current_instance().info(f"CULane scores\n{table}")
        return metrics


def score_chunk(
    pictures: list[tuple],
    iou_thrs: tuple[float, ...],
    fix_degenerate: bool,
    lines_dir: str | None,
) -> list[tuple]:
    """Counts of pictures, and their predictions' files if ``lines_dir`` is given.

    Args:
        pictures: (key, category, pred_lanes, gt_lanes, (height, width)) each, clean predictions;
            key = (sample_idx, img_path).
        iou_thrs, fix_degenerate, lines_dir: As for :class:`CuLaneMetric`.

    Returns:
        (key, (category, num_pred, num_gt, *true positives)) of each picture.

    Raises:
        ValueError: A picture's name would put its file outside ``lines_dir``.
    """
    if lines_dir is not None:
        for (_, img_path), _, pred_lanes, _, _ in pictures:
            write_lines_file(_lines_path(lines_dir, img_path), pred_lanes)
    counts = count_pictures(
        [(pred_lanes, gt_lanes) for _, _, pred_lanes, gt_lanes, _ in pictures],
        [shape for *_, shape in pictures],
        iou_thrs,
        fix_degenerate,
    )
    return [
        (key, (category, len(pred_lanes), len(gt_lanes), *tp.tolist()))
        for (key, category, pred_lanes, gt_lanes, _), tp in zip(pictures, counts, strict=True)
    ]


def _lines_path(lines_dir: str, img_path: str) -> Path:
    name = lines_name(img_path)
    if ".." in Path(name).parts:
        raise ValueError(
            f"The picture name {img_path!r} has a '..': its .lines.txt would leave {lines_dir}."
        )
    return Path(lines_dir) / name
