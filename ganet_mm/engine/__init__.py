from . import file_backend  # noqa: F401  (mmengine's files are written whole from here on)
from .cpu_amp import CpuAmpOptimWrapper  # noqa: F401
from .hooks import *  # noqa: F403
