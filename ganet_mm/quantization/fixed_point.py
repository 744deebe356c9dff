from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from . import integers
from .frozen_graph import FrozenConv2d, kind_of, module_of
from .integers import Addition, Integers, Reals, Result


class FixedPointGraph(nn.Module):
    """A frozen graph in the integer arithmetic of the exported file.

    Fake quantization computes in float32 with numbers that lie on grids; a runtime computes with
    the grids' integers. The two round apart now and then, and the layers after that carry it on.
    This graph recovers the integers and does what the runtime does, so what is evaluated here is
    what the file gives, cell by cell.

    Args:
        frozen: Made by :func:`.freeze.freeze`.

    Raises:
        ValueError: (when run) the graph holds an operator that has no integer arithmetic here.
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
        result = self._compute(kind, node, args, kwargs)
        if isinstance(result, Integers) and kind == "quantize":
            self.integer_maps[node.name] = result.values
        leaves_graph = any(user.op == "output" for user in node.users)
        return result.reals() if leaves_graph else result

    def _compute(self, kind: str, node: Node, args: tuple, kwargs: dict) -> Integers | Result:
        if kind == "quantize":
            quantize = module_of(self.module, node)
            return args[0].quantize(
                quantize.scale, quantize.zero_point, quantize.quant_min, quantize.quant_max
            )
        if kind == "relu" and isinstance(args[0], Result):
            return args[0].rectify()
        self._check_inputs(kind, node, args)
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
        if kind == "shape" and node.op == "call_method":
            return args[0].mapped(lambda values: getattr(values, node.target)(*args[1:], **kwargs))
        if kind == "shape":
            return args[0]
        raise AssertionError(f"kind_of() gave {kind}")

    def _check_inputs(self, kind: str, node: Node, args: tuple) -> None:
        if kind == "unknown":
            raise ValueError(f"{node.name} ({node.target}) has no integer arithmetic")
        tensors = [arg for arg in args if isinstance(arg, Integers | Result)]
        if not all(isinstance(arg, Integers) for arg in tensors):
            raise ValueError(f"{node.name} ({kind}) computes on a tensor that is not quantized")


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
