"""torch's fused convolution and batch norm of QAT, without its detour over the activations.

Nothing is replaced in torch: :func:`divide_weights_not_results` changes the modules of one network.
"""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor, nn
from torch.ao.nn.intrinsic.qat.modules.conv_fused import _ConvBnNd


def divide_weights_not_results(network: nn.Module) -> None:
    """Lets every fused convolution and batch norm of a network divide its weights.

    With ``s = γ / running σ``, torch quantizes ``w · s``, convolves, and divides the *result* by
    ``s`` before the batch norm; so the division, the gradient's operators and the bias run over
    whole activations, a fifth of a training step on the CPU (benchmarks/training.py). The
    convolution is linear: dividing the quantized weights by ``s`` is the same function with the
    same gradients, up to float rounding.

    The modules keep their type, which ``freeze_bn_stats`` compares exactly, and their state dict.
    A deep copy keeps the measure, too; an unpickled module has torch's own method again.

    Args:
        network: Changed in place; modules of other types are left alone.
    """
    for module in network.modules():
        if isinstance(module, _ConvBnNd):
            module.forward = MethodType(_forward, module)


def _forward(self: _ConvBnNd, input: Tensor) -> Tensor:
    """``batch_norm(conv(x, fake_quant(w · s) / s) + b)``, see :func:`divide_weights_not_results`,
    and the module's ReLU, in place as a float network's.

    A channel with γ = 0 gives the batch norm's bias whatever its weights are. torch divides 0 by 0
    there; here its factor is 1, so that γ has a gradient and the channel may revive.
    """
    factor = self.bn.weight / torch.sqrt(self.bn.running_var + self.bn.eps)
    factor = factor.masked_fill(factor == 0, 1).reshape(-1, *[1] * (self.weight.dim() - 1))
    weight = self.weight_fake_quant(self.weight * factor) / factor
    result = self._conv_forward(input, weight, self.bias)
    # Under AMP the convolution gives half precision; torch's division made it float32 again.
    result = self.bn(result.to(self.weight.dtype))
    return result if self._FLOAT_RELU_MODULE is None else result.relu_()
