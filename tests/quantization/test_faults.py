"""What must not go unnoticed: each is a clear error or a right result."""

import copy

import numpy as np
import pytest
import torch
from torch.ao.quantization import FakeQuantizeBase, disable_observer, enable_observer

from ganet_mm.deploy.export_model import GraphMaps
from ganet_mm.deploy.onnx_file import export_onnx
from ganet_mm.deploy.runtimes import OnnxRuntime
from ganet_mm.engine.stages import stage_config
from ganet_mm.registry import MODELS

INPUT = (96, 192)


@pytest.fixture(params=["calibration", "qat"])
def fresh(request, small_cfg, float_weights):
    """A model whose observers are on and have seen nothing."""
    model = MODELS.build(stage_config(small_cfg, request.param).model).eval()
    model.architecture.load_state_dict(copy.deepcopy(float_weights))
    model.apply(enable_observer)
    return model


def picture(seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).integers(0, 256, (3, *INPUT), dtype=np.uint8)
    return torch.from_numpy(values)


def calibrated(model, *pictures):
    with torch.no_grad():
        model.calibrate_step(dict(inputs=list(pictures)))
    model.apply(disable_observer)
    return model


def scales(model) -> torch.Tensor:
    quantizers = [m for m in model.graph.modules() if isinstance(m, FakeQuantizeBase)]
    return torch.cat([m.scale.reshape(-1) for m in quantizers])


def test_an_all_black_calibration_set(fresh):
    black = torch.zeros(3, *INPUT, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"one colour.*calibrate_dataloader real frames"):
        calibrated(fresh, black, black)
    calibrated(fresh, black, picture())  # one black frame among others is no fault


def test_one_calibration_frame(fresh):
    model = calibrated(fresh, picture())
    found = scales(model)
    assert found.isfinite().all() and (found > 0).all() and not (found == 1).any()
    maps = model.fixed_point()(model.data_preprocessor(dict(inputs=[picture(1)]))["inputs"])
    assert all(part.isfinite().all() for part in maps)


def test_a_dead_channel(fresh, tmp_path):
    """Its weights are all zero, its bias is not: the bias must come out, in file and graph."""
    conv, norm = fresh.architecture.backbone.stages[1][1].conv1[:2]
    with torch.no_grad():
        conv.weight[3] = 0
        norm.bias[3] = 0.7
        fresh.architecture.backbone.stem[0].weight[5] = 0
    model = calibrated(fresh, picture(), picture(1))
    maps = model.fixed_point()(model.data_preprocessor(dict(inputs=[picture(2)]))["inputs"])
    float_maps = model.architecture(
        model.data_preprocessor(dict(inputs=[picture(2)]))["inputs"], mode="tensor"
    )
    for a, b in zip(float_maps, maps, strict=True):
        assert (a - b).abs().mean() < 0.2 * (a - a.mean()).abs().mean()
    path = tmp_path / "dead.onnx"
    export_onnx(GraphMaps(model.fixed_point().frozen).eval(), INPUT, path, {})
    frame = model.data_preprocessor(dict(inputs=[picture(2)]))["inputs"]
    for a, b in zip(maps, OnnxRuntime(path, 1).run(frame.numpy()), strict=True):
        np.testing.assert_allclose(b, a.numpy(), rtol=1e-5, atol=1e-6)


def test_a_float_picture_with_nan(fresh):
    with pytest.raises(TypeError, match=r"picture 0 of the batch is torch\.float32, not uint8"):
        calibrated(fresh, torch.full((3, *INPUT), float("nan")))


def test_nan_in_the_weights(fresh):
    with torch.no_grad():
        fresh.architecture.head.kpts_branch[-1].bias[0] = float("nan")
    with pytest.raises(ValueError, match="not finite on a calibration batch"):
        calibrated(fresh, picture())


def test_an_observer_that_saw_nothing(fresh):
    fresh.apply(disable_observer)
    with pytest.raises(ValueError, match=r"has never seen data.*--stage calibration"):
        fresh.fixed_point()


def test_a_scale_that_is_no_number(quantized):
    model = quantized()
    name, module = next(
        (n, m) for n, m in model.graph.named_modules() if isinstance(m, FakeQuantizeBase)
    )
    module.scale.fill_(float("nan"))
    with pytest.raises(ValueError, match=rf"{name} has scale .*nan.*not a positive finite number"):
        model.fixed_point()
