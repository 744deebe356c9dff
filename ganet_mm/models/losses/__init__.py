from .ganet_loss import GaNetLoss
from .lane_fast_focal_loss import PROBABILITY_EPS, LaneFastFocalLoss

__all__ = ["PROBABILITY_EPS", "GaNetLoss", "LaneFastFocalLoss"]
