from __future__ import annotations

import cv2
from mmcv.transforms import BaseTransform

from ganet_mm.registry import TRANSFORMS

from .chance import check_prob, happens


class _Blur(BaseTransform):
    def __init__(self, ksize: int = 3, prob: float = 1.0) -> None:
        if ksize < 1 or ksize % 2 == 0:
            raise ValueError(f"ksize={ksize}; expected an odd number of pixels")
        self.ksize, self.prob = ksize, check_prob(prob)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(ksize={self.ksize}, prob={self.prob})"


@TRANSFORMS.register_module()
class MeanBlur(_Blur):
    """Mean of the ``ksize`` × ``ksize`` neighbourhood.

    Required Keys: img

    Modified Keys: img

    Args:
        ksize: Side in pixels, odd.
        prob: Probability.
    """

    def transform(self, results: dict) -> dict:
        if not happens(self.prob):
            return results
        return {**results, "img": cv2.blur(results["img"], (self.ksize, self.ksize))}


@TRANSFORMS.register_module()
class MedianBlur(_Blur):
    """Median of the ``ksize`` × ``ksize`` neighbourhood.

    Required Keys: img

    Modified Keys: img

    Args:
        ksize: Side in pixels, odd.
        prob: Probability.
    """

    def transform(self, results: dict) -> dict:
        if not happens(self.prob):
            return results
        return {**results, "img": cv2.medianBlur(results["img"], self.ksize)}
