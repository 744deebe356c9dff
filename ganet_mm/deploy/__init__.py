from .deployed_detector import DeployedLaneDetector

__all__ = ["DeployedLaneDetector"]
