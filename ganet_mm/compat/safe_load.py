"""mmengine's checkpoints under ``torch.load(weights_only=True)``, torch's default since 2.6.

Beside tensors, a Runner's checkpoint holds the message hub's ``HistoryBuffer`` objects and numpy
arrays. mmengine 0.10.7 pickles each buffer with a dict of bound functions, which would force
``builtins.getattr`` onto the allow-list and so open it to everything; its ``__setstate__`` fills
the dict again by itself, so the buffer is pickled without it. A ``OneCycleParamScheduler`` keeps
its annealing function in its state and is treated alike.
"""

from __future__ import annotations

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler


def _state_without_functions(buffer: HistoryBuffer) -> dict:
    return {key: value for key, value in vars(buffer).items() if key != "statistics_methods"}


def _scheduler_state_without_functions(scheduler: OneCycleParamScheduler) -> dict:
    left_out = ("optimizer", "anneal_func")
    return {key: value for key, value in vars(scheduler).items() if key not in left_out}


def make_checkpoints_safe() -> None:
    """Slims those two states and allows, by name, the plain data classes that are left."""
    HistoryBuffer.__getstate__ = _state_without_functions
    OneCycleParamScheduler.state_dict = _scheduler_state_without_functions
    dtypes = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u4", "u8", "u1", "bool")]
    multiarray = np._core.multiarray
    torch.serialization.add_safe_globals(
        [HistoryBuffer, np.ndarray, np.dtype, *dtypes, multiarray._reconstruct, multiarray.scalar]
    )
