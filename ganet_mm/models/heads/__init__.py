from .ganet_head import GaNetHead

__all__ = ["GaNetHead"]
