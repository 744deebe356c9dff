from .architecture import QuantLaneDetector
from .quantizer import LaneQuantizer

__all__ = ["LaneQuantizer", "QuantLaneDetector"]
