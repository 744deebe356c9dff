from __future__ import annotations

import torch
from mmrazor.models import MMArchitectureQuant
from torch.ao.quantization import FakeQuantizeBase, HistogramObserver, ObserverBase

from ganet_mm.registry import MODELS

from .fixed_point import FixedPointGraph
from .freeze import freeze


@MODELS.register_module()
class QuantLaneDetector(MMArchitectureQuant):
    """A lane detector under fake quantization, in the form mmrazor's PTQ and QAT loops drive.

    mmrazor traces one graph for each forward mode and copies the quantization parameters between
    them after every epoch. Our modes share everything up to the head's three maps, so here one
    graph, that of mode ``tensor``, serves all; the head's ``loss_by_feat`` and
    ``predict_by_feat`` run outside it. Nothing is left to copy, and the checkpoint holds one set
    of parameters.

    In eval mode ``predict`` runs the fixed-point graph, so lanes and scores are those of the
    exported file. Losses, and ``tensor``, come from the fake-quantized graph.

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
        self._fixed_point: list[FixedPointGraph] = []  # in a list: no part of the state dict

    @property
    def graph(self) -> torch.fx.GraphModule:
        """The observed graph: network input (B, 3, H, W) to the head's three maps."""
        return self.qmodels["tensor"]

    def forward(self, inputs, data_samples=None, mode: str = "tensor"):
        """As the float detector's: the maps, the losses or the data samples with lanes."""
        if mode == "predict" and not self.training:
            maps = self.fixed_point()(inputs)
            return self.architecture.head.predict_by_feat(*maps, data_samples)
        maps = self.graph(inputs, data_samples, "tensor")
        if mode == "tensor":
            return maps
        head = self.architecture.head
        if mode == "loss":
            return head.loss_by_feat(*maps, data_samples)
        if mode == "predict":
            return head.predict_by_feat(*maps, data_samples)
        raise RuntimeError(f"mode '{mode}' is unknown; choose tensor, loss or predict")

    def fixed_point(self) -> FixedPointGraph:
        """The detector in the integer arithmetic of the exported file: network input (B, 3, H, W)
        to the three maps. Made anew after training, calibration or loading.

        Raises:
            ValueError: a fake quantizer has not seen data.
        """
        if not self._fixed_point:
            self._fixed_point.append(FixedPointGraph(freeze(self.graph)))
        return self._fixed_point[0]

    def train(self, mode: bool = True) -> QuantLaneDetector:
        """As every module's; the fixed-point graph is made anew at the next evaluation."""
        self._fixed_point = []
        return super().train(mode)

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        self._fixed_point = []
        super()._load_from_state_dict(*args, **kwargs)

    def calibrate_step(self, data) -> tuple[torch.Tensor, ...]:
        """Shows one batch to the observers; lanes are not decoded.

        Raises:
            ValueError: the batch, or what the network makes of it, says nothing about ranges.
        """
        self._fixed_point = []
        inputs = self.data_preprocessor(data, False)["inputs"]
        check_calibration_inputs(inputs)
        maps = self(inputs, mode="tensor")
        if not all(part.isfinite().all() for part in maps):
            raise ValueError(
                "the network gives values that are not finite on a calibration batch: the "
                "checkpoint's weights are damaged or its training diverged"
            )
        return maps

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


def check_calibration_inputs(inputs: torch.Tensor) -> None:
    """Refuses a batch that would leave the observers with ranges of no use.

    Args:
        inputs: Network input (B, 3, H, W).

    Raises:
        ValueError: not all values are finite, or every picture is of one colour.
    """
    if not inputs.isfinite().all():
        raise ValueError("a calibration picture holds values that are not finite numbers")
    if (inputs == inputs[:, :, :1, :1]).all():
        raise ValueError(
            "every picture of a calibration batch is of one colour, for example black: ranges "
            "learned from them would cut real pictures off. Give calibrate_dataloader real frames"
        )


def _forget(observer: ObserverBase) -> None:
    if isinstance(observer, HistogramObserver):  # has no reset of its own
        observer.histogram.zero_()
        observer.min_val.fill_(float("inf"))
        observer.max_val.fill_(float("-inf"))
    elif hasattr(observer, "reset_min_max_vals"):
        observer.reset_min_max_vals()
