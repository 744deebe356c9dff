"""Other packages' version troubles, and the only room that knows them."""

from .mmcv_ops import install_mmcv_ext_placeholder
from .mmrazor_torch2 import install_mmrazor_measures
from .safe_load import make_checkpoints_safe
from .versions import warn_if_untested

warn_if_untested()
install_mmcv_ext_placeholder()
install_mmrazor_measures()
make_checkpoints_safe()
