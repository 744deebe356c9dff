from .backbones import MixVarGENet
from .data_preprocessors import BgrToYuv444, LaneDataPreprocessor
from .detectors import GaNet
from .heads import GaNetHead
from .losses import GaNetLoss, LaneFastFocalLoss
from .necks import GaNetNeck
from .post_process import GaNetDecoder
from .targets import GaNetTarget

__all__ = [
    "BgrToYuv444",
    "GaNet",
    "GaNetDecoder",
    "GaNetHead",
    "GaNetLoss",
    "GaNetNeck",
    "GaNetTarget",
    "LaneDataPreprocessor",
    "LaneFastFocalLoss",
    "MixVarGENet",
]
