from __future__ import annotations

import torch
from mmrazor.models import MMArchitectureQuant
from torch.ao.quantization import FakeQuantizeBase, HistogramObserver, ObserverBase

from ganet_mm.registry import MODELS


@MODELS.register_module()
class QuantLaneDetector(MMArchitectureQuant):
    """A lane detector under fake quantization, in the form mmrazor's PTQ and QAT loops drive.

    mmrazor traces one graph for each forward mode and copies the quantization parameters between
    them after every epoch. Our modes share everything up to the head's three maps, so here one
    graph, that of mode ``tensor``, serves all; the head's ``loss_by_feat`` and
    ``predict_by_feat`` run outside it. Nothing is left to copy, and the checkpoint holds one set
    of parameters.

    Args:
        architecture: Config of the float detector, without its data preprocessor.
        quantizer: Config of an mmrazor quantizer.
        data_preprocessor: Config of the float detector's data preprocessor; its ``input_size``
            (height, width) sets the shape that the graph is traced with.
        float_checkpoint: File of the float weights to start from.
    """

    def __init__(
        self,
        architecture: dict,
        quantizer: dict,
        data_preprocessor: dict,
        float_checkpoint: str | None = None,
    ) -> None:
        super().__init__(
            architecture=architecture,
            quantizer=quantizer,
            data_preprocessor=data_preprocessor,
            forward_modes=("tensor",),
            float_checkpoint=float_checkpoint,
            input_shapes=(1, 3, *data_preprocessor["input_size"]),
        )

    @property
    def graph(self) -> torch.fx.GraphModule:
        """The observed graph: network input (B, 3, H, W) to the head's three maps."""
        return self.qmodels["tensor"]

    def forward(self, inputs, data_samples=None, mode: str = "tensor"):
        """As the float detector's: the maps, the losses or the data samples with lanes."""
        maps = self.graph(inputs, data_samples, "tensor")
        if mode == "tensor":
            return maps
        head = self.architecture.head
        if mode == "loss":
            return head.loss_by_feat(*maps, data_samples)
        if mode == "predict":
            return head.predict_by_feat(*maps, data_samples)
        raise RuntimeError(f"mode '{mode}' is unknown; choose tensor, loss or predict")

    def calibrate_step(self, data) -> tuple[torch.Tensor, ...]:
        """Shows one batch to the observers; lanes are not decoded."""
        inputs = self.data_preprocessor(data, False)["inputs"]
        return self(inputs, mode="tensor")

    def sync_qparams(self, src_mode: str) -> None:
        """mmrazor's loops call this after an epoch; with one graph there is nothing to copy."""

    def reset_observer_and_fakequant_statistics(self, model: torch.nn.Module) -> None:
        """Forgets what the tracing's random input left in observers and fake quantizers.

        mmrazor's own resets min-max observers only; a histogram or an average would keep the
        random input's range for good.
        """
        for module in model.modules():
            if isinstance(module, FakeQuantizeBase):
                module.scale.data.fill_(1)
                module.zero_point.data.zero_()
            elif isinstance(module, ObserverBase):
                _forget(module)


def _forget(observer: ObserverBase) -> None:
    if isinstance(observer, HistogramObserver):  # has no reset of its own
        observer.histogram.zero_()
        observer.min_val.fill_(float("inf"))
        observer.max_val.fill_(float("-inf"))
    elif hasattr(observer, "reset_min_max_vals"):
        observer.reset_min_max_vals()
