from .ganet import GaNet

__all__ = ["GaNet"]
