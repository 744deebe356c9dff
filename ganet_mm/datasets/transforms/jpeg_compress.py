from __future__ import annotations

import cv2
from mmcv.transforms import BaseTransform

from ganet_mm.registry import TRANSFORMS

from .chance import check_prob, happens, integer


@TRANSFORMS.register_module()
class JPEGCompress(BaseTransform):
    """Encodes the picture as JPEG and decodes it again.

    Required Keys: img

    Modified Keys: img

    Args:
        quality: Lowest and highest JPEG quality, 1..100, both included.
        prob: Probability.
    """

    def __init__(self, quality: tuple[int, int] = (85, 95), prob: float = 0.2) -> None:
        low, high = quality
        if not 1 <= low <= high <= 100:
            raise ValueError(f"quality={quality}; expected (low, high) within 1..100")
        self.quality, self.prob = (low, high), check_prob(prob)

    def transform(self, results: dict) -> dict:
        if not happens(self.prob):
            return results
        options = [cv2.IMWRITE_JPEG_QUALITY, integer(*self.quality)]
        _, data = cv2.imencode(".jpg", results["img"], options)
        return {**results, "img": cv2.imdecode(data, cv2.IMREAD_COLOR)}

    def __repr__(self) -> str:
        return f"JPEGCompress(quality={self.quality}, prob={self.prob})"
