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

from .frozen_graph import (
    FrozenConv2d,
    FrozenFakeQuantize,
    kind_of,
    module_of,
    quantizer_of,
    source_of,
)
from .tie_free import settle_scales


def freeze(graph: GraphModule) -> GraphModule:
    """The same function of the same input, with constants for everything that was learned.

    Scales move by about a thousandth to values whose products never fall between two
    integers, see :mod:`.tie_free`.

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
    with torch.no_grad():
        _drop_repeated_quantizers(frozen)
        settle_scales(frozen)
        _round_to_grids(frozen)
    frozen.recompile()
    return frozen


def _round_to_grids(frozen: GraphModule) -> None:
    for node in frozen.graph.nodes:
        if kind_of(frozen, node) == "conv":
            input_scale = quantizer_of(frozen, node.args[0]).scale
            module_of(frozen, node).round_to_grid(input_scale)


def _drop_repeated_quantizers(frozen: GraphModule) -> None:
    """Removes a quantizer that follows another with only a change of shape between.

    The values are on a grid already; a second, slightly different one would round them again.
    After a maximum it stays, with the first one's grid: runtimes want one on either side.
    """
    for node in list(frozen.graph.nodes):
        if kind_of(frozen, node) != "quantize":
            continue
        if kind_of(frozen, source_of(frozen, node, {"shape"})) == "quantize":
            node.replace_all_uses_with(node.args[0])
            frozen.graph.erase_node(node)
            continue
        source = source_of(frozen, node, {"shape", "pool"})
        if kind_of(frozen, source) == "quantize":
            node.target = source.target


def _freeze_conv(module: nn.Module, path: str) -> FrozenConv2d:
    _check_scale(module.weight_fake_quant, f"{path}.weight_fake_quant")
    folded = module.to_float()  # folds the batch norm, if the module has one
    if isinstance(folded, _FusedModule):
        return FrozenConv2d(folded[0], module.weight_fake_quant, relu=len(folded) > 1)
    return FrozenConv2d(folded, module.weight_fake_quant, relu=False)


def _check_scale(fake_quantize: FakeQuantizeBase, path: str) -> None:
    if isinstance(fake_quantize.scale, nn.Parameter):  # learned: as its own forward does
        fake_quantize.scale.data.clamp_(min=float(fake_quantize.eps))
    observer = fake_quantize.activation_post_process
    low = getattr(observer, "min_val", torch.zeros(1))
    if low.numel() == 0 or torch.isinf(low).any():
        raise ValueError(
            f"{path} has never seen data, so its scale means nothing: calibrate the model "
            "(`python tools/train.py CONFIG --stage calibration`) before freezing it"
        )
    if not (torch.isfinite(fake_quantize.scale).all() and (fake_quantize.scale > 0).all()):
        raise ValueError(f"{path} has scale {fake_quantize.scale}: not a positive finite number")
