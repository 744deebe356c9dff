"""mmrazor on torch 2: each measure works, and is still needed."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import ganet_mm  # noqa: F401


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )


def test_mmrazor_imports_whole():
    for name in ("models", "engine", "datasets", "implementations", "structures", "visualization"):
        __import__(f"mmrazor.{name}")


@pytest.mark.parametrize(
    "left_out",
    [
        "mmrazor.structures.quantization.backend_config.common_operator_config_utils",
        "mmrazor.models.quantizers.native_quantizer",
        "mmrazor.models.task_modules.tracer.fx.custom_tracer",
    ],
)
def test_each_measure_is_still_needed(left_out):
    """Without one of them mmrazor fails to import or to prepare a small network."""
    result = run(PREPARE.replace("LEFT_OUT", repr(left_out)))
    assert result.returncode != 0, "mmrazor works without this measure: take it out"


def test_all_measures_together_prepare_a_network():
    result = run(PREPARE.replace("LEFT_OUT", "None"))
    assert result.returncode == 0, result.stderr
    assert "ConvBnReLU2d" in result.stdout


PREPARE = """
import ganet_mm
from ganet_mm.compat.import_hooks import _finder
if LEFT_OUT is not None:
    _finder.hooks[LEFT_OUT] = (None, None)
import torch
from torch import nn
from mmengine.registry import init_default_scope
init_default_scope("ganet_mm")
from mmrazor.models import OpenVINOQuantizer

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.register_buffer("offset", torch.ones(1, 4, 6, 6))
    def forward(self, x):
        return self.relu(self.bn(self.conv(x))) + self.offset

quantizer = OpenVINOQuantizer(global_qconfig=dict(
    w_observer=dict(type="mmrazor.PerChannelMinMaxObserver"),
    a_observer=dict(type="mmrazor.MovingAverageMinMaxObserver"),
    w_fake_quant=dict(type="mmrazor.FakeQuantize"), a_fake_quant=dict(type="mmrazor.FakeQuantize"),
    w_qscheme=dict(qdtype="qint8", bit=8, is_symmetry=True),
    a_qscheme=dict(qdtype="quint8", bit=8, is_symmetry=False)),
    tracer=dict(type="mmrazor.CustomTracer"))
graph = quantizer.prepare(Net())
assert graph(torch.rand(1, 3, 8, 8)).shape == (1, 4, 6, 6)
print(graph)
"""


def test_a_late_ganet_mm_says_so():
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, types\n"
            "name = 'mmrazor.models.quantizers.native_quantizer'\n"
            "sys.modules[name] = types.ModuleType(name)\n"
            "import ganet_mm\n",
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "Import ganet_mm first" in result.stderr


def test_torch_gets_its_own_pattern_class_back():
    """The reversed pattern class is mmrazor's alone: torch's own conv + bn + relu still fuses."""
    import mmrazor.models  # noqa: F401
    from torch.ao.quantization import get_default_qat_qconfig_mapping
    from torch.ao.quantization.quantize_fx import prepare_qat_fx

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).train()
    prepared = prepare_qat_fx(net, get_default_qat_qconfig_mapping(), (torch.rand(1, 3, 8, 8),))
    assert any(type(m).__name__ == "ConvBnReLU2d" for m in prepared.modules())
