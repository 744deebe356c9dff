from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from . import integers
from .frozen_graph import FrozenConv2d, FrozenFakeQuantize, kind_of, module_of
from .integers import Addition, Integers, Reals, Result

# What has integer arithmetic, and how many integer tensors it takes.
INTEGER_KINDS = {
    "conv": 1,
    "add": 2,
    "multiply": 2,
    "matmul": 2,
    "softmax": 1,
    "upsample": 1,
    "pool": 1,
    "shape": 1,
}


class FixedPointGraph(nn.Module):
    """A frozen graph in the integer arithmetic of the exported file.

    Fake quantization computes in float32 with numbers that lie on grids; a runtime computes with
    the grids' integers. The two round apart now and then, and the layers after that carry it on.
    This graph recovers the integers and does what the runtime does, so what is evaluated here is
    what the file gives, cell by cell. Operators without integer arithmetic here run on floats;
    tools/check_quant.py names them.

    Args:
        frozen: Made by :func:`.freeze.freeze`.
    """

    def __init__(self, frozen: GraphModule) -> None:
        super().__init__()
        self.frozen = frozen

    @torch.no_grad()
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Network input float32 (B, 3, H, W) to the head's three maps, float32."""
        with torch.autocast(x.device.type, enabled=False):  # half precision holds no such sums
            return _IntegerInterpreter(self.frozen).run(x)

    @torch.no_grad()
    def integer_maps(self, x: Tensor) -> dict[str, Tensor]:
        """uint8 result of every quantizer by its name, for a comparison layer by layer."""
        interpreter = _IntegerInterpreter(self.frozen)
        interpreter.run(x)
        return interpreter.integer_maps


class _IntegerInterpreter(Interpreter):
    """Runs the graph's nodes on integers."""

    def __init__(self, frozen: GraphModule) -> None:
        super().__init__(frozen)
        self.integer_maps: dict[str, Tensor] = {}

    def run_node(self, node: Node):
        kind = kind_of(self.module, node)
        if kind == "argument":
            return None
        if kind in ("input", "constant", "output"):
            value = super().run_node(node)
            return value if kind == "output" else Reals(value)
        args, kwargs = self.fetch_args_kwargs_from_env(node)
        if sum(isinstance(arg, Integers) for arg in args) == INTEGER_KINDS.get(kind):
            result = self._compute(kind, node, args, kwargs)
        elif kind == "quantize":
            result = _quantize(args[0], module_of(self.module, node))
            self.integer_maps[node.name] = result.values
        elif kind == "relu" and isinstance(args[0], Result):
            result = args[0].rectify()
        else:
            result = self._in_floats(node, args, kwargs)
        leaves_graph = any(user.op == "output" for user in node.users)
        return result.reals() if leaves_graph else result

    def _in_floats(self, node: Node, args: tuple, kwargs: dict) -> Reals:
        """What has no integer arithmetic computes as it did in training."""
        args, kwargs = _in_reals(args), _in_reals(kwargs)
        return Reals(getattr(self, node.op)(node.target, args, kwargs))

    def _compute(self, kind: str, node: Node, args: tuple, kwargs: dict) -> Integers | Result:
        if kind == "conv":
            return _convolve(args[0], module_of(self.module, node))
        if kind == "add":
            return Addition(*args)
        if kind == "multiply":
            return integers.multiply(*args)
        if kind == "matmul":
            return integers.multiply_matrices(*args)
        if kind == "softmax":
            return integers.softmax(args[0], kwargs.get("dim", (args[1:] or (None,))[0]))
        if kind == "upsample":
            return Reals(module_of(self.module, node)(args[0].reals()))
        if kind == "pool":  # the largest integer stands for the largest number
            pool = module_of(self.module, node)
            return args[0].mapped(lambda values: pool(values.float()).to(torch.uint8))
        if node.op == "call_method":  # of kind "shape"
            return args[0].mapped(lambda values: getattr(values, node.target)(*args[1:], **kwargs))
        return args[0]


def _in_reals(value):
    """Tensors in the place of results, in lists, tuples and dicts as well."""
    if isinstance(value, Integers | Result):
        return value.reals()
    if isinstance(value, list | tuple):
        return type(value)(_in_reals(part) for part in value)
    if isinstance(value, dict):
        return {key: _in_reals(part) for key, part in value.items()}
    return value


def _quantize(x: Integers | Result, quantize: FrozenFakeQuantize) -> Integers:
    result = Reals(x.reals()) if isinstance(x, Integers) else x
    return result.quantize(
        quantize.scale, quantize.zero_point, quantize.quant_min, quantize.quant_max
    )


def _convolve(x: Integers, conv: FrozenConv2d) -> Result:
    sums = integers.convolve(
        x,
        conv.integer_weight(),
        conv.scale,
        conv.integer_bias(x.scale),
        conv.bias,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
    )
    return sums.rectify() if conv.relu else sums
