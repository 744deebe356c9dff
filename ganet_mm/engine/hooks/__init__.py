from .lane_visualization_hook import LaneVisualizationHook

__all__ = ["LaneVisualizationHook"]
