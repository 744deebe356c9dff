from .ganet_loss import GaNetLoss
from .lane_fast_focal_loss import LaneFastFocalLoss, clamped_sigmoid

__all__ = ["GaNetLoss", "LaneFastFocalLoss", "clamped_sigmoid"]
