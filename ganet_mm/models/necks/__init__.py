from .ganet_neck import GaNetNeck

__all__ = ["GaNetNeck"]
