from __future__ import annotations

from torch import Tensor, nn

from ganet_mm.registry import MODELS


@MODELS.register_module()
class GaNetLoss(nn.Module):
    """The three losses of GaNet (arXiv 2204.07335, sec. 3.4, with the weights of the recipe).

    Offsets: ``weight · Σ m·|prediction − target| / (#{m ≠ 0} + 1e-4)``, where the mask ``m`` has 2
    channels for the start-point offset and 1 (for both coordinates) for the sub-cell offset.

    Args:
        loss_kpts_cls: Config of the keypoint loss.
        loss_pts_offset: Config of the start-point offset's loss; called as
            ``loss(prediction, target, weight=mask, avg_factor=count)``, like mmdet's losses.
        loss_int_offset: Config of the sub-cell offset's loss, called the same way.
    """

    def __init__(
        self,
        loss_kpts_cls: dict | None = None,
        loss_pts_offset: dict | None = None,
        loss_int_offset: dict | None = None,
    ) -> None:
        super().__init__()
        self.kpts_cls = MODELS.build(loss_kpts_cls or dict(type="LaneFastFocalLoss"))
        self.pts_offset = MODELS.build(
            loss_pts_offset or dict(type="mmdet.L1Loss", loss_weight=0.5)
        )
        self.int_offset = MODELS.build(
            loss_int_offset or dict(type="mmdet.L1Loss", loss_weight=1.0)
        )

    def forward(
        self,
        kpts_logits: Tensor,
        pts_offset: Tensor,
        int_offset: Tensor,
        targets: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """Losses of one batch, in float32 also under autocast.

        Args:
            kpts_logits: (B, 1, h, w).
            pts_offset: (B, 2, h, w), x and y in cells.
            int_offset: (B, 2, h, w), x and y in cells.
            targets: What ``GaNetTarget.get_targets`` gives, on the predictions' device.

        Returns:
            Scalars ``loss_kpts_cls``, ``loss_pts_offset``, ``loss_int_offset``. Each depends on
            its prediction in the graph even when the batch has no lane.
        """
        return dict(
            loss_kpts_cls=self.kpts_cls(kpts_logits, targets["gt_kpts_hm"]),
            loss_pts_offset=_masked(
                self.pts_offset, pts_offset, targets["pts_offset"], targets["pts_offset_mask"]
            ),
            loss_int_offset=_masked(
                self.int_offset, int_offset, targets["int_offset"], targets["int_offset_mask"]
            ),
        )


def _masked(loss: nn.Module, prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    count = (mask != 0).sum() + 1e-4
    return loss(prediction.float(), target, weight=mask, avg_factor=count)
