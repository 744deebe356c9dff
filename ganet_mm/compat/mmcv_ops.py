"""mmcv-lite beside mmdet: a stand-in for the compiled module ``mmcv._ext``.

mmdet imports ``mmcv.ops`` as a whole, and that imports the compiled ``mmcv._ext``. A full mmcv has
no wheel for current torch, ``mmcv-lite`` ships the Python half of the ops only, and GaNet calls
none of them. The stand-in lets the imports through and raises when an op is really called.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types


def _missing_op(name: str):
    def op(*args, **kwargs):
        raise RuntimeError(
            f"mmcv's compiled op '{name}' was called, but only mmcv-lite is installed. "
            "GaNet needs none of these ops; for a model that does, uninstall mmcv-lite and "
            "install a full mmcv (>=2.0.0rc4,<2.2.0) built for this torch."
        )

    op.__name__ = name
    return op


class _PlaceholderExt(types.ModuleType):
    """Every attribute but dunders is a function that raises on call."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return _missing_op(name)


def install_mmcv_ext_placeholder() -> bool:
    """Puts the stand-in at ``mmcv._ext`` unless a real one exists; True if it was put.

    Raises:
        ImportError: neither mmcv nor mmcv-lite is installed.
    """
    if importlib.util.find_spec("mmcv") is None:
        raise ImportError(
            "ganet_mm needs mmcv: `pip install mmcv-lite==2.1.0` (nothing compiled, enough for "
            "GaNet), or a full `mmcv>=2.0.0rc4,<2.2.0` if other models of yours use its ops."
        )
    if "mmcv._ext" in sys.modules:
        return isinstance(sys.modules["mmcv._ext"], _PlaceholderExt)
    if importlib.util.find_spec("mmcv._ext") is not None:
        return False
    module = _PlaceholderExt("mmcv._ext")
    module.__spec__ = importlib.machinery.ModuleSpec("mmcv._ext", loader=None)
    sys.modules["mmcv._ext"] = module
    return True
