from .merger import merge
from .packer import is_packed, pack
from .source import BadFrameError, Source
from .verifier import verify

__all__ = ["BadFrameError", "Source", "is_packed", "merge", "pack", "verify"]
