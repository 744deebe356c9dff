"""What each layer's quantization costs, and which few layers to leave float."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from mmengine.evaluator import Evaluator
from torch import Tensor
from torch.ao.quantization import FakeQuantizeBase
from torch.fx import GraphModule

from .architecture import QuantLaneDetector
from .tie_free import INPUT_SCALE, INPUT_ZERO_POINT

Maps = tuple[Tensor, Tensor, Tensor]


@dataclass
class LayerCost:
    """Of one layer.

    Attributes:
        name: The module, or the node of a tensor operation.
        error_alone: Root mean square change of the maps, in their standard deviations, when only
            this layer is quantized.
        f1_alone: F1@50 then.
        error_without: The change when all is quantized but what leaving this layer float spares: a
            convolution's weights (its output goes into integers again), or the output of a layer
            without weights.
        f1_without: F1@50 then.
    """

    name: str
    error_alone: float
    f1_alone: float
    error_without: float
    f1_without: float


def quantizers_of_layers(graph: GraphModule) -> dict[str, list[FakeQuantizeBase]]:
    """Each layer's fake quantizers: of its weights, and of its output.

    Args:
        graph: Observed graph, e.g. ``QuantLaneDetector.graph``.

    Returns:
        By layer, in the order of execution. Every fake quantizer belongs to one layer; ``input`` is
        that of the network's input.
    """
    layers: dict[str, list[FakeQuantizeBase]] = {}
    seen: set[int] = set()
    for node in graph.graph.nodes:
        module = graph.get_submodule(node.target) if node.op == "call_module" else None
        if hasattr(module, "weight_fake_quant"):
            layers.setdefault(node.target, []).append(module.weight_fake_quant)
        elif isinstance(module, FakeQuantizeBase) and id(module) not in seen:
            seen.add(id(module))
            layers.setdefault(_maker(graph, node), []).append(module)
    return layers


def _maker(graph: GraphModule, node) -> str:
    """The layer whose output a fake quantizer takes, past activations and changes of shape."""
    source = node.args[0]
    while True:
        module = graph.get_submodule(source.target) if source.op == "call_module" else None
        if source.op == "placeholder":
            return "input"
        if hasattr(module, "weight_fake_quant"):
            return source.target
        passes = isinstance(module, torch.nn.ReLU | FakeQuantizeBase) or source.op == "call_method"
        if not passes or source.target == "softmax":
            return source.name
        source = source.args[0]


class SensitivityStudy:
    """Runs a quantized detector with any set of its layers quantized, on the same frames.

    Args:
        model: Calibrated or trained, in eval mode; its fake quantizers are switched.
        batches: (network input (B, 3, H, W), data samples) pairs.
        evaluator: Gives ``culane/F1@50``.
    """

    def __init__(
        self, model: QuantLaneDetector, batches: Iterable[tuple], evaluator: Evaluator
    ) -> None:
        self.model, self.batches, self.evaluator = model, list(batches), evaluator
        self.layers = quantizers_of_layers(model.graph)
        for quantizer in self.layers["input"]:  # freezing puts it on the grid of bytes, too
            quantizer.scale.data.fill_(INPUT_SCALE)
            quantizer.zero_point.data.fill_(INPUT_ZERO_POINT)
        self.reference, self.float_f1 = self._run([])
        self.all_error, self.all_f1 = self.left_float([])

    def alone(self, name: str) -> tuple[float, float]:
        """Error against the float network, and F1@50, with one layer quantized."""
        return self._measure(self.layers[name])

    def left_float(self, names: Sequence[str]) -> tuple[float, float]:
        """Error against the float network, and F1@50, with all but some layers quantized."""
        spared = {id(q) for name in names for q in self._spared(name)}
        everything = [q for group in self.layers.values() for q in group]
        return self._measure([q for q in everything if id(q) not in spared])

    def cost(self, name: str) -> LayerCost:
        """One layer's, alone and left float."""
        return LayerCost(name, *self.alone(name), *self.left_float([name]))

    def _spared(self, name: str) -> list[FakeQuantizeBase]:
        return self.layers[name][:1] if name in self._convolutions() else self.layers[name]

    def _convolutions(self) -> set[str]:
        modules = self.model.graph.named_modules()
        return {name for name, module in modules if hasattr(module, "weight_fake_quant")}

    def _measure(self, quantizers: Sequence[FakeQuantizeBase]) -> tuple[float, float]:
        maps, f1 = self._run(quantizers)
        return relative_error(self.reference, maps), f1

    def _run(self, quantizers: Sequence[FakeQuantizeBase]) -> tuple[list[Maps], float]:
        """Maps of every batch and F1@50 with these fake quantizers on and all others off."""
        wanted = {id(quantizer) for quantizer in quantizers}
        for group in self.layers.values():
            for quantizer in group:
                quantizer.fake_quant_enabled[0] = int(id(quantizer) in wanted)
        found, count = [], 0
        with torch.no_grad():
            for inputs, samples in self.batches:
                maps = self.model(inputs, mode="tensor")
                found.append(maps)
                predicted = self.model.architecture.head.predict_by_feat(*maps, samples)
                self.evaluator.process(data_samples=predicted, data_batch=None)
                count += len(samples)
        return found, float(self.evaluator.evaluate(count)["culane/F1@50"])

    def propose(
        self,
        costs: Sequence[LayerCost],
        budget: float,
        report: Callable[[str, float], None] | None = None,
    ) -> list[str] | None:
        """The convolutions to leave float so that F1@50 drops by no more than ``budget`` points.

        They are left float one after the other, the one first without which the error is least,
        until the drop fits: as few as that order allows.

        Args:
            costs: Of all layers.
            budget: Points, hundredths of F1.
            report: Called with each layer and the drop with it left float, too.

        Returns:
            Names for the quantizer's ``float_layers``, maybe none; None where the drop is larger
            even with all convolutions float.
        """
        convolutions = self._convolutions()
        ordered = sorted(costs, key=lambda cost: cost.error_without)
        order = [cost.name for cost in ordered if cost.name in convolutions]
        f1 = self.all_f1
        for count in range(len(order) + 1):
            left = order[:count]
            if count:
                _, f1 = self.left_float(left)
                if report is not None:
                    report(left[-1], 100 * (self.float_f1 - f1))
            if 100 * (self.float_f1 - f1) <= budget:
                return left
        return None


def relative_error(expected: Sequence[Maps], actual: Sequence[Maps]) -> float:
    """Root mean square difference in standard deviations of ``expected``, mean of the maps."""
    errors = []
    for index in range(len(expected[0])):
        a = torch.cat([maps[index] for maps in expected])
        b = torch.cat([maps[index] for maps in actual])
        errors.append(float((a - b).square().mean().sqrt() / a.std().clamp(min=1e-12)))
    return sum(errors) / len(errors)
