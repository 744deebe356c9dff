from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import LocalVisBackend, TensorboardVisBackend, Visualizer

from ..registry import VISUALIZERS
from ..structures import LaneDataSample
from .drawing import (
    MISSED,
    draw_lanes,
    draw_legend,
    draw_offset_arrows,
    draw_scores,
    overlay_heatmap,
)
from .matching import draw_matches
from .picture_io import write_picture
from .scalar_groups import group_scalars


@VISUALIZERS.register_module()
class LaneVisualizer(Visualizer):
    """Draws lanes on original pictures and hands the result to the vis backends.

    With predictions and annotation at hand, a prediction is drawn as hit or false and an annotated
    lane as found or missed, by CULane's rule (:func:`.matching.draw_matches`). The drawing is
    OpenCV's; mmengine's matplotlib canvas is not used.

    Pictures go in and come out in **RGB**, mmengine's convention.

    Args:
        name, vis_backends, save_dir: as in :class:`mmengine.visualization.Visualizer`.
        line_width: pixels, by default after the picture's height.
        alpha: opacity of the lines in 0..1.
        iou_thr: a prediction matches an annotated lane above this IoU.
        backend_width: pictures wider than this many pixels are shrunk for the vis backends (which
            keep every step's picture); files written by ``out_file`` keep their size.
    """

    def __init__(
        self,
        name: str = "visualizer",
        vis_backends: list[dict] | None = None,
        save_dir: str | None = None,
        line_width: int | None = None,
        alpha: float = 1.0,
        iou_thr: float = 0.5,
        backend_width: int = 820,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, vis_backends=vis_backends, save_dir=save_dir, **kwargs)
        self.line_width = line_width
        self.alpha = alpha
        self.iou_thr = iou_thr
        self.backend_width = backend_width

    def draw(
        self,
        image: np.ndarray,
        data_sample: LaneDataSample,
        draw_gt: bool = True,
        draw_pred: bool = True,
        pred_score_thr: float = 0.0,
    ) -> np.ndarray:
        """Draws a data sample's lanes on its original picture.

        Args:
            image: (H, W, 3) uint8, RGB, the original picture.
            data_sample: ``pred_lanes`` with ``pred_scores`` and ``gt_lanes_ori``, in pixels of the
                original picture; fields that are not there are not drawn.
            draw_gt: draw the annotation, and predictions as hits and false ones.
            draw_pred: draw the predictions.
            pred_score_thr: leave out predictions with a lower score.

        Returns:
            (H, W, 3) uint8, RGB.
        """
        img = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        gt_lanes = data_sample.get("gt_lanes_ori") if draw_gt else None
        pred_lanes = data_sample.get("pred_lanes") if draw_pred else None
        scores = data_sample.get("pred_scores") if pred_lanes is not None else None
        if pred_lanes is not None and scores is not None:
            kept = [i for i, score in enumerate(scores) if score >= pred_score_thr]
            pred_lanes, scores = [pred_lanes[i] for i in kept], [float(scores[i]) for i in kept]
        style = {"width": self.line_width, "alpha": self.alpha}
        if gt_lanes is not None and pred_lanes is not None:
            img = draw_matches(img, pred_lanes, gt_lanes, scores, iou_thr=self.iou_thr, **style)
        elif pred_lanes is not None:
            img = draw_lanes(img, pred_lanes, **style)
            if scores is not None:
                img = draw_scores(img, pred_lanes, scores)
        elif gt_lanes is not None:
            img = draw_lanes(img, gt_lanes, MISSED, dash=img.shape[0] / 30, **style)
            img = draw_legend(img, [(f"annotated {len(gt_lanes)}", MISSED, True)])
        return cv2.cvtColor(img, cv2.COLOR_BGR2RGB)

    def draw_maps(
        self,
        image: np.ndarray,
        heat: np.ndarray,
        pts_offset: np.ndarray | None = None,
        kpt_thr: float = 0.4,
        downscale: int = 8,
        row_step: int = 3,
    ) -> np.ndarray:
        """Draws a heat map, and arrows from its keypoints to their lane starts.

        Keypoints are cells above ``kpt_thr`` that are no cooler than their left and right
        neighbour, as the decoder takes them.

        Args:
            image: (H, W, 3) uint8, RGB, the network's input frame.
            heat: (h, w) in 0..1: the sigmoid of the keypoint logits, or the target.
            pts_offset: (2, h, w) cells, x and y.
            kpt_thr: arrows start at cells hotter than this.
            downscale: pixels a cell.
            row_step: draw arrows in every ``row_step``-th row of cells only: all hide the road.

        Returns:
            (H, W, 3) uint8, RGB.
        """
        img = overlay_heatmap(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), heat)
        if pts_offset is not None:
            heat = np.asarray(heat)
            beside = np.pad(heat, ((0, 0), (1, 1)))
            cells = (heat > kpt_thr) & (heat >= beside[:, :-2]) & (heat >= beside[:, 2:])
            cells[np.arange(len(cells)) % row_step != 0] = False
            img = draw_offset_arrows(img, pts_offset, cells, downscale)
        return cv2.cvtColor(img, cv2.COLOR_BGR2RGB)

    @master_only
    def add_scalars(
        self, scalar_dict: dict, step: int = 0, file_path: str | None = None, **kwargs: Any
    ) -> None:
        """Hands scalars to every backend, to TensorBoard's by :func:`group_scalars`."""
        for backend in self._vis_backends.values():
            grouped = isinstance(backend, TensorboardVisBackend)
            scalars = group_scalars(scalar_dict) if grouped else scalar_dict
            backend.add_scalars(scalars, step, file_path, **kwargs)

    @master_only
    def add_image(self, name: str, image: np.ndarray, step: int = 0) -> None:
        """Hands an RGB picture to every backend, shrunk to ``backend_width``."""
        height, width = image.shape[:2]
        if width > self.backend_width:
            size = (self.backend_width, round(height * self.backend_width / width))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        for backend in self._vis_backends.values():
            # A slash groups TensorBoard's tags, but mmengine's local backend takes it for a folder
            # that does not exist, and OpenCV then writes nothing without a word.
            local = isinstance(backend, LocalVisBackend)
            backend.add_image(name.replace("/", "_") if local else name, image, step)

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: LaneDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | os.PathLike | None = None,
        pred_score_thr: float = 0.0,
        step: int = 0,
    ) -> None:
        """Draws a data sample and shows it, writes it to a file, or hands it to the backends.

        Args:
            name: the picture's name (TensorBoard's tag, the window's title).
            image: (H, W, 3) uint8, RGB, the original picture.
            data_sample: what to draw; None leaves the picture as it is.
            draw_gt, draw_pred, pred_score_thr: as in :meth:`draw`.
            show: open a window.
            wait_time: seconds to show it; 0 waits for a key.
            out_file: write the picture there (whole or not at all) instead of to the backends.
            step: the backends' step.
        """
        if data_sample is not None:
            image = self.draw(image, data_sample, draw_gt, draw_pred, pred_score_thr)
        if show:
            self.show(image, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_picture(out_file, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        elif not show:
            self.add_image(name, image, step)
