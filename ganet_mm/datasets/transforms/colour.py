from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ganet_mm.registry import TRANSFORMS

from .chance import check_prob, check_range, happens, uniform

_HUES = np.arange(256)


@TRANSFORMS.register_module()
class RGBShift(BaseTransform):
    """Adds a random number to each colour channel.

    Required Keys: img

    Modified Keys: img

    Args:
        r, g, b: Range of each channel's shift in grey levels: (low, high), or one number for
            both signs.
        prob: Probability.
    """

    def __init__(self, r=10, g=10, b=10, prob: float = 1.0) -> None:
        self.r, self.g, self.b = check_range("r", r), check_range("g", g), check_range("b", b)
        self.prob = check_prob(prob)

    def transform(self, results: dict) -> dict:
        if not happens(self.prob):
            return results
        shift = [uniform(*limits) for limits in (self.b, self.g, self.r)]
        return {**results, "img": cv2.add(results["img"], (*shift, 0))}

    def __repr__(self) -> str:
        return f"RGBShift(r={self.r}, g={self.g}, b={self.b}, prob={self.prob})"


@TRANSFORMS.register_module()
class HueSaturationValue(BaseTransform):
    """Shifts hue (modulo 180), saturation and value in OpenCV's 8-bit HSV.

    Required Keys: img

    Modified Keys: img

    Args:
        hue, saturation, value: Range of each shift: (low, high), or one number for both signs.
            Hue in OpenCV's units of 2°.
        prob: Probability.
    """

    def __init__(self, hue=10, saturation=15, value=10, prob: float = 1.0) -> None:
        self.hue = check_range("hue", hue)
        self.saturation = check_range("saturation", saturation)
        self.value = check_range("value", value)
        self.prob = check_prob(prob)

    def transform(self, results: dict) -> dict:
        if not happens(self.prob):
            return results
        turn = round(uniform(*self.hue))
        shift = uniform(*self.saturation), uniform(*self.value)
        hue, *others = cv2.split(cv2.cvtColor(results["img"], cv2.COLOR_BGR2HSV))
        hue = cv2.LUT(hue, ((_HUES + turn) % 180).astype(np.uint8))
        hsv = cv2.add(cv2.merge([hue, *others]), (0, *shift, 0))
        return {**results, "img": cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)}

    def __repr__(self) -> str:
        return (
            f"HueSaturationValue(hue={self.hue}, saturation={self.saturation}, "
            f"value={self.value}, prob={self.prob})"
        )


@TRANSFORMS.register_module()
class RandomBrightnessContrast(BaseTransform):
    """Scales and shifts all grey levels: v' = v · (1 + c) + b · 255.

    Required Keys: img

    Modified Keys: img

    Args:
        brightness: Range of b: (low, high), or one number for both signs.
        contrast: Range of c, likewise. Default: no change of contrast.
        prob: Probability.
    """

    def __init__(self, brightness=0.2, contrast=0.0, prob: float = 0.5) -> None:
        self.brightness = check_range("brightness", brightness)
        self.contrast = check_range("contrast", contrast)
        self.prob = check_prob(prob)

    def transform(self, results: dict) -> dict:
        if not happens(self.prob):
            return results
        gain, shift = 1 + uniform(*self.contrast), 255 * uniform(*self.brightness)
        img = results["img"]
        return {**results, "img": cv2.addWeighted(img, gain, img, 0, shift)}

    def __repr__(self) -> str:
        return (
            f"RandomBrightnessContrast(brightness={self.brightness}, contrast={self.contrast}, "
            f"prob={self.prob})"
        )
