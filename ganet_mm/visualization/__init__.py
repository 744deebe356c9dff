from .lane_visualizer import LaneVisualizer

__all__ = ["LaneVisualizer"]
