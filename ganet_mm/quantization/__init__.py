from .architecture import QuantLaneDetector
from .observers import MSEObserver, PercentileObserver
from .quantizer import LaneQuantizer

__all__ = ["LaneQuantizer", "MSEObserver", "PercentileObserver", "QuantLaneDetector"]
