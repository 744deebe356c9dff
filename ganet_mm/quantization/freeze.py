"""From a fake-quantized graph to one with constants only, the last step before export.

A trained graph still holds observers, batch norms inside its fused convolutions and fake
quantizers whose scales are buffers. :func:`freeze` folds and fixes all of it, so that an exporter
sees nothing but convolutions, tensor maths and quantize-dequantize pairs with constant numbers.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.ao.nn.intrinsic import _FusedModule
from torch.ao.quantization import FakeQuantizeBase
from torch.fx import GraphModule

# Symmetric int8 weights lie in −127..127; the wider bounds are the ones ONNX knows.
WEIGHT_RANGE = (-128, 127)


class FrozenFakeQuantize(nn.Module):
    """Per-tensor quantize-dequantize with a constant scale and zero point."""

    def __init__(self, fake_quantize: FakeQuantizeBase) -> None:
        super().__init__()
        self.scale = float(fake_quantize.scale)
        self.zero_point = int(fake_quantize.zero_point)
        self.quant_min = int(fake_quantize.quant_min)
        self.quant_max = int(fake_quantize.quant_max)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fake_quantize_per_tensor_affine(
            x, self.scale, self.zero_point, self.quant_min, self.quant_max
        )

    def extra_repr(self) -> str:
        return f"scale={self.scale:.6g}, zero_point={self.zero_point}"


class FrozenConv2d(nn.Module):
    """Convolution with batch norm folded in and weights quantized per output channel.

    The weights are stored already rounded to their grid, so quantizing them again, as the
    exporter's quantize-dequantize pair does, changes nothing.
    """

    def __init__(self, conv: nn.Conv2d, weight_fake_quant: FakeQuantizeBase, relu: bool) -> None:
        super().__init__()
        self.stride, self.padding = conv.stride, conv.padding
        self.dilation, self.groups = conv.dilation, conv.groups
        self.relu = relu
        with torch.no_grad():
            self.register_buffer("weight", weight_fake_quant(conv.weight).clone())
        self.register_buffer("bias", conv.bias.detach().clone())
        self.register_buffer("scale", weight_fake_quant.scale.detach().clone().float())
        self.register_buffer("zero_point", torch.zeros_like(self.scale, dtype=torch.int32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = torch.fake_quantize_per_channel_affine(
            self.weight, self.scale, self.zero_point, 0, *WEIGHT_RANGE
        )
        x = nn.functional.conv2d(
            x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        return nn.functional.relu(x) if self.relu else x


def freeze(graph: GraphModule) -> GraphModule:
    """The same function of the same input, with constants for everything that was learned.

    Args:
        graph: Observed graph of a quantized model, e.g. ``QuantLaneDetector.graph``; unchanged.

    Returns:
        A copy in eval mode made of float convolutions and tensor maths between
        :class:`FrozenFakeQuantize` and :class:`FrozenConv2d`.

    Raises:
        ValueError: a fake quantizer never saw data (its scale is still that of a new one) or
            holds a scale that is not a positive finite number; names it.
    """
    frozen = copy.deepcopy(graph).eval()
    frozen.apply(torch.ao.quantization.disable_observer)
    frozen.apply(torch.ao.quantization.enable_fake_quant)
    # One module may be registered under several names (shared fake quantizers), and
    # named_children() would show it once only: hence _modules, and one frozen twin for each.
    twins: dict[int, nn.Module] = {}

    def visit(parent: nn.Module, prefix: str) -> None:
        for name, child in list(parent._modules.items()):
            path = f"{prefix}{name}"
            if id(child) in twins:
                parent._modules[name] = twins[id(child)]
            elif hasattr(child, "weight_fake_quant"):
                parent._modules[name] = twins[id(child)] = _freeze_conv(child, path)
            elif isinstance(child, FakeQuantizeBase):
                _check_scale(child, path)
                parent._modules[name] = twins[id(child)] = FrozenFakeQuantize(child)
            elif child is not None:
                visit(child, f"{path}.")

    visit(frozen, "")
    _round_biases(frozen)
    frozen.recompile()
    return frozen


def _round_biases(frozen: GraphModule) -> None:
    """Puts each bias on the grid of its convolution's int32 sums.

    An integer convolution adds its bias as an integer of the step input scale × weight scale. Left
    as it is, the bias would be rounded by the runtime only, and file and graph would differ by up
    to half such a step in every cell.
    """
    for node in frozen.graph.nodes:
        if node.op != "call_module":
            continue
        conv = frozen.get_submodule(node.target)
        if not isinstance(conv, FrozenConv2d):
            continue
        source = node.args[0]
        if source.op == "call_module":
            quantize = frozen.get_submodule(source.target)
            if isinstance(quantize, FrozenFakeQuantize):
                step = quantize.scale * conv.scale.double()
                conv.bias.copy_((conv.bias.double() / step).round() * step)


def _freeze_conv(module: nn.Module, path: str) -> FrozenConv2d:
    _check_scale(module.weight_fake_quant, f"{path}.weight_fake_quant")
    folded = module.to_float()  # folds the batch norm, if the module has one
    if isinstance(folded, _FusedModule):
        return FrozenConv2d(folded[0], module.weight_fake_quant, relu=len(folded) > 1)
    return FrozenConv2d(folded, module.weight_fake_quant, relu=False)


def _check_scale(fake_quantize: FakeQuantizeBase, path: str) -> None:
    observer = fake_quantize.activation_post_process
    low = getattr(observer, "min_val", torch.zeros(1))
    if low.numel() == 0 or torch.isinf(low).any():
        raise ValueError(
            f"{path} has never seen data, so its scale means nothing: calibrate the model "
            "(`python tools/train.py CONFIG --stage calibration`) before freezing it"
        )
    if not (torch.isfinite(fake_quantize.scale).all() and (fake_quantize.scale > 0).all()):
        raise ValueError(f"{path} has scale {fake_quantize.scale}: not a positive finite number")
