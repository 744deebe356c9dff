from .bgr_to_yuv444 import BgrToYuv444
from .lane_data_preprocessor import LaneDataPreprocessor

__all__ = ["BgrToYuv444", "LaneDataPreprocessor"]
