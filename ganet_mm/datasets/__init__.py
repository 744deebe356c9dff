from .culane_dataset import CuLaneDataset
from .transforms import *  # noqa: F403  (registers the transforms)

__all__ = ["CuLaneDataset"]
