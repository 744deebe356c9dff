"""What a stage's ``report.md`` says: its tables, its choice of frames, its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..datasets.culane import CATEGORIES
from ..evaluation.scores import LaneCounts, percent

NO_CATEGORY = ""


@dataclass(frozen=True)
class FrameCounts:
    """How one frame was scored.

    Attributes:
        sample_idx, img_path: Which one, by its data set.
        category: CULane's word for it, ``""`` where there is none.
        num_pred, num_gt: Predicted and annotated lanes.
        tp: True positives at each threshold.
    """

    sample_idx: int
    img_path: str
    category: str
    num_pred: int
    num_gt: int
    tp: tuple[int, ...]

    @property
    def key(self) -> tuple[int, str]:
        """What tells the frame from the others of its set."""
        return self.sample_idx, self.img_path

    def errors(self, index: int) -> int:
        """False and missed lanes at a threshold."""
        return self.num_pred + self.num_gt - 2 * self.tp[index]


def frames_of(pictures: Mapping[tuple, tuple]) -> list[FrameCounts]:
    """From a metric's {(sample_idx, img_path): (category, num_pred, num_gt, *tp)}."""
    return [
        FrameCounts(index, path, category or NO_CATEGORY, num_pred, num_gt, tuple(tp))
        for (index, path), (category, num_pred, num_gt, *tp) in sorted(pictures.items())
    ]


def worst_frames(frames: Sequence[FrameCounts], number: int) -> list[FrameCounts]:
    """Those with most false and missed lanes, by the first threshold and then the others.

    Frames without an error at the first threshold are never among them.
    """
    wrong = [frame for frame in frames if frame.errors(0)]
    return sorted(wrong, key=_errors, reverse=True)[:number]


def best_frames(frames: Sequence[FrameCounts], number: int) -> list[FrameCounts]:
    """Those with fewest errors by the last, strictest threshold; of equals the fullest roads.

    A frame where nothing was found, because there is nothing, is not among them.
    """
    right = [frame for frame in frames if frame.tp[0] and not frame.errors(0)]
    return sorted(right, key=lambda frame: (_errors(frame)[::-1], -frame.num_gt))[:number]


def _errors(frame: FrameCounts) -> list[int]:
    return [frame.errors(index) for index in range(len(frame.tp))]


def category_table(frames: Sequence[FrameCounts], iou_thrs: Sequence[float]) -> list[list[str]]:
    """Rows of words: header, a row a category in CULane's order, the last one for all frames.

    Frames, lanes, then F1, precision and recall at each threshold. A category without annotated
    lanes (``cross``) shows its false positives instead.
    """
    groups: dict[str, LaneCounts] = {}
    total = LaneCounts.zeros(len(iou_thrs))
    for frame in frames:
        tp = frame.tp[: len(iou_thrs)]
        total.add(tp, frame.num_pred, frame.num_gt)
        if frame.category != NO_CATEGORY:
            counts = groups.setdefault(frame.category, LaneCounts.zeros(len(iou_thrs)))
            counts.add(tp, frame.num_pred, frame.num_gt)
    own = sorted(set(groups).difference(CATEGORIES))
    header = ["category", "frames", "lanes"]
    for thr in iou_thrs:
        header += [f"F1@{percent(thr)}", f"precision@{percent(thr)}", f"recall@{percent(thr)}"]
    rows = [header]
    for name in [*CATEGORIES, *own]:
        if name in groups:
            rows.append([name, *_cells(groups[name], len(iou_thrs))])
    rows.append(["all", *_cells(total, len(iou_thrs))])
    return rows


def _cells(counts: LaneCounts, thresholds: int) -> list[str]:
    cells = [str(counts.num_images), str(counts.num_gt)]
    for index in range(thresholds):
        scores = counts.scores(index)
        if counts.num_gt:
            cells += [f"{scores[key]:.4f}" for key in ("f1", "precision", "recall")]
        else:
            cells += [f"{scores['fp']} false", "–", "–"]
    return cells


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Words to a table; the first row is the header, all columns but the first are numbers."""
    rows = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    rule = "|" + "|".join([" --- ", *[" ---: "] * (len(rows[0]) - 1)]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def metrics_table(metrics: Mapping[str, float]) -> list[list[str]]:
    """A metric's values as rows, where there is no table by category."""
    return [["metric", "value"], *([key, f"{value:.4f}"] for key, value in metrics.items())]


def frame_caption(frame: FrameCounts, thr: float) -> str:
    """``path (category): 2 hit, 1 false, 0 missed at IoU 0.5``."""
    category = f" ({frame.category})" if frame.category != NO_CATEGORY else ""
    hit = frame.tp[0]
    return (
        f"`{frame.img_path}`{category}: {hit} hit, {frame.num_pred - hit} false, "
        f"{frame.num_gt - hit} missed at IoU {thr:g}"
    )


@dataclass
class Report:
    """The parts of a ``report.md``; those that are empty are left out of it.

    Attributes:
        title: Its heading.
        facts: (what, value) lines under it.
        scores_of: What the scores are of, e.g. ``epoch 4, validation set``.
        table: See :func:`category_table`.
        notes: Sentences under the table.
        curves: File name of the curves' picture.
        worst, best: (file name, caption) each.
    """

    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    scores_of: str = ""
    table: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    curves: str = ""
    worst: list[tuple[str, str]] = field(default_factory=list)
    best: list[tuple[str, str]] = field(default_factory=list)

    def markdown(self) -> str:
        """The whole text."""
        parts = [f"# {self.title}"]
        if self.facts:
            parts.append("\n".join(f"- {what}: {value}" for what, value in self.facts))
        if self.table:
            parts += [f"## Scores ({self.scores_of})", markdown_table(self.table)]
        parts += self.notes
        if self.curves:
            parts += ["## Curves", f"![curves]({self.curves})"]
        if self.worst or self.best:
            parts += [
                "## Frames",
                "Found lanes are solid (blue: hit, orange: false), annotated ones dashed (white: "
                "found, yellow: missed).",
            ]
        for heading, frames in (("Worst", self.worst), ("Best", self.best)):
            if frames:
                parts.append(f"### {heading}")
                parts += [
                    f"{caption}\n\n![{PurePosixPath(name).stem}]({name})"
                    for name, caption in frames
                ]
        return "\n\n".join(parts) + "\n"
