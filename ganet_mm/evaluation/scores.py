"""From counts to precision, recall and F1, and the table of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MF1_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""IoU thresholds 0.50:0.05:0.95 whose F1s the mF1 is the mean of."""


@dataclass
class LaneCounts:
    """Sums over pictures.

    Attributes:
        tp: (T,) int64, true positives at each of T IoU thresholds.
        num_pred: Predicted lanes.
        num_gt: Annotated lanes.
        num_images: Pictures.
    """

    tp: np.ndarray
    num_pred: int = 0
    num_gt: int = 0
    num_images: int = 0

    @classmethod
    def zeros(cls, num_thresholds: int) -> LaneCounts:
        return cls(np.zeros(num_thresholds, np.int64))

    def add(self, tp: np.ndarray | Sequence[int], num_pred: int, num_gt: int, images: int = 1):
        """Adds one picture's counts, or several pictures' sums."""
        self.tp = self.tp + np.asarray(tp, np.int64)
        self.num_pred += num_pred
        self.num_gt += num_gt
        self.num_images += images

    def __add__(self, other: LaneCounts) -> LaneCounts:
        return LaneCounts(
            self.tp + other.tp,
            self.num_pred + other.num_pred,
            self.num_gt + other.num_gt,
            self.num_images + other.num_images,
        )

    def scores(self, index: int) -> dict[str, int | float]:
        """Counts, precision, recall and F1 at one threshold; a quotient without a base is 0.

        (The official program prints −1 for such a precision or recall and NaN for such an F1.)
        """
        tp = int(self.tp[index])
        fp, fn = self.num_pred - tp, self.num_gt - tp
        return {
            "tp": tp,
            "fp": fp,
            "fn": fn,
            "precision": tp / self.num_pred if self.num_pred else 0.0,
            "recall": tp / self.num_gt if self.num_gt else 0.0,
            "f1": 2 * tp / (self.num_pred + self.num_gt) if tp else 0.0,
        }


def check_iou_thrs(iou_thrs: Sequence[float]) -> tuple[float, ...]:
    """The thresholds as a tuple of floats.

    Raises:
        ValueError: There is none, or one is not inside (0, 1), or one comes twice.
    """
    thresholds = tuple(float(thr) for thr in np.atleast_1d(iou_thrs))
    if not thresholds:
        raise ValueError("No IoU threshold is given; expected one or more inside (0, 1).")
    for thr in thresholds:
        if not 0 < thr < 1:
            raise ValueError(f"IoU threshold {thr:g} is not inside (0, 1); CULane's are 0.5, 0.75.")
    if len(set(thresholds)) < len(thresholds):
        raise ValueError(f"An IoU threshold comes twice in {thresholds}.")
    return thresholds


def mean_f1(counts: LaneCounts, iou_thrs: Sequence[float]) -> float:
    """mF1: the mean of F1 at 0.50:0.05:0.95, all of which ``iou_thrs`` must contain."""
    places = [list(iou_thrs).index(thr) for thr in MF1_THRESHOLDS]
    return float(np.mean([counts.scores(place)["f1"] for place in places]))


def percent(thr: float) -> str:
    """A threshold as metric names write it: 0.5 → '50'."""
    return f"{thr * 100:g}"


def scores_table(
    rows: Mapping[str, LaneCounts],
    total: LaneCounts,
    iou_thrs: Sequence[float],
    show: Sequence[float] | None = None,
    mf1: bool = False,
    last: str = "total",
) -> str:
    """A table with one row a category or list and a last one for all.

    Args:
        rows: Counts by name, in the order to print.
        total: Counts of the last row.
        iou_thrs: Thresholds that the counts were taken at.
        show: Those of them that get columns; by default all.
        mf1: Whether to append the mF1 column (needs its ten thresholds in ``iou_thrs``).
        last: Name of the last row.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    show = [thr for thr in iou_thrs if show is None or thr in show]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    header = ["images", "lanes"]
    for thr in show:
        at = f"@{percent(thr)}"
        header += [f"TP{at}", f"FP{at}", f"FN{at}", f"P{at}", f"R{at}", f"F1{at}"]
    for name in header + ["mF1"] * mf1:
        table.add_column(name, justify="right")

    def cells(counts: LaneCounts) -> list[str]:
        row = [str(counts.num_images), str(counts.num_gt)]
        for thr in show:
            scores = counts.scores(list(iou_thrs).index(thr))
            row += [str(scores[key]) for key in ("tp", "fp", "fn")]
            # Without annotated lanes only the number of false positives means anything.
            row += [
                f"{scores[key]:.4f}" if counts.num_gt else "–"
                for key in ("precision", "recall", "f1")
            ]
        if mf1:
            row.append(f"{mean_f1(counts, iou_thrs):.4f}" if counts.num_gt else "–")
        return row

    for name, counts in rows.items():
        table.add_row(name, *cells(counts))
    if rows:
        table.add_section()
    table.add_row(last, *cells(total))
    console = Console(file=io.StringIO(), width=40 + 10 * len(table.columns), color_system=None)
    console.print(table)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines() if line.strip())
