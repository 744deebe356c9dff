from .architecture import QuantLaneDetector
from .distributed import QuantLaneDetectorDDP
from .fake_quant import ActivationFakeQuantize
from .observers import MSEObserver, PercentileObserver
from .quantizer import LaneQuantizer

__all__ = [
    "ActivationFakeQuantize",
    "LaneQuantizer",
    "MSEObserver",
    "PercentileObserver",
    "QuantLaneDetector",
    "QuantLaneDetectorDDP",
]
