from .ganet_target import GaNetTarget

__all__ = ["GaNetTarget"]
