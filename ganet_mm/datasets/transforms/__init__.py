from .blur import MeanBlur, MedianBlur
from .colour import HueSaturationValue, RandomBrightnessContrast, RGBShift
from .formatting import PackLaneInputs
from .geometric import FixedCrop, RandomFlip, Resize
from .jpeg_compress import JPEGCompress
from .loading import DecodeImage
from .random_select_one import RandomSelectOne
from .warp import RandomResizedCrop, ShiftScaleRotate, WarpOnce

__all__ = [
    "DecodeImage",
    "FixedCrop",
    "HueSaturationValue",
    "JPEGCompress",
    "MeanBlur",
    "MedianBlur",
    "PackLaneInputs",
    "RGBShift",
    "RandomBrightnessContrast",
    "RandomFlip",
    "RandomResizedCrop",
    "RandomSelectOne",
    "Resize",
    "ShiftScaleRotate",
    "WarpOnce",
]
