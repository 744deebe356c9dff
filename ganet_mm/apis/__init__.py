from .lane_inferencer import LaneInferencer

__all__ = ["LaneInferencer"]
