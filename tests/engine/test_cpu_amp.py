import torch
from torch import nn

from ganet_mm.engine.cpu_amp import CpuAmpOptimWrapper


def test_forward_is_bfloat16_and_weights_stay_float32():
    torch.manual_seed(0)
    net = nn.Conv2d(3, 8, 3)
    wrapper = CpuAmpOptimWrapper(optimizer=torch.optim.SGD(net.parameters(), lr=0.1))
    before = net.weight.detach().clone()
    image = torch.randn(2, 3, 8, 8)
    with wrapper.optim_context(net):
        out = net(image)
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().square().mean())
    assert net.weight.dtype == torch.float32
    assert (net.weight - before).abs().max() > 1e-4
    # Outside nothing is changed.
    assert net(image).dtype == torch.float32
