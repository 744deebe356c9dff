from __future__ import annotations

import numpy as np
from mmengine.structures import BaseDataElement


class LaneDataSample(BaseDataElement):
    """One picture's lanes on their way through dataset, model, metric and visualizer.

    Data fields (lists of arrays (N, 2) float32, x and y in pixels):

    - ``gt_lanes``: annotation in the network's input frame, after every transform.
    - ``gt_lanes_ori``: annotation in the original picture, as the file has it.
    - ``pred_lanes``: predictions in the original picture, each bottom to top.
    - ``pred_scores``: one confidence in 0..1 a predicted lane.

    Metainfo: ``img_path`` (name in the list), ``sample_idx``, ``category`` (str or None),
    ``ori_shape`` and ``img_shape`` (height, width), ``crop_offset`` and ``scale_factor`` (x, y),
    ``matrix`` (3×3, original picture to network input).
    """

    gt_lanes: list[np.ndarray]
    gt_lanes_ori: list[np.ndarray]
    pred_lanes: list[np.ndarray]
    pred_scores: list[float]
