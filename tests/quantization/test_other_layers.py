"""Layers that this package's networks do not have, as somebody's own backbone or neck may."""

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn
from torch.ao.quantization import disable_observer, enable_observer

from ganet_mm.deploy.export_model import GraphMaps
from ganet_mm.deploy.onnx_file import export_onnx
from ganet_mm.deploy.runtimes import load_runtime
from ganet_mm.engine.stages import stage_config
from ganet_mm.registry import MODELS

INPUT = (96, 192)


class Neck(BaseModule):
    """Two 1×1 convolutions of the stride-8 map, and something between."""

    def __init__(self, middle: str, layer: dict | None = None) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(64, 32, 1), nn.Conv2d(64, 32, 1)
        self.middle = middle
        layers = dict(
            joined=nn.Conv2d(64, 32, 1),
            no_bias=nn.Conv2d(32, 32, 1, bias=False),
            reflect=nn.Conv2d(32, 32, 3, padding=1, padding_mode="reflect"),
            linear=nn.Linear(32, 32),
        )
        self.layer = layers["joined" if middle.startswith("cat") else middle]

    def forward(self, feats):
        x = self.a(feats[0])
        if self.middle.startswith("cat"):
            parts = (x, self.b(feats[0]))
            parts = list(parts) if self.middle == "cat_list" else parts
            return (self.layer(torch.cat(parts, dim=1)),)
        if self.middle == "linear":
            return (self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),)
        return (self.layer(x),)


@pytest.fixture
def model(small_cfg):
    """Function of the neck's middle and float layers: a calibrated model."""
    MODELS.register_module(module=Neck, name="TestNeck", force=True)

    def make(middle: str, float_layers=()):
        cfg = stage_config(small_cfg, "calibration")
        cfg.model.architecture.neck = dict(type="TestNeck", middle=middle)
        cfg.model.quantizer.float_layers = list(float_layers)
        torch.manual_seed(0)
        made = MODELS.build(cfg.model).eval()
        made.apply(enable_observer)
        with torch.no_grad():
            made(torch.rand(2, 3, *INPUT) * 2 - 1, mode="tensor")
        return made.apply(disable_observer)

    yield make
    MODELS.module_dict.pop("TestNeck")


def check_maps(model) -> None:
    """The integer graph, the frozen one and fake quantization agree, up to integers rounded
    apart."""
    x = torch.rand(1, 3, *INPUT, generator=torch.Generator().manual_seed(5)) * 2 - 1
    with torch.no_grad():
        fake = model(x, mode="tensor")
        frozen = model.fixed_point().frozen(x, None, "tensor")
        integer = model.fixed_point()(x)
    for expected, *others in zip(fake, frozen, integer, strict=True):
        for other in others:
            assert (expected - other).abs().mean() < 0.1 * expected.abs().mean()


@pytest.mark.parametrize("middle", ["cat_list", "cat_tuple", "no_bias"])
def test_it_is_evaluated_and_exported(model, middle, tmp_path):
    made = model(middle)
    check_maps(made)
    path = tmp_path / "model.onnx"
    export_onnx(GraphMaps(made.fixed_point().frozen).eval(), INPUT, path, {})
    x = torch.rand(1, 3, *INPUT, generator=torch.Generator().manual_seed(6)) * 2 - 1
    for name in ("onnxruntime", "openvino"):
        maps = load_runtime(name, path, threads=1).run(x.numpy())
        for actual, expected in zip(maps, made.fixed_point()(x), strict=True):
            torch.testing.assert_close(torch.from_numpy(actual), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("middle", "what"), [("linear", "Linear"), ("reflect", "reflect")])
def test_what_has_no_integer_arithmetic_is_named_before_training(model, middle, what):
    with pytest.raises(ValueError, match=rf"neck\.layer.*{what}.*float_layers"):
        model(middle)
    check_maps(model(middle, float_layers=["neck.layer"]))
