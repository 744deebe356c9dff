import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies
from torch.ao.quantization import FakeQuantizeBase

from ganet_mm.engine.stages import stage_config
from ganet_mm.quantization import MSEObserver, PercentileObserver
from ganet_mm.quantization.observers import least_error_range, percentile_range
from ganet_mm.registry import MODELS

OPTIONS = dict(dtype=torch.quint8, qscheme=torch.per_tensor_affine, quant_min=0, quant_max=255)


def observed(observer, *batches) -> tuple[float, int]:
    for batch in batches:
        observer(batch)
    scale, zero_point = observer.calculate_qparams()
    return float(scale), int(zero_point)


def long_tailed(seed: int = 0, count: int = 200_000) -> torch.Tensor:
    values = np.random.default_rng(seed).standard_t(3, count).astype(np.float32)
    return torch.from_numpy(values)


def squared_error(values: torch.Tensor, scale: float, zero_point: int) -> float:
    rounded = torch.fake_quantize_per_tensor_affine(values, scale, zero_point, 0, 255)
    return float(((rounded - values) ** 2).mean())


@settings(max_examples=30, deadline=None)
@given(strategies.floats(90, 100), strategies.integers(0, 5))
def test_a_percentile_cuts_that_share_and_no_more(percentile, seed):
    values = np.random.default_rng(seed).gamma(2, 1, 20_000).astype(np.float32)
    low, high = torch.tensor(values.min()), torch.tensor(values.max())
    histogram = torch.histc(torch.from_numpy(values), 2048, float(low), float(high))
    start, end = (float(v) for v in percentile_range(histogram, low, high, percentile))
    cut = len(values) * (100 - percentile) / 200  # on each side
    bin_width = float(high - low) / 2048
    assert (values < start - 1e-5).sum() <= cut
    assert (values > end + 1e-5).sum() <= cut
    # One bin further in would cut more; a value on a bin's edge may be counted with either.
    assert (values < start + bin_width + 1e-5).sum() >= cut - 1
    assert (values > end - bin_width - 1e-5).sum() >= cut - 1


def test_least_error_is_that_of_trying_all_shares():
    values = long_tailed()
    low, high = values.min(), values.max()
    histogram = torch.histc(values, 2048, float(low), float(high))

    def error(start: float, end: float) -> float:
        step = (end - start) / 255
        return float((((values.clamp(start, end) / step).round() * step - values) ** 2).mean())

    shares = np.arange(1, 101) / 100
    tried = [error(float(low) * share, float(high) * share) for share in shares]
    found = error(*(float(v) for v in least_error_range(histogram, low, high)))
    assert found <= 1.03 * min(tried)
    assert found < 0.8 * tried[-1]


def test_cutting_the_tail_lowers_the_error():
    values = long_tailed()
    whole = squared_error(values, *observed(PercentileObserver(percentile=100, **OPTIONS), values))
    assert squared_error(values, *observed(MSEObserver(**OPTIONS), values)) < 0.8 * whole


@pytest.mark.parametrize("observer", [MSEObserver, PercentileObserver])
def test_batches_add_up(observer):
    """Two batches of one distribution give the range of the whole."""
    values = long_tailed(count=100_000)
    once = observed(observer(**OPTIONS), values)
    twice = observed(observer(**OPTIONS), values[:50_000], values[50_000:])
    assert twice[0] == pytest.approx(once[0], rel=0.05)
    assert abs(twice[1] - once[1]) <= 3


@pytest.mark.parametrize("observer", [MSEObserver, PercentileObserver])
def test_a_constant_tensor_has_a_range_with_zero(observer):
    scale, zero_point = observed(observer(**OPTIONS), torch.full((100,), 2.5))
    assert (255 - zero_point) * scale == pytest.approx(2.5, rel=0.02)
    scale, _ = observed(observer(**OPTIONS), torch.zeros(100))
    assert 0 < scale < 1e-6


def test_a_senseless_percentile_is_refused():
    with pytest.raises(ValueError, match="percentile must lie in"):
        PercentileObserver(percentile=0.9999, **OPTIONS)


OBSERVERS = [
    dict(type="mmrazor.MinMaxObserver"),
    dict(type="mmrazor.MovingAverageMinMaxObserver", averaging_constant=0.3),
    dict(type="mmrazor.HistogramObserver"),
    dict(type="PercentileObserver", percentile=99.9),
    dict(type="MSEObserver", candidates=60),
]


@pytest.mark.parametrize("observer", OBSERVERS, ids=lambda config: config["type"])
def test_a_config_names_the_observer_and_its_arguments(small_cfg, float_weights, observer):
    cfg = stage_config(small_cfg, "calibration")
    cfg.model.quantizer.global_qconfig.a_observer = observer
    model = MODELS.build(cfg.model).eval()
    model.architecture.load_state_dict(copy.deepcopy(float_weights))
    first = next(m for m in model.graph.modules() if isinstance(m, FakeQuantizeBase))
    assert type(first.activation_post_process).__name__ == observer["type"].split(".")[-1]
    for key, value in observer.items():
        if key != "type":
            assert getattr(first.activation_post_process, key) == value
    model.apply(torch.ao.quantization.enable_observer)
    picture = torch.randint(0, 256, (3, 96, 192), dtype=torch.uint8)
    with torch.no_grad():
        model.calibrate_step(dict(inputs=[picture]))
    model.apply(torch.ao.quantization.disable_observer)
    maps = model.fixed_point()(torch.rand(1, 3, 96, 192) * 2 - 1)
    assert all(part.isfinite().all() for part in maps)
