from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.model import BaseModule
from torch import Tensor, nn

from ganet_mm.registry import MODELS, TASK_UTILS
from ganet_mm.structures import LaneDataSample

KEYPOINT_BIAS = -2.19  # sigmoid 0.1: few cells are keypoints, and the focal loss starts calm


@MODELS.register_module()
class GaNetHead(BaseModule):
    """Keypoint logits, start-point offsets and sub-cell offsets from the stride-8 map.

    ``forward`` is tensor maths only; targets and losses are in ``loss_by_feat``, decoding in
    ``predict_by_feat``. Those two are what the quantizer's tracer skips.

    Args:
        in_channels: Channels of the neck's stride-8 map.
        feat_channels: Channels between the two convolutions of a branch.
        target: Config of the target maker (``TASK_UTILS``).
        loss: Config of the losses (``MODELS``).
        decoder: Config of the decoder (``TASK_UTILS``).
        init_cfg: mmengine's initialisation config.
    """

    def __init__(
        self,
        in_channels: int = 32,
        feat_channels: int = 32,
        target: dict | None = None,
        loss: dict | None = None,
        decoder: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.kpts_branch = _make_branch(in_channels, feat_channels, 1)
        self.pts_offset_branch = _make_branch(in_channels, feat_channels, 2)
        self.int_offset_branch = _make_branch(in_channels, feat_channels, 2)
        nn.init.constant_(self.kpts_branch[-1].bias, KEYPOINT_BIAS)
        self.target = TASK_UTILS.build(target or dict(type="GaNetTarget"))
        self.losses = MODELS.build(loss or dict(type="GaNetLoss"))
        self.decoder = TASK_UTILS.build(decoder or dict(type="GaNetDecoder"))

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """The three raw maps; the logits have no sigmoid.

        Args:
            feats: The neck's maps, finest first; only the first, (B, C, h, w), is used.

        Returns:
            kpts_logits (B, 1, h, w), pts_offset (B, 2, h, w), int_offset (B, 2, h, w); offsets are
            x, y in cells.
        """
        x = feats[0]
        return self.kpts_branch(x), self.pts_offset_branch(x), self.int_offset_branch(x)

    def loss(
        self, feats: tuple[Tensor, ...], batch_data_samples: Sequence[LaneDataSample]
    ) -> dict[str, Tensor]:
        """Losses of one batch, see :meth:`loss_by_feat`."""
        kpts_logits, pts_offset, int_offset = self(feats)
        return self.loss_by_feat(kpts_logits, pts_offset, int_offset, batch_data_samples)

    def predict(
        self, feats: tuple[Tensor, ...], batch_data_samples: Sequence[LaneDataSample]
    ) -> list[LaneDataSample]:
        """Lanes of one batch, see :meth:`predict_by_feat`."""
        kpts_logits, pts_offset, int_offset = self(feats)
        return self.predict_by_feat(kpts_logits, pts_offset, int_offset, batch_data_samples)

    def loss_by_feat(
        self,
        kpts_logits: Tensor,
        pts_offset: Tensor,
        int_offset: Tensor,
        batch_data_samples: Sequence[LaneDataSample],
    ) -> dict[str, Tensor]:
        """Makes the targets of ``gt_lanes`` and compares.

        Args:
            kpts_logits: (B, 1, h, w).
            pts_offset: (B, 2, h, w).
            int_offset: (B, 2, h, w).
            batch_data_samples: B samples with ``gt_lanes`` in the network's input frame.

        Returns:
            Scalars ``loss_kpts_cls``, ``loss_pts_offset``, ``loss_int_offset``.
        """
        height, width = kpts_logits.shape[-2:]
        stride = self.target.hm_down_scale
        targets = self.target.get_targets(
            [sample.gt_lanes for sample in batch_data_samples],
            (height * stride, width * stride),
            kpts_logits.device,
        )
        return self.losses(kpts_logits, pts_offset, int_offset, targets)

    def predict_by_feat(
        self,
        kpts_logits: Tensor | np.ndarray,
        pts_offset: Tensor | np.ndarray,
        int_offset: Tensor | np.ndarray,
        batch_data_samples: Sequence[LaneDataSample],
    ) -> list[LaneDataSample]:
        """Decodes the maps and writes ``pred_lanes`` and ``pred_scores`` on every sample.

        Args:
            kpts_logits: (B, 1, h, w).
            pts_offset: (B, 2, h, w).
            int_offset: (B, 2, h, w).
            batch_data_samples: B samples with metainfo ``scale_factor`` and ``crop_offset`` (x, y).

        Returns:
            The same samples. ``pred_lanes``: list of float32 (N, 2) in the original picture,
            bottom to top; ``pred_scores``: list of float.

        Raises:
            KeyError: a sample lacks ``scale_factor`` or ``crop_offset``.
        """
        batch_lanes = self.decoder.decode(
            kpts_logits,
            pts_offset,
            int_offset,
            _collect_metainfo(batch_data_samples, "scale_factor"),
            _collect_metainfo(batch_data_samples, "crop_offset"),
        )
        for sample, lanes in zip(batch_data_samples, batch_lanes, strict=True):
            sample.pred_lanes = [points for points, _ in lanes]
            sample.pred_scores = [score for _, score in lanes]
        return list(batch_data_samples)


def _make_branch(in_channels: int, feat_channels: int, out_channels: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, feat_channels, 3, padding=1)
    out = nn.Conv2d(feat_channels, out_channels, 1)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(conv.bias)
    nn.init.normal_(out.weight, std=0.01)
    nn.init.zeros_(out.bias)
    return nn.Sequential(conv, nn.ReLU(inplace=True), out)


def _collect_metainfo(batch_data_samples: Sequence[LaneDataSample], key: str) -> np.ndarray:
    """Array (B, 2) of the metainfo ``key``."""
    values = [sample.get(key) for sample in batch_data_samples]
    for sample, value in zip(batch_data_samples, values, strict=True):
        if value is None:
            raise KeyError(
                f"data sample of {sample.metainfo.get('img_path', 'an unnamed picture')} has no "
                f"'{key}' in its metainfo: add it to meta_keys of PackLaneInputs"
            )
    return np.asarray(values, np.float64)
