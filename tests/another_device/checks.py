"""Training, calibration, QAT and prediction on a device that is not the CPU.

Run by test_another_device.py in a process of its own.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config

from ganet_mm.engine.stages import stage_config
from ganet_mm.models.data_preprocessors.bgr_to_yuv444 import bgr_to_yuv444
from ganet_mm.registry import MODELS
from ganet_mm.structures import LaneDataSample

CPU = torch.device("cpu")


@pytest.fixture
def pictures(small_cfg) -> list[torch.Tensor]:
    shape = (3, *small_cfg.model.data_preprocessor.input_size)
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator) for _ in range(2)]


def samples() -> list[LaneDataSample]:
    made = []
    for shift in (0, 20):
        metainfo = dict(img_path="a/b.jpg", scale_factor=(0.5, 2.0), crop_offset=(10.0, 20.0))
        sample = LaneDataSample(metainfo=metainfo)
        sample.gt_lanes = [np.float32([[40 + shift, 90], [80 + shift, 10]])]
        made.append(sample)
    return made


def build(cfg, device: torch.device, weights: dict) -> torch.nn.Module:
    """A detector on a device. It is made there: of two modules that share a weight, moving would
    give each its own, as a tensor of this device cannot take the place of the CPU's."""
    torch.manual_seed(0)
    with device:
        model = MODELS.build(cfg)
    getattr(model, "architecture", model).load_state_dict(copy.deepcopy(weights))
    return model.to(device)


def assert_same(ours, expected) -> None:
    for each, other in zip(ours, expected, strict=True):
        assert each.device != CPU
        torch.testing.assert_close(each.cpu(), other, rtol=1e-5, atol=1e-7)


def train_step(model: torch.nn.Module, pictures: list) -> list[torch.Tensor]:
    """Losses and gradients."""
    model.train()
    inputs = model.data_preprocessor(dict(inputs=pictures, data_samples=samples()), True)
    losses = model(**inputs, mode="loss")
    sum(losses.values()).backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return [*(loss.detach() for loss in losses.values()), *gradients]


def predict(model: torch.nn.Module, pictures: list) -> list[LaneDataSample]:
    model.eval()
    with torch.no_grad():
        return model.val_step(dict(inputs=pictures, data_samples=samples()))


def assert_same_lanes(ours: list[LaneDataSample], expected: list[LaneDataSample]) -> None:
    assert sum(len(sample.pred_lanes) for sample in expected) > 0
    for each, other in zip(ours, expected, strict=True):
        assert each.pred_scores == pytest.approx(other.pred_scores)
        for lane, expected_lane in zip(each.pred_lanes, other.pred_lanes, strict=True):
            np.testing.assert_allclose(lane, expected_lane, rtol=1e-5)


def test_tensors_of_two_devices_do_not_mix(other):
    there = torch.ones(3, device=other)
    with pytest.raises(RuntimeError, match="on one device"):
        there + torch.ones(3)
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    assert (there + torch.tensor(1.0)).device == other


def test_colours_are_converted_there(other, pictures, small_cfg):
    converted = bgr_to_yuv444(pictures[0].to(other))
    assert converted.device == other
    assert torch.equal(converted.cpu(), bgr_to_yuv444(pictures[0]))
    here = MODELS.build(small_cfg.model.data_preprocessor)
    there = MODELS.build(small_cfg.model.data_preprocessor).to(other)
    batch = there(dict(inputs=pictures))["inputs"]
    assert batch.device == other
    assert torch.equal(batch.cpu(), here(dict(inputs=pictures))["inputs"])


def test_a_training_step(other, pictures, small_cfg, float_weights):
    here, there = (build(small_cfg.model, device, float_weights) for device in (CPU, other))
    assert_same(train_step(there, pictures), train_step(here, pictures))


def test_prediction(other, pictures, small_cfg, float_weights):
    small_cfg.model.head.decoder.update(kpt_thr=0.1, root_thr=4, min_points=1)
    here, there = (build(small_cfg.model, device, float_weights) for device in (CPU, other))
    assert_same_lanes(predict(there, pictures), predict(here, pictures))


@pytest.mark.parametrize(
    "observer",
    [
        "MSEObserver",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "PercentileObserver",
                "mmrazor.HistogramObserver",
                "mmrazor.MovingAverageMinMaxObserver",
            )
        ),
    ],
)
def test_calibration_and_integers(other, pictures, small_cfg, float_weights, observer):
    cfg = stage_config(small_cfg, "calibration").model
    cfg.architecture.head.decoder.update(kpt_thr=0.1, root_thr=4, min_points=1)
    cfg.quantizer.global_qconfig.a_observer = dict(type=observer)
    results = []
    for device in (other, CPU):
        model = build(cfg, device, float_weights).eval()
        model.apply(torch.ao.quantization.enable_observer)
        with torch.no_grad():
            model.calibrate_step(dict(inputs=pictures))
        model.apply(torch.ao.quantization.disable_observer)
        results.append((predict(model, pictures), model))
    (lanes, there), (expected, here) = results
    assert_same_lanes(lanes, expected)
    inputs = here.data_preprocessor(dict(inputs=pictures))["inputs"]
    with torch.no_grad():
        assert_same(there.fixed_point()(inputs.to(other)), here.fixed_point()(inputs))


@pytest.mark.parametrize(
    "config",
    [
        "configs/ganet_culane.py",
        pytest.param("configs/ganet_synlane_lsq.py", marks=pytest.mark.slow),
    ],
)
def test_a_qat_step(other, pictures, small_cfg, float_weights, config):
    cfg = Config.fromfile(config)
    cfg.model = small_cfg.model
    cfg = stage_config(cfg, "qat").model
    here, there = (build(cfg, device, float_weights) for device in (CPU, other))
    assert_same(train_step(there, pictures), train_step(here, pictures))
