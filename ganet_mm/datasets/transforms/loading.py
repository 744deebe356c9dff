from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform

from ganet_mm.registry import TRANSFORMS

from ..pictures import decode_image


@TRANSFORMS.register_module()
class DecodeImage(BaseTransform):
    """Decodes a frame's picture and begins its coordinate frame.

    Required Keys: img_bytes, img_path, gt_lanes_ori (optional)

    Modified Keys: img_bytes (removed)

    Added Keys:

    - img (np.ndarray): (H, W, 3) uint8 BGR.
    - img_shape, ori_shape (tuple): (H, W).
    - gt_lanes (list): copies of gt_lanes_ori, to be moved with the picture.
    - crop_offset, scale_factor (tuple): x, y of the crop's corner and the resize:
      x_img = (x_ori − crop_offset) · scale_factor, before any augmentation.
    - matrix (np.ndarray): 3×3 float64, original picture to current one, all transforms included.

    Raises:
        ValueError: The picture does not decode (names it).
    """

    def transform(self, results: dict) -> dict:
        results = dict(results)
        try:
            img = decode_image(results.pop("img_bytes"))
        except ValueError as error:
            raise ValueError(
                f"{results['img_path']}: {error}; replace the picture or take it off its list"
            ) from None
        lanes = results.setdefault("gt_lanes_ori", [])
        return {
            **results,
            "img": img,
            "img_shape": img.shape[:2],
            "ori_shape": img.shape[:2],
            "gt_lanes": [lane.copy() for lane in lanes],
            "crop_offset": (0.0, 0.0),
            "scale_factor": (1.0, 1.0),
            "matrix": np.eye(3),
        }
