from .culane_metric import CuLaneMetric
from .tusimple_metric import TuSimpleMetric

__all__ = ["CuLaneMetric", "TuSimpleMetric"]
