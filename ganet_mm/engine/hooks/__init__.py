from .checkpoint_hook import CheckpointHook
from .early_stopping_hook import EarlyStoppingHook
from .ema_hook import EMAHook
from .lane_visualization_hook import LaneVisualizationHook
from .report_hook import ReportHook

__all__ = [
    "CheckpointHook",
    "EMAHook",
    "EarlyStoppingHook",
    "LaneVisualizationHook",
    "ReportHook",
]
