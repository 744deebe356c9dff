from .architecture import QuantLaneDetector
from .distributed import QuantLaneDetectorDDP
from .observers import MSEObserver, PercentileObserver
from .quantizer import LaneQuantizer

__all__ = [
    "LaneQuantizer",
    "MSEObserver",
    "PercentileObserver",
    "QuantLaneDetector",
    "QuantLaneDetectorDDP",
]
