"""GaNet lane detection for OpenMMLab: from CULane pictures to an integer model."""

from . import compat  # noqa: F401  (first: it lets mmdet and mmrazor import)
from .version import __version__

__all__ = ["__version__"]
