from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ganet_mm.registry import TRANSFORMS

from .chance import check_prob, check_range, happens, integer, uniform
from .movement import moved, scaling, translation


def warp(img: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``img`` resampled so that a pixel at p comes to lie at ``matrix`` · p; bilinear, zero border.

    Args:
        img: (H, W, 3) uint8.
        matrix: 3×3 affine, coordinates of pixel centres as the lanes'.
        size: Height and width of the result.
    """
    # With a fourth channel OpenCV's warp takes half the time, and gives the same pixels.
    padded = cv2.cvtColor(img, cv2.COLOR_BGR2BGRA)
    warped = cv2.warpAffine(padded, matrix[:2], size[::-1], flags=cv2.INTER_LINEAR)
    return cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR)


def shift_scale_rotation(
    shape: tuple[int, int], shift: tuple[float, float], scale: float, angle: float
) -> np.ndarray:
    """3×3 matrix of a rotation and scaling about the picture's centre, then a shift.

    Args:
        shape: Height and width of the picture.
        shift: x and y, as fractions of width and height.
        scale: Factor.
        angle: Degrees, counter-clockwise as seen.
    """
    height, width = shape
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    cos, sin = (scale * f(math.radians(angle)) for f in (math.cos, math.sin))
    rotation = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return (
        translation(centre_x + shift[0] * width, centre_y + shift[1] * height)
        @ rotation
        @ translation(-centre_x, -centre_y)
    )


class RandomWarp(BaseTransform):
    """Base of transforms that resample the picture by a random affine matrix.

    Args:
        prob: Probability.
    """

    def __init__(self, prob: float) -> None:
        self.prob = check_prob(prob)

    @abstractmethod
    def draw(self, shape: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
        """A random movement of a picture of ``shape`` (height, width).

        Returns:
            tuple: 3×3 float64 matrix from the picture's coordinates to the result's, and the
            result's (height, width).
        """

    def transform(self, results: dict) -> dict:
        if not happens(self.prob):
            return results
        matrix, size = self.draw(results["img"].shape[:2])
        return moved(results, warp(results["img"], matrix, size), matrix)


@TRANSFORMS.register_module()
class ShiftScaleRotate(RandomWarp):
    """Rotates and scales about the centre and shifts, in one resampling; zero border.

    Required Keys: img, gt_lanes, matrix

    Modified Keys: img, gt_lanes, matrix

    Args:
        shift: Range of the shift as a fraction of width and height: (low, high), or one number
            for both signs; x and y drawn apart.
        scale: Lowest and highest factor.
        angle: Range of the angle in degrees, like ``shift``.
        prob: Probability.
    """

    def __init__(
        self, shift=0.1, scale: tuple[float, float] = (0.8, 1.2), angle=10, prob: float = 0.6
    ) -> None:
        super().__init__(prob)
        self.shift, self.angle = check_range("shift", shift), check_range("angle", angle)
        self.scale = check_range("scale", tuple(scale))
        if self.scale[0] <= 0:
            raise ValueError(f"scale={scale}; expected positive factors (low, high)")

    def draw(self, shape: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
        shift = uniform(*self.shift), uniform(*self.shift)
        matrix = shift_scale_rotation(shape, shift, uniform(*self.scale), uniform(*self.angle))
        return matrix, shape

    def __repr__(self) -> str:
        return (
            f"ShiftScaleRotate(shift={self.shift}, scale={self.scale}, angle={self.angle}, "
            f"prob={self.prob})"
        )


@TRANSFORMS.register_module()
class RandomResizedCrop(RandomWarp):
    """Cuts out a random rectangle and resizes it.

    Ten rectangles are tried; if none fits into the picture, the whole picture is resized.

    Required Keys: img, gt_lanes, matrix

    Modified Keys: img, img_shape, gt_lanes, matrix

    Args:
        size: Height and width of the result.
        area: Lowest and highest area as a fraction of the picture's.
        aspect: Lowest and highest width to height; log-uniform.
        prob: Probability.
    """

    tries = 10

    def __init__(
        self,
        size: tuple[int, int],
        area: tuple[float, float] = (0.8, 1.2),
        aspect: tuple[float, float] = (1.7, 2.7),
        prob: float = 0.6,
    ) -> None:
        super().__init__(prob)
        self.size = tuple(size)
        self.area = check_range("area", tuple(area))
        self.aspect = check_range("aspect", tuple(aspect))
        if self.area[0] <= 0 or self.aspect[0] <= 0:
            raise ValueError(f"area={area}, aspect={aspect}; expected positive numbers")

    def _rectangle(self, height: int, width: int) -> tuple[int, int, int, int]:
        """x, y, w, h of a random rectangle within the picture."""
        for _ in range(self.tries):
            area = height * width * uniform(*self.area)
            aspect = math.exp(uniform(*map(math.log, self.aspect)))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return integer(0, width - w), integer(0, height - h), w, h
        return 0, 0, width, height

    def draw(self, shape: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
        x, y, w, h = self._rectangle(*shape)
        matrix = scaling(self.size[1] / w, self.size[0] / h) @ translation(-x, -y)
        return matrix, self.size

    def __repr__(self) -> str:
        return (
            f"RandomResizedCrop(size={self.size}, area={self.area}, aspect={self.aspect}, "
            f"prob={self.prob})"
        )


@TRANSFORMS.register_module()
class WarpOnce(BaseTransform):
    """Several random warps in one resampling: faster than one after the other, and less blurred.

    The numbers drawn, and so the lanes' movement, are the same as of the sequence.

    Required Keys: img, gt_lanes, matrix

    Modified Keys: img, img_shape, gt_lanes, matrix

    Args:
        transforms: Configs or objects of ``ShiftScaleRotate`` and ``RandomResizedCrop``.
    """

    def __init__(self, transforms: Sequence[dict | RandomWarp]) -> None:
        self.transforms = [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in transforms]
        for transform in self.transforms:
            if not isinstance(transform, RandomWarp):
                raise TypeError(
                    f"{type(transform).__name__} is no warp; WarpOnce takes ShiftScaleRotate and "
                    "RandomResizedCrop: put it before or after"
                )

    def transform(self, results: dict) -> dict:
        size = results["img"].shape[:2]
        matrix = None
        for transform in self.transforms:
            if happens(transform.prob):
                step, size = transform.draw(size)
                matrix = step if matrix is None else step @ matrix
        if matrix is None:
            return results
        return moved(results, warp(results["img"], matrix, size), matrix)

    def __repr__(self) -> str:
        return f"WarpOnce(transforms={self.transforms})"
