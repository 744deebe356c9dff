from __future__ import annotations

import torch
from torch import Tensor, nn

from ganet_mm.registry import MODELS

# Probabilities keep this from 0 and 1: logits beyond ±9.2 all give the same number.
PROBABILITY_EPS = 1e-4


@MODELS.register_module()
class LaneFastFocalLoss(nn.Module):
    """Focal loss of a Gaussian keypoint map (CornerNet's, arXiv 1808.01244, eq. 1).

    ``−1/Npos · [Σ_{y=1} (1−p)^α log p + Σ_{y<1} (1−y)^γ p^α log(1−p)]`` with ``p`` the clamped
    sigmoid and ``Npos`` the number of cells with y = 1 in the whole batch of this device. With
    ``Npos ≤ 2`` the loss is 0, but still a part of the autograd graph, so that every parameter
    gets a gradient and distributed training does not wait for ever.

    Args:
        alpha: Power that plays down easy cells.
        gamma: Power that plays down the neighbours of a keypoint.
        loss_weight: Factor of the result.
    """

    def __init__(self, alpha: float = 2.0, gamma: float = 4.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.gamma = gamma
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, heatmap: Tensor) -> Tensor:
        """Scalar loss, float32.

        Args:
            logits: (B, 1, h, w), before the sigmoid; computed in float32 whatever comes in.
            heatmap: (B, 1, h, w) in 0..1, exactly 1 at keypoints.
        """
        p = logits.float().sigmoid().clamp(PROBABILITY_EPS, 1 - PROBABILITY_EPS)
        positive = heatmap == 1
        at_keypoint = (1 - p) ** self.alpha * p.log()
        elsewhere = (1 - heatmap) ** self.gamma * p**self.alpha * (1 - p).log()
        num_positive = positive.sum()
        total = torch.where(positive, at_keypoint, elsewhere).sum()
        # No branch on a tensor's value: the zero stays in the graph and the GPU is not waited for.
        scale = (num_positive > 2) / num_positive.clamp(min=1)
        return -self.loss_weight * scale * total
