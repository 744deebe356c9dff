from .mixvargenet import MixVarGENet

__all__ = ["MixVarGENet"]
