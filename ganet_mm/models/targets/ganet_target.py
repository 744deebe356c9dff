from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ganet_mm.registry import TASK_UTILS

from .lane_samples import sample_lanes

# A lane gets as many samples as a picture of this height has grid rows, whatever the input's
# height: the reference's constant.
SAMPLED_HEIGHT = 360


@TASK_UTILS.register_module()
class GaNetTarget:
    """What the head should say for given lanes (arXiv 2204.07335, sec. 3.1 and 3.2).

    Each lane becomes ``int(360 / hm_down_scale)`` points. The cell of a point gets a Gaussian in
    the keypoint map, the point's place inside the cell, and the way from the point to the lane's
    lowest point. Where points share a cell the later one wins (within a lane: the upper; among
    lanes: the later).

    A lane wholly above or below the picture is dropped and points of one row are merged; the
    reference clamps the first onto the border row and makes a vertical lane of the second.

    Args:
        hm_down_scale: Pixels of the network's input a cell.
        radius: Reach of the Gaussian in cells; its σ is ``(2·radius + 1) / 6``.
    """

    def __init__(self, hm_down_scale: int = 8, radius: int = 2) -> None:
        if hm_down_scale < 1 or radius < 0:
            raise ValueError(
                f"hm_down_scale must be at least 1 and radius at least 0: {hm_down_scale}, {radius}"
            )
        self.hm_down_scale = hm_down_scale
        self.radius = radius
        self.num_samples = int(SAMPLED_HEIGHT / hm_down_scale)

    def get_targets(
        self,
        gt_lanes: Sequence[Sequence[np.ndarray]],
        img_shape: tuple[int, int],
        device: torch.device | str = "cpu",
    ) -> dict[str, Tensor]:
        """Targets of one batch.

        The lanes' points are found on the CPU, the maps made of them on ``device``: a batch is
        some kilobytes of points and megabytes of maps.

        Args:
            gt_lanes: For each of B pictures its lanes, each (N, 2) x, y in pixels of the network's
                input frame; they may leave the picture.
            img_shape: Height and width of the network's input, divisible by ``hm_down_scale``.
            device: Where the maps are made.

        Returns:
            float32 tensors (B, C, H/hm_down_scale, W/hm_down_scale):

            - ``gt_kpts_hm`` (C = 1): Gaussians merged by maximum, exactly 1 at keypoints.
            - ``int_offset`` (2): point − cell, x and y in cells.
            - ``int_offset_mask`` (1): 1 in the cells of points, else 0.
            - ``pts_offset`` (2): start point − point, x and y in cells, y ≥ 0.
            - ``pts_offset_mask`` (2): weight in the cells of points, else 0.

        Raises:
            ValueError: ``img_shape`` is not divisible, or a coordinate is not finite.
        """
        height, width = img_shape
        if height % self.hm_down_scale or width % self.hm_down_scale:
            raise ValueError(
                f"img_shape {tuple(img_shape)} must be divisible by {self.hm_down_scale}"
            )
        grid_shape = (height // self.hm_down_scale, width // self.hm_down_scale)
        lanes_feat = [
            np.asarray(lane, np.float64) / self.hm_down_scale
            for lanes in gt_lanes
            for lane in lanes
        ]
        images = np.repeat(np.arange(len(gt_lanes)), [len(lanes) for lanes in gt_lanes])
        samples, kept = sample_lanes(lanes_feat, grid_shape, self.num_samples)
        cells, values = _cell_values(samples, images[kept], len(gt_lanes), grid_shape)
        painted = torch.zeros(6, len(gt_lanes) * math.prod(grid_shape), device=device)
        painted[:, torch.from_numpy(cells).to(device)] = torch.from_numpy(values).to(device)
        mask, weight, *offsets = painted.view(6, len(gt_lanes), 1, *grid_shape)
        return dict(
            gt_kpts_hm=gaussian_dilation(mask, self.radius),
            int_offset=torch.cat(offsets[:2], dim=1),
            int_offset_mask=mask,
            pts_offset=torch.cat(offsets[2:], dim=1),
            pts_offset_mask=torch.cat([weight, weight], dim=1),
        )


def gaussian_dilation(centres: Tensor, radius: int) -> Tensor:
    """Maximum of Gaussians of height 1 around the cells that are 1.

    A Gaussian is a product of one in x and one in y, so the maximum over its window is two
    one-dimensional maxima, of whole maps at once and on any device.

    Args:
        centres: (..., rows, columns), 1 at centres, else 0.
        radius: Reach in cells; σ is ``(2·radius + 1) / 6``.

    Returns:
        Tensor of the same shape.
    """
    sigma = (2 * radius + 1) / 6
    result = centres
    for axis in (-1, -2):
        source, result = result, result.clone()
        length = source.shape[axis]
        for shift in range(1, min(radius, length - 1) + 1):
            lowered = source * math.exp(-(shift**2) / (2 * sigma**2))
            for to, of in ((shift, 0), (0, shift)):
                target = result.narrow(axis, to, length - shift)
                torch.maximum(target, lowered.narrow(axis, of, length - shift), out=target)
    return result


def _cell_values(
    samples: np.ndarray, images: np.ndarray, batch_size: int, grid_shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """What each cell that holds a point shall say.

    Args:
        samples: (L, S, 2) x, y in cells, bottom to top.
        images: (L,) the picture of each lane, rising.
        batch_size: Number of pictures.
        grid_shape: Rows and columns of the grid.

    Returns:
        - int64 (K,): ``(image · rows + row) · columns + column``, each once.
        - float32 (6, K): 1, weight, offset in the cell x, y, way to the start x, y.
    """
    rows, columns = grid_shape
    points = samples.clip(0, [columns - 1, rows - 1])
    cells = points.astype(np.int64)
    to_start = points[:, :1] - points
    # 1 but for lanes lower than one cell: the reference's rule for points far above the start.
    rise = to_start[..., 1]
    weights = np.where(rise < 0, 0.2, np.where(rise < 2 * np.floor(rise[:, -1:]), 1.0, 0.4))
    index = ((images[:, None] * rows + cells[..., 1]) * columns + cells[..., 0]).ravel()
    # Of points in one cell the last one written stays: numpy keeps to that, devices need not.
    order = np.arange(len(index))
    last = np.empty(batch_size * rows * columns, np.int64)
    last[index] = order
    chosen = np.flatnonzero(last[index] == order)
    values = np.empty((6, len(chosen)), np.float32)
    values[0] = 1
    values[1] = weights.ravel()[chosen]
    values[2:4] = (points - cells).reshape(-1, 2)[chosen].T
    values[4:6] = to_start.reshape(-1, 2)[chosen].T
    return index[chosen], values
