from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ganet_mm.registry import TRANSFORMS

from .chance import check_prob, happens
from .movement import moved, scaling, translation


@TRANSFORMS.register_module()
class FixedCrop(BaseTransform):
    """Cuts the same rectangle out of every picture, e.g. the road below the horizon.

    Required Keys: img, gt_lanes, crop_offset, scale_factor, matrix

    Modified Keys: img, img_shape, gt_lanes, crop_offset, matrix

    Args:
        x, y: Left and upper edge, pixels of the picture.
        w, h: Width and height; None: up to the picture's right or lower edge.

    Raises:
        ValueError: The rectangle leaves the picture (names it).
    """

    def __init__(self, x: int = 0, y: int = 0, w: int | None = None, h: int | None = None) -> None:
        if x < 0 or y < 0 or (w is not None and w <= 0) or (h is not None and h <= 0):
            raise ValueError(f"FixedCrop(x={x}, y={y}, w={w}, h={h}): no such rectangle")
        self.x, self.y, self.w, self.h = x, y, w, h

    def transform(self, results: dict) -> dict:
        height, width = results["img"].shape[:2]
        right = width if self.w is None else self.x + self.w
        bottom = height if self.h is None else self.y + self.h
        if right > width or bottom > height or self.x >= right or self.y >= bottom:
            raise ValueError(
                f"{results.get('img_path')}: a picture of {width}×{height} holds no {self}; give "
                "the config's FixedCrop a rectangle for pictures of this size"
            )
        scale_x, scale_y = results["scale_factor"]
        offset_x, offset_y = results["crop_offset"]
        img = results["img"][self.y : bottom, self.x : right]
        return {
            **moved(results, img, translation(-self.x, -self.y)),
            "crop_offset": (offset_x + self.x / scale_x, offset_y + self.y / scale_y),
        }

    def __repr__(self) -> str:
        return f"FixedCrop(x={self.x}, y={self.y}, w={self.w}, h={self.h})"


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirrors picture and lanes left to right: x' = W − 1 − x.

    Required Keys: img, gt_lanes, matrix

    Modified Keys: img, gt_lanes, matrix

    Args:
        prob: Probability.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = check_prob(prob)

    def transform(self, results: dict) -> dict:
        if not happens(self.prob):
            return results
        mirror = np.diag([-1.0, 1.0, 1.0])
        mirror[0, 2] = results["img"].shape[1] - 1
        return moved(results, cv2.flip(results["img"], 1), mirror)

    def __repr__(self) -> str:
        return f"RandomFlip(prob={self.prob})"


@TRANSFORMS.register_module()
class Resize(BaseTransform):
    """Resizes to a fixed size, bilinear, the ratio not kept; lanes: x' = x · W'/W exactly.

    Required Keys: img, gt_lanes, scale_factor, matrix

    Modified Keys: img, img_shape, gt_lanes, scale_factor, matrix

    Args:
        size: Height and width.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = tuple(size)

    def transform(self, results: dict) -> dict:
        height, width = results["img"].shape[:2]
        x, y = self.size[1] / width, self.size[0] / height
        scale_x, scale_y = results["scale_factor"]
        img = cv2.resize(results["img"], self.size[::-1], interpolation=cv2.INTER_LINEAR)
        return {
            **moved(results, img, scaling(x, y)),
            "scale_factor": (scale_x * x, scale_y * y),
        }

    def __repr__(self) -> str:
        return f"Resize(size={self.size})"
