from __future__ import annotations

import torch
from mmengine.dist import all_gather, broadcast, get_rank
from mmengine.model import MMDistributedDataParallel

from ganet_mm.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class QuantLaneDetectorDDP(MMDistributedDataParallel):
    """A :class:`.QuantLaneDetector` in several processes, for mmrazor's calibration and QAT loops.

    The processes must agree on the quantization parameters, or each would validate another
    network than the one that process 0 saves. DDP averages gradients only; observers, scales and
    batch norm statistics are buffers. So:

    - calibration shows every process's batch to every process's observers, and all processes
      arrive at the ranges of one process that saw all batches;
    - in QAT each step starts from process 0's buffers (DDP's ``broadcast_buffers``), and at an
      epoch's end all take process 0's, before they are validated and saved.

    mmrazor's ``MMArchitectureQuantDDP`` supposes a GPU in every process, and traces the graphs
    again, which a :class:`.QuantLaneDetector` does not need.

    Args:
        module: The detector, on the process's device.
        kwargs: As for ``torch.nn.parallel.DistributedDataParallel``; on the CPU ``device_ids``
            must be None.
    """

    def __init__(self, module: torch.nn.Module, **kwargs) -> None:
        super().__init__(module, **{**kwargs, "broadcast_buffers": True})

    def calibrate_step(self, data) -> tuple[torch.Tensor, ...]:
        """Shows this process's batch and the others', in the order of their ranks, to the
        observers; the batches must be equally large.

        Returns:
            The three maps of this process's batch.
        """
        pictures = self.module.data_preprocessor.cast_data(torch.stack(list(data["inputs"])))
        # One after the other: all together would need the memory of as many times the batch.
        maps = [self.module.calibrate_step(dict(inputs=part)) for part in all_gather(pictures)]
        return maps[get_rank()]

    def sync_qparams(self, src_mode: str) -> None:
        """Called by mmrazor's loops after an epoch: all processes take process 0's buffers."""
        for buffer in self.module.buffers():
            broadcast(buffer, src=0)
