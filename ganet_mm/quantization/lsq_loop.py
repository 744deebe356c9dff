from __future__ import annotations

import torch
from mmrazor.engine import LSQEpochBasedLoop as MMRazorLSQEpochBasedLoop

from ganet_mm.registry import LOOPS


@LOOPS.register_module()
class LSQEpochBasedLoop(MMRazorLSQEpochBasedLoop):
    """mmrazor's loop of the same name, whose learned step sizes outlive ``--resume``.

    The first batch of a training sets the scales. mmrazor takes the first batch after a resumption
    for that as well, and what was learned is lost.
    """

    def run(self) -> torch.nn.Module:
        """Trains; the runner has loaded what it resumes from by now."""
        self.is_first_batch = self.iter == 0
        return super().run()
