from __future__ import annotations

import numpy as np
from scipy.special import expit, logit
from torch import Tensor

from ganet_mm.registry import TASK_UTILS

from ..losses import PROBABILITY_EPS
from .lane_grouping import assign_to_centres, group_roots, merge_row_bands

# Logits from here on have one and the same confidence, and are equal to the decoder.
SURE = float(logit(1 - PROBABILITY_EPS))


@TASK_UTILS.register_module()
class GaNetDecoder:
    """The head's raw maps to lanes (arXiv 2204.07335, sec. 3.2).

    Keypoints are the peaks of each row; those that point to a place less than ``root_thr`` below
    themselves are roots; roots near each other make one lane's start; every keypoint joins the
    lane whose start it points to.

    Lengths are in cells of the map. A lane in a picture half as high has half as many keypoints:
    scale ``min_points`` with the input's height, and ``cluster_thr`` with its width.

    Args:
        root_thr: A keypoint with a smaller predicted y offset to the start is a root.
        kpt_thr: A keypoint's confidence must be greater; in 1e-4..1, as confidences are.
        cluster_thr: Reach of a root to another, and of a predicted start to a lane's start.
        downscale: Pixels of the network's input a cell.
        min_points: A lane must have more keypoints than this, counted before those of one row are
            merged.

    Raises:
        ValueError: ``kpt_thr`` is out of its range.
    """

    def __init__(
        self,
        root_thr: float = 1,
        kpt_thr: float = 0.4,
        cluster_thr: float = 5,
        downscale: int = 8,
        min_points: int = 10,
    ) -> None:
        if not PROBABILITY_EPS <= kpt_thr < 1:
            raise ValueError(f"kpt_thr must be in {PROBABILITY_EPS:g}..1, not {kpt_thr}")
        self.root_thr = root_thr
        self.kpt_thr = kpt_thr
        self._kpt_logit = float(logit(kpt_thr))
        self.cluster_thr = cluster_thr
        self.downscale = downscale
        self.min_points = min_points

    def decode(
        self,
        kpts_logits: Tensor | np.ndarray,
        pts_offset: Tensor | np.ndarray,
        int_offset: Tensor | np.ndarray,
        scale_factor: Tensor | np.ndarray,
        crop_offset: Tensor | np.ndarray,
    ) -> list[list[tuple[np.ndarray, float]]]:
        """Lanes of one batch in their original pictures.

        Args:
            kpts_logits: (B, 1, h, w), before the sigmoid.
            pts_offset: (B, 2, h, w), x and y from a cell to its lane's start, in cells.
            int_offset: (B, 2, h, w), x and y inside the cell, in cells.
            scale_factor: (B, 2) x and y: size in the network's input frame over size in the crop.
            crop_offset: (B, 2) x and y of the crop's corner in the original picture.

        Returns:
            For each picture a list of (points, score): float32 (N, 2) x, y in pixels of the
            original picture, N ≥ 2, by strictly falling y with one point a row of cells; score in
            0..1, the mean confidence of the lane's keypoints.
        """
        image, cells, starts, refined, confidence = self._keypoints(
            _as_array(kpts_logits), _as_array(pts_offset), _as_array(int_offset)
        )
        lane, owners = self._associate(image, cells, starts, len(kpts_logits))
        member = lane >= 0
        count = np.bincount(lane[member], minlength=len(owners))
        score = np.bincount(lane[member], confidence[member], len(owners)) / np.maximum(count, 1)
        member[member] = count[lane[member]] > self.min_points
        points, lane = merge_row_bands(refined[member], confidence[member], lane[member])
        owner = owners[lane]
        scale_factor = np.asarray(scale_factor, np.float64)[owner]
        crop_offset = np.asarray(crop_offset, np.float64)[owner]
        points = (points * self.downscale / scale_factor + crop_offset).astype(np.float32)

        batch_lanes: list[list[tuple[np.ndarray, float]]] = [[] for _ in kpts_logits]
        length = np.bincount(lane, minlength=len(owners))
        end = length.cumsum()
        for own in (length >= 2).nonzero()[0]:  # one row only is no line
            own_points = points[end[own] - length[own] : end[own]]
            batch_lanes[owners[own]].append((own_points, float(score[own])))
        return batch_lanes

    def _keypoints(
        self, kpts_logits: np.ndarray, pts_offset: np.ndarray, int_offset: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """All keypoints by image, then column, then row.

        Logits are compared in the place of their sigmoid, which rises with them: it is taken of the
        keypoints alone, and where float32 would round two confidences to one there is no tie.

        Returns:
            int64 arrays: image index (K,), cell (K, 2); float64 arrays: predicted start (K, 2),
            refined position (K, 2), confidence (K,).
        """
        logits = np.minimum(kpts_logits[:, 0], SURE)
        is_keypoint = logits > self._kpt_logit
        left, right = logits[..., :-1], logits[..., 1:]
        is_keypoint[..., :-1] &= left >= right
        is_keypoint[..., 1:] &= right >= left
        image, column, row = is_keypoint.transpose(0, 2, 1).nonzero()
        cells = np.array((column, row)).T.copy()
        to_start, to_point = (offset[image, :, row, column] for offset in (pts_offset, int_offset))
        confidence = expit(logits[image, row, column].astype(np.float64))
        return image, cells, cells + to_start, cells + to_point, confidence

    def _associate(
        self, image: np.ndarray, cells: np.ndarray, starts: np.ndarray, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The lane of each keypoint, −1 where it has none, and the image of each lane.

        Images are looked at one after the other: the distances are between all of a picture's
        roots, and would be between all of the batch's.
        """
        is_root = starts[:, 1] - cells[:, 1] < self.root_thr
        lane = np.empty(len(cells), np.int64)
        lane.fill(-1)
        owners: list[int] = []
        bounds = image.searchsorted(np.arange(batch_size + 1))
        for index in range(batch_size):
            own = slice(bounds[index], bounds[index + 1])
            centres = group_roots(cells[own][is_root[own]], self.cluster_thr)
            if len(centres):
                group = assign_to_centres(starts[own], centres, self.cluster_thr)
                lane[own] = np.where(group >= 0, group + len(owners), -1)
                owners += [index] * len(centres)
        return lane, np.array(owners, np.int64)


def _as_array(maps: Tensor | np.ndarray) -> np.ndarray:
    """float32 in the CPU's memory. Maps on a GPU are copied: a frame's are 80 kB, and decoding
    them there, by a score of operators on next to nothing, takes longer."""
    if isinstance(maps, Tensor):
        maps = maps.detach().cpu().float().numpy()
    return maps.astype(np.float32, copy=False)
