from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...datasets.pictures import decode_image
from ...registry import HOOKS
from ...structures import LaneDataSample
from ...visualization import LaneVisualizer
from ...visualization.picture_io import write_picture


@HOOKS.register_module()
class LaneVisualizationHook(Hook):
    """Draws predicted and annotated lanes on original pictures while validating and testing.

    - Each validation sends the same few frames, evenly spread over the set, to the visualizer:
      one TensorBoard tag a frame (``val_frames/<img_path>``), the epoch as its step (the iteration
      in an iteration-based run). Only the main process draws, out of the frames that its sampler
      gives it. A validation loop that runs the set twice (mmrazor's ``QATValLoop``: fake-quant
      model, then float model) is drawn on its first run.
    - A test with ``show_dir`` writes a JPEG a frame, at ``show_dir/<img_path>``; every process
      writes its share.

    The pixels come from the dataset: ``dataset.get_data_info(sample_idx)["img_bytes"]``, since
    ``img_path`` is a name in a list and maybe no file. A frame that isn't drawn costs one look-up
    in a set.

    Args:
        num: frames a validation; 0 draws none.
        interval: draw at each ``interval``-th epoch only (the frames of all epochs stay in the
            event file: about 0.3 MB a frame).
        show_dir: a folder for test pictures; None writes none.
        show_num: pictures a test, evenly spread; None writes all.
        draw_gt: draw the annotation too.
        score_thr: leave out predictions with a lower score.
    """

    priority = "NORMAL"

    def __init__(
        self,
        num: int = 6,
        interval: int = 1,
        show_dir: str | None = None,
        show_num: int | None = None,
        draw_gt: bool = True,
        score_thr: float = 0.0,
    ) -> None:
        if num < 0 or interval < 1:
            raise ValueError(f"num must be >= 0 and interval >= 1, not {num} and {interval}")
        self.num = num
        self.interval = interval
        self.show_dir = None if show_dir is None else Path(show_dir)
        self.show_num = show_num
        self.draw_gt = draw_gt
        self.score_thr = score_thr
        self._to_draw: set[int] = set()

    def before_run(self, runner: Runner) -> None:
        if not isinstance(runner.visualizer, LaneVisualizer):
            raise TypeError(
                "LaneVisualizationHook draws with a LaneVisualizer, but the runner has a "
                f"{type(runner.visualizer).__name__}: write visualizer=dict(type='LaneVisualizer', "
                "vis_backends=[dict(type='TensorboardVisBackend')]) in the config"
            )

    def before_val(self, runner: Runner) -> None:
        drawn_epoch = runner.epoch % self.interval == 0
        self._to_draw = set()
        if is_main_process() and drawn_epoch:
            self._to_draw = evenly_spread(runner.val_loop.dataloader, self.num)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[LaneDataSample] | None = None,
    ) -> None:
        for sample in self._chosen(outputs):
            image = original_picture(runner.val_loop.dataloader.dataset, sample)
            runner.visualizer.add_datasample(
                f"val_frames/{sample.img_path}",
                image,
                sample,
                draw_gt=self.draw_gt,
                pred_score_thr=self.score_thr,
                step=runner.epoch or runner.iter,
            )

    def before_test(self, runner: Runner) -> None:
        self._to_draw = set()
        if self.show_dir is not None:
            self._to_draw = evenly_spread(runner.test_loop.dataloader, self.show_num)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[LaneDataSample] | None = None,
    ) -> None:
        for sample in self._chosen(outputs):
            image = original_picture(runner.test_loop.dataloader.dataset, sample)
            drawn = runner.visualizer.draw(
                image, sample, draw_gt=self.draw_gt, pred_score_thr=self.score_thr
            )
            drawn = cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
            write_picture(picture_path(self.show_dir, sample.img_path), drawn)

    def _chosen(self, outputs: Sequence[LaneDataSample] | None) -> list[LaneDataSample]:
        """The samples to draw now; each is drawn once a run. mmrazor's PTQLoop has no outputs."""
        if not self._to_draw or outputs is None:
            return []
        chosen = [sample for sample in outputs if sample.sample_idx in self._to_draw]
        self._to_draw -= {sample.sample_idx for sample in chosen}
        return chosen


def evenly_spread(dataloader, num: int | None) -> set[int]:
    """``num`` dataset indices evenly spread over those that ``dataloader``'s sampler gives here.

    All of them where ``num`` is None or not below their number. First and last are in from
    ``num`` 2 on.
    """
    indices = sorted(set(islice(iter(dataloader.sampler), len(dataloader.dataset))))
    if num is None or num >= len(indices):
        return set(indices)
    places = np.linspace(0, len(indices) - 1, num) if num > 1 else np.array([len(indices) // 2])
    return {indices[place] for place in np.rint(places).astype(int)[:num]}


def original_picture(dataset, sample: LaneDataSample) -> np.ndarray:
    """The picture that ``sample`` was made from, (H, W, 3) uint8 RGB, out of ``dataset``.

    Raises:
        KeyError: the dataset's records hold no ``img_bytes``.
        RuntimeError: ``sample_idx`` names another picture in the dataset than in the sample.
        ValueError: the bytes don't decode.
    """
    info = dataset.get_data_info(sample.sample_idx)
    if "img_bytes" not in info:
        raise KeyError(
            f"{type(dataset).__name__}.get_data_info gives no 'img_bytes' (keys: {sorted(info)}); "
            "LaneVisualizationHook needs the picture file's bytes there"
        )
    if info["img_path"] != sample.img_path:
        raise RuntimeError(
            f"sample_idx {sample.sample_idx} is '{sample.img_path}' in the data sample but "
            f"'{info['img_path']}' in the dataset: sample_idx must be the dataset's own index"
        )
    return cv2.cvtColor(decode_image(info["img_bytes"]), cv2.COLOR_BGR2RGB)


def picture_path(folder: Path, img_path: str) -> Path:
    """``folder`` / ``img_path`` with suffix ``.jpg``, kept inside ``folder``."""
    parts = [part for part in PurePosixPath(img_path).parts if part not in ("/", "..", ".")]
    return folder.joinpath(*parts).with_suffix(".jpg")
