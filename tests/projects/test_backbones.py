"""Backbones from outside the package, as far as the exported file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config

from ganet_mm.deploy.export_model import GraphMaps
from ganet_mm.deploy.onnx_file import export_onnx
from ganet_mm.deploy.operators import executed_operators
from ganet_mm.deploy.runtimes import load_runtime
from ganet_mm.engine.stages import stage_config
from ganet_mm.quantization.freeze import freeze
from ganet_mm.registry import MODELS
from ganet_mm.structures import LaneDataSample

INPUT = (96, 192)
CONFIGS = [
    "projects/example/configs/ganet_plain_conv_synlane.py",
    "projects/ganet_resnet18/configs/ganet_resnet18_culane.py",
]

pytestmark = pytest.mark.parametrize("path", CONFIGS)


@pytest.fixture
def cfg(path, monkeypatch) -> Config:
    monkeypatch.syspath_prepend(".")  # PYTHONPATH=. on the command line
    cfg = Config.fromfile(path)
    cfg.model.data_preprocessor.input_size = INPUT
    cfg.model.neck.input_size = INPUT
    return cfg


def samples(count: int) -> list[LaneDataSample]:
    y = np.linspace(95, 10, 9, dtype=np.float32)
    lane = np.stack([40 + y, y], 1)
    metainfo = dict(scale_factor=(1.0, 1.0), crop_offset=(0.0, 0.0))
    return [LaneDataSample(gt_lanes=[lane], metainfo=metainfo) for _ in range(count)]


def test_the_float_model_runs_in_its_three_modes(cfg):
    model = MODELS.build(cfg.model)
    frames = torch.rand(2, 3, *INPUT)
    losses = model.train()(frames, samples(2), mode="loss")
    assert set(losses) == {"loss_kpts_cls", "loss_pts_offset", "loss_int_offset"}
    sum(losses.values()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []
    with torch.no_grad():
        maps = model.eval()(frames, mode="tensor")
        predicted = model(frames, samples(2), mode="predict")
    cells = (INPUT[0] // 8, INPUT[1] // 8)
    assert [tuple(part.shape) for part in maps] == [(2, 1, *cells), (2, 2, *cells), (2, 2, *cells)]
    assert all(isinstance(sample.pred_lanes, list) for sample in predicted)


def test_the_quantized_model_trains_and_exports_to_integers(cfg, tmp_path):
    model = MODELS.build(stage_config(cfg, "qat").model)
    model.apply(torch.ao.quantization.enable_observer)
    model.train()
    losses = model(torch.rand(2, 3, *INPUT) * 2 - 1, samples(2), mode="loss")
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.architecture.backbone.parameters())

    file = tmp_path / "model.onnx"
    export_onnx(GraphMaps(freeze(model.graph)).eval(), INPUT, file, {})
    integer, floating = executed_operators(file)
    # Two bilinear Resize, and scale and bias of the three outputs; see docs/quantization.md.
    assert set(floating) == {"Resize", "Mul", "Add"}
    assert floating["Resize"] == 2
    convolutions = [m for m in model.architecture.modules() if isinstance(m, torch.nn.Conv2d)]
    assert integer["QLinearConv"] + integer["ConvInteger"] == len(convolutions)


def test_both_runtimes_give_the_evaluated_integers(cfg, tmp_path):
    """OpenVINO takes convolution and addition together where it can, across a max-pool too."""
    torch.manual_seed(0)
    model = MODELS.build(stage_config(cfg, "calibration").model)
    with torch.no_grad():
        for branch in ("kpts_branch", "pts_offset_branch", "int_offset_branch"):
            getattr(model.architecture.head, branch)[-1].weight.normal_(std=0.5)
        model.architecture.neck.attention.gamma.fill_(0.5)
        model.train()(torch.rand(2, 3, *INPUT) * 2 - 1, mode="tensor")  # batch norms' statistics
        model.eval().apply(torch.ao.quantization.enable_observer)
        model(torch.rand(2, 3, *INPUT) * 2 - 1, mode="tensor")
    model.apply(torch.ao.quantization.disable_observer)
    fixed = model.fixed_point()
    export_onnx(GraphMaps(fixed.frozen).eval(), INPUT, tmp_path / "model.onnx", {}, "vnni")
    frame = torch.randint(0, 256, (1, 3, *INPUT), dtype=torch.uint8)
    frame = (frame.float() - 128) / 128
    expected = fixed(frame)
    for backend in ("onnxruntime", "openvino"):
        actual = load_runtime(backend, tmp_path / "model.onnx", 1).run(frame.numpy())
        for a, b in zip(expected, actual, strict=True):
            assert len(a.unique()) > 50  # alive
            np.testing.assert_allclose(b, a.numpy(), rtol=1e-5, atol=1e-6)
