from __future__ import annotations

from collections.abc import Sequence

from mmdet.models.detectors import BaseDetector
from torch import Tensor

from ganet_mm.registry import MODELS
from ganet_mm.structures import LaneDataSample


@MODELS.register_module()
class GaNet(BaseDetector):
    """A keypoint-based global association network for lanes (CVPR 2022, arXiv 2204.07335).

    ``forward(inputs, data_samples, mode)``: ``loss`` gives a dict of scalars, ``predict`` the data
    samples with lanes, ``tensor`` the head's three raw maps. ``inputs`` is what the data
    preprocessor makes: float32 (B, 3, H, W).

    Args:
        backbone: Config of the backbone; it gives maps of stride 8, 16, 32.
        neck: Config of the neck; its first output is the stride-8 map.
        head: Config of the head.
        data_preprocessor: Config of the data preprocessor.
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: data preprocessor and neck are set to different input sizes.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if isinstance(data_preprocessor, dict):
            # mmengine would look in its own registry, and find ours under a default scope only.
            data_preprocessor = MODELS.build(data_preprocessor)
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.head = MODELS.build(head)
        sizes = [
            getattr(module, "input_size", None) for module in (self.data_preprocessor, self.neck)
        ]
        if None not in sizes and sizes[0] != sizes[1]:
            raise ValueError(
                f"input_size differs: {sizes[0]} in data_preprocessor, {sizes[1]} in neck; "
                "set both to the size that the pipeline's Resize makes"
            )

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> the neck's maps, finest first."""
        return self.neck(self.backbone(batch_inputs))

    def loss(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[LaneDataSample]
    ) -> dict[str, Tensor]:
        """Scalars ``loss_kpts_cls``, ``loss_pts_offset``, ``loss_int_offset``."""
        return self.head.loss(self.extract_feat(batch_inputs), batch_data_samples)

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[LaneDataSample]
    ) -> list[LaneDataSample]:
        """The data samples, with ``pred_lanes`` and ``pred_scores`` in the original picture."""
        return self.head.predict(self.extract_feat(batch_inputs), batch_data_samples)

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: Sequence[LaneDataSample] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """kpts_logits (B, 1, H/8, W/8), pts_offset (B, 2, …), int_offset (B, 2, …)."""
        return self.head(self.extract_feat(batch_inputs))
