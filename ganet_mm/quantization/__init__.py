from .architecture import QuantLaneDetector
from .distributed import QuantLaneDetectorDDP
from .fake_quant import ActivationFakeQuantize
from .lsq_loop import LSQEpochBasedLoop
from .observers import MSEObserver, PercentileObserver
from .quantizer import LaneQuantizer

__all__ = [
    "ActivationFakeQuantize",
    "LSQEpochBasedLoop",
    "LaneQuantizer",
    "MSEObserver",
    "PercentileObserver",
    "QuantLaneDetector",
    "QuantLaneDetectorDDP",
]
