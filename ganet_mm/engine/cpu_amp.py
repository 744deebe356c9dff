"""Mixed precision on the CPU."""

from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper

from ganet_mm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Trains with bfloat16 activations on the CPU; weights and updates stay float32.

    ``AmpOptimWrapper`` of mmengine runs on accelerators only. bfloat16 has float32's range, so the
    loss needs no scaling. It pays on processors with AVX512-BF16 or AMX.
    """

    @contextmanager
    def optim_context(self, model: torch.nn.Module):
        """Forward passes inside run in bfloat16 where that is safe."""
        with super().optim_context(model), torch.autocast("cpu", torch.bfloat16):
            yield
