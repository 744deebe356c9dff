"""Learned step sizes, configs/ganet_synlane_lsq.py."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmrazor.models.fake_quants import enable_param_learning, enable_static_estimate, enable_val

from ganet_mm.deploy.export_model import GraphMaps
from ganet_mm.deploy.onnx_file import export_onnx
from ganet_mm.deploy.runtimes import load_runtime
from ganet_mm.engine.stages import stage_config
from ganet_mm.quantization.sensitivity import SensitivityStudy
from ganet_mm.registry import MODELS
from ganet_mm.structures import LaneDataSample

INPUT = (96, 192)


@pytest.fixture
def model(float_weights):
    cfg = Config.fromfile("configs/ganet_synlane_lsq.py")
    cfg.model.data_preprocessor.input_size = INPUT
    cfg.model.neck.input_size = INPUT
    model = MODELS.build(stage_config(cfg, "qat").model)
    model.architecture.load_state_dict(copy.deepcopy(float_weights))
    return model


def test_scales_are_learned_and_come_out_in_the_file(model, tmp_path):
    lane = torch.stack([torch.full((9,), 90.0), torch.linspace(95, 10, 9)], 1).numpy()
    samples = [LaneDataSample(gt_lanes=[lane]) for _ in range(2)]
    frames = torch.rand(2, 3, *INPUT, generator=torch.Generator().manual_seed(0)) * 2 - 1
    scales = [p for name, p in model.named_parameters() if name.endswith(".scale")]
    learned = {id(scale) for scale in scales}
    weights = [p for p in model.parameters() if id(p) not in learned]
    optimizer = torch.optim.Adam([dict(params=weights), dict(params=scales, lr=1e-6)], lr=1e-4)
    model.train()
    for step in range(3):  # as LSQEpochBasedLoop: the first batch sets the scales
        model.apply(enable_param_learning if step else enable_static_estimate)
        optimizer.zero_grad()
        sum(model(frames, samples, mode="loss").values()).backward()
        if step == 1:
            before = [scale.detach().clone() for scale in scales]
        optimizer.step()
    assert len(scales) > 130
    moved = [not torch.equal(a, b) for a, b in zip(before, scales, strict=True)]
    assert sum(moved) > 0.9 * len(scales)

    model.eval()
    model.apply(enable_val)
    path = tmp_path / "lsq.onnx"
    export_onnx(GraphMaps(model.fixed_point().frozen).eval(), INPUT, path, {})
    expected = model.fixed_point()(frames[:1])
    actual = load_runtime("onnxruntime", path, 1).run(frames[:1].numpy())
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(b, a.numpy(), rtol=1e-5, atol=1e-6)


def test_a_scale_that_the_last_step_made_negative(model):
    """LSQ's forward lifts it to the smallest positive number; so does freezing."""
    model.eval()
    model.apply(enable_static_estimate)
    model(torch.rand(1, 3, *INPUT) * 2 - 1, mode="tensor")
    model.apply(enable_val)
    first = next(p for name, p in model.named_parameters() if name.endswith(".scale"))
    first.data.fill_(-1e-3)
    maps = model.fixed_point()(torch.rand(1, 3, *INPUT) * 2 - 1)
    assert all(part.isfinite().all() for part in maps)


def test_its_layers_are_studied(model):
    """The study puts the input on the grid of bytes, though its scale is a parameter here."""

    class Metric:
        def process(self, data_samples, data_batch) -> None:
            pass

        def evaluate(self, count: int) -> dict:
            return {"culane/F1@50": 0.5}

    model.eval()
    model.apply(enable_static_estimate)
    frames = torch.rand(1, 3, *INPUT) * 2 - 1
    model(frames, mode="tensor")
    model.apply(enable_val)
    for name, parameter in model.named_parameters():  # as a model has them that was just loaded
        parameter.requires_grad_(name.endswith(".scale"))
    sample = LaneDataSample(metainfo=dict(scale_factor=(1.0, 1.0), crop_offset=(0.0, 0.0)))
    study = SensitivityStudy(model, [(frames, [sample])], Metric())
    assert 0 < study.alone("neck.lateral8")[0] < study.all_error
