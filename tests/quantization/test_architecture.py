import copy

import pytest
import torch
from torch.ao.quantization import (
    FakeQuantizeBase,
    disable_fake_quant,
    disable_observer,
    enable_observer,
)

from ganet_mm.engine.stages import stage_config
from ganet_mm.registry import MODELS
from ganet_mm.structures import LaneDataSample

INPUT = (96, 192)


def frames(count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, *INPUT, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.mark.parametrize("stage", ["calibration", "qat"])
def test_without_fake_quantization_it_is_the_float_network(
    small_cfg, float_weights, quantized, stage
):
    float_model = MODELS.build(small_cfg.model)
    float_model.load_state_dict(float_weights)
    float_model.eval()
    model = quantized(stage)
    model.apply(disable_fake_quant)
    with torch.no_grad():
        for expected, actual in zip(
            float_model(frames(2), mode="tensor"), model(frames(2), mode="tensor"), strict=True
        ):
            torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stage", ["calibration", "qat"])
def test_with_it_the_maps_stay_close_but_change(small_cfg, float_weights, quantized, stage):
    float_model = MODELS.build(small_cfg.model)
    float_model.load_state_dict(float_weights)
    float_model.eval()
    model = quantized(stage)
    with torch.no_grad():
        expected = float_model(frames(), mode="tensor")
        actual = model(frames(), mode="tensor")
    for a, b in zip(expected, actual, strict=True):
        error = (a - b).abs().mean()
        assert 0 < error < 0.2 * (a - a.mean()).abs().mean()


@pytest.mark.parametrize("stage", ["calibration", "qat"])
def test_tracing_leaves_no_trace_in_observers(small_cfg, stage):
    """The random frame of the tracing must not widen any range seen later."""
    model = MODELS.build(stage_config(small_cfg, stage).model)
    for name, module in model.named_modules():
        if not isinstance(module, FakeQuantizeBase):
            continue
        observer = module.activation_post_process
        assert observer.min_val.numel() == 0 or torch.isinf(observer.min_val).all(), name
        if hasattr(observer, "histogram"):
            assert observer.histogram.sum() == 0, name
        assert (module.scale == 1).all()


def test_the_graphs_weights_are_the_detectors_own(quantized):
    """Float weights loaded into the architecture must reach the graph that runs."""
    model = quantized()
    model.apply(disable_fake_quant)
    model.apply(disable_observer)
    before = model(frames(), mode="tensor")[0]
    with torch.no_grad():
        model.architecture.head.kpts_branch[-1].bias.add_(1.0)
        model.architecture.backbone.stem[1].running_mean.add_(0.5)
    after = model(frames(), mode="tensor")[0]
    assert (after - before).abs().min() > 0.1


def test_outputs_are_float_and_everything_before_is_quantized(quantized):
    graph = quantized().graph
    output = next(node for node in graph.graph.nodes if node.op == "output")
    makers = output.all_input_nodes
    assert len(makers) == 3
    for node in makers:
        module = graph.get_submodule(node.target)
        assert hasattr(module, "weight_fake_quant")
        assert isinstance(graph.get_submodule(node.args[0].target), FakeQuantizeBase)


def test_loss_and_predict_use_the_heads_own_code(quantized):
    model = quantized()
    lane = torch.stack([torch.full((9,), 90.0), torch.linspace(95, 10, 9)], 1).numpy()
    sample = LaneDataSample(
        gt_lanes=[lane], metainfo=dict(scale_factor=(1.0, 1.0), crop_offset=(0.0, 0.0))
    )
    losses = model(frames(), [copy.deepcopy(sample)], mode="loss")
    assert set(losses) == {"loss_kpts_cls", "loss_pts_offset", "loss_int_offset"}
    (predicted,) = model(frames(), [sample], mode="predict")
    assert isinstance(predicted.pred_lanes, list)
    with pytest.raises(RuntimeError, match="mode 'train'"):
        model(frames(), [sample], mode="train")


def test_calibration_sees_only_calibration_data(quantized):
    """A second batch of larger values moves the ranges; the first is the batch's own."""
    model = quantized("qat")
    first = next(m for m in model.graph.modules() if isinstance(m, FakeQuantizeBase))
    low, high = first.activation_post_process.min_val, first.activation_post_process.max_val
    assert -1.01 < low < -0.9 and 0.9 < high < 1.01  # uniform frames in −1..1
    model.apply(enable_observer)
    picture = torch.full((3, *INPUT), 255, dtype=torch.uint8)
    picture[:, 0] = 0  # a batch of one colour would be refused
    maps = model.calibrate_step(dict(inputs=[picture]))
    assert [tuple(part.shape[-2:]) for part in maps] == [(12, 24)] * 3


def test_training_moves_weights_and_ranges(quantized):
    model = quantized("qat").train()
    model.apply(enable_observer)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lane = torch.stack([torch.full((9,), 90.0), torch.linspace(95, 10, 9)], 1).numpy()
    sample = LaneDataSample(gt_lanes=[lane])
    weight = model.architecture.backbone.stem[0].weight
    before = weight.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        sum(model(frames(2), [sample, sample], mode="loss").values()).backward()
        optimizer.step()
    assert torch.isfinite(weight).all()
    assert (weight - before).abs().max() > 0
