"""What a frozen graph is made of, and how its nodes are read."""

from __future__ import annotations

import operator

import torch
from torch import nn
from torch.ao.quantization import FakeQuantizeBase
from torch.fx import GraphModule, Node

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

    :meth:`round_to_grid` must be called once the scales are final. After it the weights are stored
    rounded to their grid, so quantizing them again, as the exporter's quantize-dequantize pair
    does, changes nothing.
    """

    def __init__(self, conv: nn.Conv2d, weight_fake_quant: FakeQuantizeBase, relu: bool) -> None:
        super().__init__()
        self.stride, self.padding = conv.stride, conv.padding
        self.dilation, self.groups = conv.dilation, conv.groups
        self.relu = relu
        self.quant_min = int(weight_fake_quant.quant_min)
        self.quant_max = int(weight_fake_quant.quant_max)
        self.register_buffer("weight", conv.weight.detach().clone())
        bias = conv.weight.new_zeros(len(conv.weight)) if conv.bias is None else conv.bias
        self.register_buffer("bias", bias.detach().clone())
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

    def integer_weight(self) -> torch.Tensor:
        """Float32 integers (out, in / groups, kh, kw) that the weights are multiples of."""
        steps = self.weight / self.scale[:, None, None, None]
        return steps.round().clamp(self.quant_min, self.quant_max)

    def integer_bias(self, input_scale: float) -> torch.Tensor:
        """int32 (out): the bias in steps of the convolution's integer sums."""
        return (self.bias.double() / (input_scale * self.scale.double())).round().int()

    def round_to_grid(self, input_scale: float) -> None:
        """Rounds the weights, and the bias to the grid of the integer sums.

        An integer convolution adds its bias as an integer of the step input scale × weight scale.
        Left as it is, the bias would be rounded by the runtime only, and file and graph would
        differ by up to half such a step in every cell.
        """
        steps = self.integer_weight()
        self.weight.copy_(steps * self.scale[:, None, None, None])
        step = input_scale * self.scale.double()
        self.bias.copy_(self.integer_bias(input_scale) * step)


# What the graph's nodes compute, by what they call.
SHAPE_METHODS = {"flatten", "reshape", "transpose", "permute", "view", "contiguous"}
FUNCTIONS = {
    operator.add: "add",
    torch.add: "add",
    operator.mul: "multiply",
    torch.mul: "multiply",
    torch.matmul: "matmul",
    torch.bmm: "matmul",
    torch.relu: "relu",
    nn.functional.relu: "relu",
    torch.softmax: "softmax",
    nn.functional.softmax: "softmax",
}
METHODS = {
    "add": "add",
    "mul": "multiply",
    "matmul": "matmul",
    "relu": "relu",
    "softmax": "softmax",
}
MODULES = {
    FrozenFakeQuantize: "quantize",
    FrozenConv2d: "conv",
    nn.ReLU: "relu",
    nn.Softmax: "softmax",
    nn.Upsample: "upsample",
    nn.MaxPool2d: "pool",
    nn.Identity: "shape",
    nn.Dropout: "shape",
}


def module_of(graph: GraphModule, node: Node) -> nn.Module | None:
    """The module that a node calls; None where it calls none."""
    return graph.get_submodule(node.target) if node.op == "call_module" else None


def kind_of(graph: GraphModule, node: Node) -> str:
    """What a node computes.

    Returns:
        ``input``, ``constant``, ``output``, ``argument`` (no tensor), ``quantize``, ``conv``,
        ``add``, ``multiply``, ``matmul``, ``relu``, ``softmax``, ``upsample``, ``pool`` (maximum),
        ``shape`` (values stay as they are), or ``unknown``.
    """
    if node.op == "placeholder":
        first = next(other for other in graph.graph.nodes if other.op == "placeholder")
        return "input" if node is first else "argument"
    if node.op == "get_attr":
        return "constant"
    if node.op == "output":
        return "output"
    if node.op == "call_module":
        return MODULES.get(type(graph.get_submodule(node.target)), "unknown")
    if node.op == "call_method":
        return "shape" if node.target in SHAPE_METHODS else METHODS.get(node.target, "unknown")
    if node.target is operator.eq or node.target is torch._assert:
        return "argument"  # the tracer's check of the mode
    return FUNCTIONS.get(node.target, "unknown")


def source_of(graph: GraphModule, node: Node, through: set[str]) -> Node:
    """Goes up from a node's first input past nodes of the kinds ``through``."""
    source = node.args[0]
    while kind_of(graph, source) in through:
        source = source.args[0]
    return source


def quantizer_of(graph: GraphModule, node: Node) -> FrozenFakeQuantize:
    """The quantizer on whose grid a node's values lie.

    Raises:
        ValueError: they are on none.
    """
    while kind_of(graph, node) in ("shape", "pool"):
        node = node.args[0]
    if kind_of(graph, node) != "quantize":
        raise ValueError(f"{node.name} is not quantized, but an integer operator takes it")
    return graph.get_submodule(node.target)
