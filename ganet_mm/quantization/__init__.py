from .architecture import QuantLaneDetector
from .distributed import QuantLaneDetectorDDP
from .fake_quant import ActivationFakeQuantize
from .observers import MSEObserver, PercentileObserver
from .lsq_loop import LSQEpochBasedLoop
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
