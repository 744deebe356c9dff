from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from mmengine.config import ConfigDict

from ..registry import TRANSFORMS

Crop = tuple[int, int, "int | None", "int | None"]

# After these the picture has the size that the config says, whatever size it came in.
_FIXING_THE_SIZE = {"Resize", "RandomResizedCrop"}


def scaled_crop(crop: Crop, frame_size: tuple[int, int], shape: tuple[int, int]) -> Crop:
    """The same part of another picture.

    Args:
        crop: x, y, width, height in pixels of a frame of ``frame_size``; a width or height of None
            reaches to the frame's edge.
        frame_size: (height, width) of the frame that the crop was made for.
        shape: (height, width) of the picture at hand.

    Returns:
        x, y, width, height in pixels of that picture, on whole pixels and inside it. The crop
        itself where the sizes agree.
    """
    if tuple(shape) == tuple(frame_size):
        return crop
    left, width = _scaled_side(crop[0], crop[2], frame_size[1], shape[1])
    top, height = _scaled_side(crop[1], crop[3], frame_size[0], shape[0])
    return left, top, width, height


def _scaled_side(start: int, length: int | None, frame: int, side: int) -> tuple[int, int]:
    end = frame if length is None else start + length
    first = min(round(start * side / frame), side - 1)
    last = min(max(round(end * side / frame), first + 1), side)
    return first, last - first


def frame_of_crop(crop: Crop) -> tuple[int, int] | None:
    """The (height, width) of the frame a crop was made for, where nothing else says it.

    The crop is taken to be centred between the left and right border and to end at the lower one,
    as CULane's (0, 270, 1640, 320) does in 1640×590. None where width or height are left to the
    picture: such a crop tells nothing about its frame.

    Args:
        crop: x, y, width, height in pixels of the frame, so of a crop that stands before resizing.
    """
    x, y, width, height = crop
    return None if width is None or height is None else (y + height, 2 * x + width)


def _before_resizing(transforms: Sequence[dict]) -> list[dict]:
    return list(itertools.takewhile(lambda cfg: cfg["type"] not in _FIXING_THE_SIZE, transforms))


class PicturePipeline:
    """A config's test pipeline for pictures in memory and of any size.

    A picture of the frame size that the config was made for goes through exactly the test
    pipeline. In another picture a ``FixedCrop`` takes the same part of it, by :func:`scaled_crop`;
    everything after works on the crop, and the decoder gives back pixels of the picture at hand. A
    ``FixedCrop`` after the first ``Resize`` or ``RandomResizedCrop`` is taken as written: it is in
    pixels of the resized picture, whose size is always the same.

    Args:
        transforms: the test pipeline's transform configs; the first is ``DecodeImage``.
        frame_size: (height, width) that a ``FixedCrop`` before resizing is for, by default
            :func:`frame_of_crop`. Where that knows none either, the crop is used as written.

    Raises:
        ValueError: the pipeline does not begin with ``DecodeImage``, or crops twice before it
            resizes: the second crop would be in pixels of the first, whose size depends on the
            picture.
    """

    def __init__(
        self, transforms: Sequence[dict], frame_size: tuple[int, int] | None = None
    ) -> None:
        if not transforms or transforms[0]["type"] != "DecodeImage":
            first = transforms[0]["type"] if transforms else "nothing"
            raise ValueError(
                f"a test pipeline must begin with DecodeImage, which pictures in memory skip; this "
                f"one begins with {first}"
            )
        crops = sum(cfg["type"] == "FixedCrop" for cfg in _before_resizing(transforms))
        if crops > 1:
            raise ValueError(
                f"{crops} FixedCrop before resizing: for pictures of other sizes only one can be "
                "scaled; write one that takes the part that they take together"
            )
        self._configs = [ConfigDict(transform) for transform in transforms]
        self._frame_size = frame_size
        self._built: dict[tuple[int, int], list[Callable]] = {}

    def __call__(self, img: np.ndarray, img_path: str = "", sample_idx: int = 0) -> dict:
        """Prepares one picture.

        Args:
            img: (H, W, 3) uint8, BGR.
            img_path: its name in the data sample.
            sample_idx: its number in the data sample.

        Returns:
            dict: ``inputs`` (3, h, w) uint8 BGR tensor of the network's size, ``data_samples``.
        """
        shape = img.shape[:2]
        if shape not in self._built:
            self._built[shape] = [TRANSFORMS.build(cfg) for cfg in self._for_shape(shape)]
        results = {
            "img_path": img_path,
            "sample_idx": sample_idx,
            "category": None,
            "gt_lanes_ori": [],
            "gt_lanes": [],
            "img": img,
            "img_shape": shape,
            "ori_shape": shape,
            "crop_offset": (0.0, 0.0),
            "scale_factor": (1.0, 1.0),
            "matrix": np.eye(3),
        }
        for transform in self._built[shape]:
            results = transform(results)
        return results

    def _for_shape(self, shape: tuple[int, int]) -> list[ConfigDict]:
        """The transform configs after DecodeImage for pictures of ``shape`` (height, width)."""
        configs = []
        before = len(_before_resizing(self._configs))
        for position, cfg in enumerate(self._configs[1:], start=1):
            if cfg["type"] == "FixedCrop" and position < before:
                crop = (cfg.get("x", 0), cfg.get("y", 0), cfg.get("w"), cfg.get("h"))
                frame_size = self._frame_size or frame_of_crop(crop)
                if frame_size is not None:
                    scaled = scaled_crop(crop, frame_size, shape)
                    cfg = ConfigDict({**cfg, **dict(zip("xywh", scaled, strict=True))})
            configs.append(cfg)
        return configs
