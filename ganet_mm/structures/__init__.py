from .lane_data_sample import LaneDataSample

__all__ = ["LaneDataSample"]
