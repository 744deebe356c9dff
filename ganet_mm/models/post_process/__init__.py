from .ganet_decoder import GaNetDecoder

__all__ = ["GaNetDecoder"]
