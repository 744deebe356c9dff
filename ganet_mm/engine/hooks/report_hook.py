from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.dist import get_world_size, is_main_process, master_only
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from ...evaluation import CuLaneMetric
from ...evaluation.lane_iou import count_pictures
from ...files import read_json, write_bytes, write_json
from ...registry import HOOKS
from ...structures import LaneDataSample
from ...visualization import LaneVisualizer
from ...visualization.curves import draw_curves
from ...visualization.picture_io import write_picture
from ...visualization.report import (
    FrameCounts,
    Report,
    best_frames,
    category_table,
    frame_caption,
    frames_of,
    metrics_table,
    worst_frames,
)
from ..run_summary import by_epoch, facts, training_panels
from .lane_visualization_hook import original_picture

FOLDER = "report"
STATE = "report.json"
PICTURE_WIDTH = 820
IOU_THRS = (0.5, 0.75)


@HOOKS.register_module()
class ReportHook(Hook):
    """Writes ``report.md``, with a folder ``report/`` of pictures, at the end of a stage or a test.

    A training's or a calibration's lies in its work directory, a test's beside its log. It names
    what was run, draws losses, learning rate and scores, and shows the scores by category and the
    worst and best frames of the best validation (by the CheckpointHook's ``save_best``; without
    one, of the latest).

    - The losses come from the message hub, which every checkpoint holds, and the validations from
      ``report/report.json``, written after each: ``--resume`` goes on with both, from whatever
      checkpoint, and no vis backend is needed.
    - Only the main process writes. The scores are those of all frames of all processes (they are
      the CuLaneMetric's; with another metric its values are listed); the frames that are drawn are
      chosen from the main process's share.
    - A ``report.md`` is there only if it is whole: that of an earlier run is removed at the start,
      and the text is written after its pictures.

    Args:
        num: Frames of each kind, worst and best.
    """

    priority = "NORMAL"  # before the CheckpointHook: its best score is then the one to beat

    def __init__(self, num: int = 4) -> None:
        if num < 0:
            raise ValueError(f"num must be >= 0, not {num}")
        self.num = num
        self._found: dict[tuple[int, str], LaneDataSample] = {}
        self._validations: list[dict] = []
        self._best: dict | None = None
        self._trained = False

    def before_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        self._trained = True
        folder = Path(runner.work_dir)
        (folder / "report.md").unlink(missing_ok=True)
        state = folder / FOLDER / STATE
        if runner.iter > 0 and state.is_file():
            # Resumed: what its checkpoint does not know of has not happened.
            earlier = read_json(state)
            self._validations = [v for v in earlier["validations"] if v["iter"] <= runner.iter]
            if earlier["best"] and earlier["best"]["iter"] <= runner.iter:
                self._best = earlier["best"]

    def before_val(self, runner: Runner) -> None:
        self._found = {}

    def before_test(self, runner: Runner) -> None:
        self._found = {}

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[LaneDataSample] | None = None,
    ) -> None:
        if is_main_process():
            for sample in outputs or ():  # mmrazor's PTQLoop has none while it calibrates
                key = (int(sample.sample_idx), str(sample.img_path))
                self._found[key] = LaneDataSample(
                    pred_lanes=sample.pred_lanes,
                    pred_scores=sample.get("pred_scores"),
                    metainfo={name: sample.get(name) for name in ("ori_shape", "category")},
                )

    after_test_iter = after_val_iter

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        validation = {
            "epoch": runner.epoch if self._trained else 0,
            "iter": runner.iter if self._trained else 0,
            "metrics": {key: float(value) for key, value in (metrics or {}).items()},
        }
        self._validations.append(validation)
        if self._best is None or _improves(runner, validation["metrics"]):
            self._best = {**validation, **self._scored(runner.val_loop)}
        self._found = {}
        write_json(
            Path(runner.work_dir) / FOLDER / STATE,
            {"validations": self._validations, "best": self._best},
        )

    @master_only
    def after_train(self, runner: Runner) -> None:
        if self._best is not None:
            what = "epoch" if by_epoch(runner) else "iteration"
            step = self._best["epoch" if by_epoch(runner) else "iter"]
            self._write(
                runner, Path(runner.work_dir), runner.val_loop, f"validation, {what} {step}"
            )

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if self._best is not None:  # calibration: its loop has validated
            self._write(runner, Path(runner.work_dir), runner.val_loop, "validation")
            return
        values = {key: float(value) for key, value in (metrics or {}).items()}
        self._best = {"metrics": values, **self._scored(runner.test_loop)}
        self._found = {}
        self._write(runner, Path(runner.log_dir), runner.test_loop, "test")
        self._best = None

    def _scored(self, loop: BaseLoop) -> dict:
        """The table of the frames just evaluated, and the chosen ones with their lanes."""
        metric = next((m for m in loop.evaluator.metrics if isinstance(m, CuLaneMetric)), None)
        if metric is None:
            table, thrs = [], IOU_THRS
            frames = count_found(self._found, loop.dataloader.dataset)
        else:
            thrs = metric.iou_thrs
            frames = frames_of(metric.pictures)
            table = category_table(frames, thrs)
            frames = [
                frame for frame in frames if (frame.sample_idx, frame.img_path) in self._found
            ]
        chosen = {
            kind: [
                self._describe(frame, frame_caption(frame, thrs[0]))
                for frame in choose(frames, self.num)
            ]
            for kind, choose in (("worst", worst_frames), ("best", best_frames))
        }
        return {"table": table, **chosen}

    def _describe(self, frame: FrameCounts, caption: str) -> dict:
        found = self._found[frame.key]
        return {
            "sample_idx": frame.sample_idx,
            "img_path": frame.img_path,
            "caption": caption,
            "lanes": [np.round(lane, 1).tolist() for lane in found.pred_lanes],
            "scores": [round(float(score), 3) for score in found.pred_scores or ()] or None,
        }

    def _write(self, runner: Runner, folder: Path, loop: BaseLoop, scores_of: str) -> None:
        best = self._best
        pictures = folder / FOLDER
        for stale in (*pictures.glob("*.png"), *pictures.glob("*.jpg")):
            stale.unlink()
        report = Report(
            title=f"{runner.cfg.filename and Path(runner.cfg.filename).stem}: "
            f"{runner.cfg.get('stage', 'test')}",
            facts=facts(runner, best["metrics"] if self._trained else {}),
            scores_of=f"{scores_of}, {len(loop.dataloader.dataset)} frames",
            table=best["table"] or metrics_table(best["metrics"]),
        )
        panels = training_panels(runner, self._validations) if self._trained else {}
        if any(panels.values()):
            x_label = "epoch" if by_epoch(runner) else "iteration"
            write_bytes(pictures / "curves.png", draw_curves(panels, x_label, log=("loss",)))
            report.curves = f"{FOLDER}/curves.png"
        for kind, listed in (("worst", report.worst), ("best", report.best)):
            for place, frame in enumerate(best[kind], 1):
                name = f"{FOLDER}/{kind}_{place}.jpg"
                if self._draw(runner, loop, frame, folder / name):
                    listed.append((name, frame["caption"]))
        if get_world_size() > 1:
            report.notes.append(
                f"{get_world_size()} processes: the frames below are of the first one's share."
            )
        write_bytes(folder / "report.md", report.markdown().encode("utf-8"))
        runner.logger.info(f"report: {folder / 'report.md'}")

    def _draw(self, runner: Runner, loop: BaseLoop, frame: dict, path: Path) -> bool:
        """Whether the frame's picture could be had, which a resumed run's data set may not have."""
        dataset = loop.dataloader.dataset
        sample = LaneDataSample(
            pred_lanes=[np.asarray(lane, np.float32).reshape(-1, 2) for lane in frame["lanes"]],
            pred_scores=frame["scores"],
            metainfo={"sample_idx": frame["sample_idx"], "img_path": frame["img_path"]},
        )
        try:
            image = original_picture(dataset, sample)
        except (IndexError, KeyError, RuntimeError, ValueError) as error:
            runner.logger.warning(f"not in the report: {error}")
            return False
        sample.gt_lanes_ori = dataset.get_data_info(sample.sample_idx)["gt_lanes_ori"]
        own = isinstance(runner.visualizer, LaneVisualizer)
        visualizer = runner.visualizer if own else LaneVisualizer()
        drawn = cv2.cvtColor(visualizer.draw(image, sample), cv2.COLOR_RGB2BGR)
        height, width = drawn.shape[:2]
        if width > PICTURE_WIDTH:
            size = (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width))
            drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        write_picture(path, drawn, jpeg_quality=85)
        return True


def count_found(found: dict[tuple[int, str], LaneDataSample], dataset) -> list[FrameCounts]:
    """How frames did by CULane's rule, where the metric is another's.

    Args:
        found: {(sample_idx, img_path): a sample with ``pred_lanes`` and ``ori_shape``}.
        dataset: Gives the annotation, by ``get_data_info(sample_idx)["gt_lanes_ori"]``.
    """
    truth = [dataset.get_data_info(index)["gt_lanes_ori"] for index, _ in found]
    lanes = [
        (sample.pred_lanes, lanes) for sample, lanes in zip(found.values(), truth, strict=True)
    ]
    shapes = [tuple(sample.ori_shape[:2]) for sample in found.values()]
    counts = count_pictures(lanes, shapes, IOU_THRS)
    return frames_of(
        {
            key: (sample.category, len(predicted), len(annotated), *tp.tolist())
            for (key, sample), (predicted, annotated), tp in zip(
                found.items(), lanes, counts, strict=True
            )
        }
    )


def _improves(runner: Runner, metrics: dict[str, float]) -> bool:
    """Whether a validation's checkpoint is about to become the best; True if none is kept."""
    hooks = [h for h in runner.hooks if isinstance(h, CheckpointHook) and h.save_best]
    if not hooks or hooks[0].key_indicators[0] not in metrics:
        return True
    key, rule = hooks[0].key_indicators[0], hooks[0].rules[0]
    name = "best_score" if len(hooks[0].key_indicators) == 1 else f"best_score_{key}"
    best = runner.message_hub.runtime_info.get(name, hooks[0].init_value_map[rule])
    return hooks[0].is_better_than[key](metrics[key], best)
