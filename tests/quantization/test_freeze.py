import pytest
import torch
from torch.ao.quantization import FakeQuantizeBase

from ganet_mm.engine.stages import stage_config
from ganet_mm.quantization.freeze import FrozenConv2d, FrozenFakeQuantize, freeze
from ganet_mm.registry import MODELS

INPUT = (96, 192)


@pytest.mark.parametrize("stage", ["calibration", "qat"])
def test_the_frozen_graph_is_the_same_function(quantized, stage):
    model = quantized(stage)
    frozen = freeze(model.graph)
    x = torch.rand(1, 3, *INPUT, generator=torch.Generator().manual_seed(5)) * 2 - 1
    with torch.no_grad():
        expected = model(x, mode="tensor")
        actual = frozen(x, None, "tensor")
    for a, b in zip(expected, actual, strict=True):
        # Scales move by a thousandth and values fall to another integer here and there; the
        # untrained network passes that on undamped.
        assert (a - b).abs().mean() < 0.1 * a.abs().mean()


def test_nothing_learned_is_left_to_change(quantized):
    frozen = freeze(quantized().graph)
    assert not any(isinstance(m, FakeQuantizeBase) for m in frozen.modules())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in frozen.modules())
    assert sum(isinstance(m, FrozenConv2d) for m in frozen.modules()) == 55
    assert any(isinstance(m, FrozenFakeQuantize) for m in frozen.modules())
    assert not frozen.training


def test_the_model_itself_is_left_alone(quantized):
    model = quantized()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    freeze(model.graph)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_frozen_weights_lie_on_their_integer_grid(quantized):
    for module in freeze(quantized().graph).modules():
        if isinstance(module, FrozenConv2d):
            integers = module.weight / module.scale[:, None, None, None]
            torch.testing.assert_close(integers, integers.round(), atol=1e-3, rtol=0)
            assert integers.abs().max() <= 127.001


def test_a_model_that_never_saw_data_is_refused_by_name(small_cfg):
    model = MODELS.build(stage_config(small_cfg, "qat").model)
    with pytest.raises(ValueError, match=r"has never seen data.*--stage calibration"):
        freeze(model.graph)


def test_a_broken_scale_is_refused_by_name(quantized):
    model = quantized()
    fake_quantize = next(m for m in model.graph.modules() if isinstance(m, FakeQuantizeBase))
    fake_quantize.scale.fill_(float("nan"))
    with pytest.raises(ValueError, match="not a positive finite number"):
        freeze(model.graph)
