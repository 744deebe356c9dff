"""Observers that torch lacks; ``mmrazor.MinMaxObserver``, ``mmrazor.MovingAverageMinMaxObserver``,
``mmrazor.HistogramObserver`` and ``mmrazor.PerChannelMinMaxObserver`` are torch's own.

An observer looks at a tensor during calibration and chooses the range that 8 bits are spread over.
Its arguments stand beside its type in a config: ``a_observer=dict(type="PercentileObserver",
percentile=99.9)``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.ao.quantization import HistogramObserver

from ganet_mm.registry import MODELS


def percentile_range(
    histogram: Tensor, low: Tensor, high: Tensor, percentile: float
) -> tuple[Tensor, Tensor]:
    """The range that holds ``percentile`` per cent of the values, as much cut below as above.

    Args:
        histogram: (bins) counts of equally wide bins between ``low`` and ``high``.
        low, high: Scalars, the smallest and largest value seen.
        percentile: In 0..100.

    Returns:
        Scalars: lower and upper end, bin edges.
    """
    edges = _edges(histogram, low, high)
    below = histogram.double().cumsum(0)
    cut = below[-1] * (1 - percentile / 100) / 2
    first = int((below <= cut).sum())
    last = int((below < below[-1] - cut).sum())
    first, last = min(first, len(histogram) - 1), min(last, len(histogram) - 1)
    return edges[first], edges[max(first, last) + 1]


def least_error_range(
    histogram: Tensor, low: Tensor, high: Tensor, levels: int = 256, candidates: int = 100
) -> tuple[Tensor, Tensor]:
    """The share of the whole range whose quantization has the least mean squared error.

    Rounding errors shrink with the range, errors of what is cut off grow. Both ends shrink in
    proportion, so 0 stays where it is between them.

    Args:
        histogram: (bins) counts of equally wide bins between ``low`` and ``high``.
        low, high: Scalars, the smallest and largest value seen.
        levels: Integers that the range is spread over.
        candidates: Shares tried, evenly from 1 / candidates to 1.

    Returns:
        Scalars: lower and upper end.
    """
    edges = _edges(histogram, low, high)
    centres = ((edges[1:] + edges[:-1]) / 2)[None]
    shares = torch.arange(1, candidates + 1, device=histogram.device)[:, None] / candidates
    lows, highs = low.clamp(max=0) * shares, high.clamp(min=0) * shares
    steps = ((highs - lows) / (levels - 1)).clamp(min=torch.finfo(torch.float32).tiny)
    quantized = torch.minimum(torch.maximum((centres / steps).round() * steps, lows), highs)
    errors = ((quantized - centres) ** 2 * histogram).sum(dim=1)
    best = int(errors.argmin())
    return lows[best, 0], highs[best, 0]


def _edges(histogram: Tensor, low: Tensor, high: Tensor) -> Tensor:
    steps = torch.arange(len(histogram) + 1, device=histogram.device) / len(histogram)
    return low + (high - low) * steps


@MODELS.register_module()
class PercentileObserver(HistogramObserver):
    """The range of all but the rarest values.

    Args:
        percentile: Per cent of the values that the range holds.
        kwargs: As for torch's ``HistogramObserver``.
    """

    def __init__(self, percentile: float = 99.99, **kwargs) -> None:
        if not 50 < percentile <= 100:
            raise ValueError(f"percentile must lie in (50, 100], got {percentile}")
        super().__init__(**kwargs)
        self.percentile = percentile

    def _non_linear_param_search(self) -> tuple[Tensor, Tensor]:
        return percentile_range(self.histogram, self.min_val, self.max_val, self.percentile)


@MODELS.register_module()
class MSEObserver(HistogramObserver):
    """The range with the least mean squared error of quantization.

    Args:
        candidates: How many ranges are tried.
        kwargs: As for torch's ``HistogramObserver``.
    """

    def __init__(self, candidates: int = 100, **kwargs) -> None:
        super().__init__(**kwargs)
        self.candidates = candidates

    def _non_linear_param_search(self) -> tuple[Tensor, Tensor]:
        levels = self.quant_max - self.quant_min + 1
        return least_error_range(
            self.histogram, self.min_val, self.max_val, levels, self.candidates
        )
