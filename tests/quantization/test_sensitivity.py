import copy

import pytest
import torch
from torch.ao.quantization import FakeQuantizeBase

from ganet_mm.quantization.sensitivity import (
    LayerCost,
    SensitivityStudy,
    quantizers_of_layers,
    relative_error,
)
from ganet_mm.structures import LaneDataSample

INPUT = (96, 192)


class Constant:
    """Stands for the metric: F1 falls with the number of layers that ``harm``."""

    def __init__(self) -> None:
        self.score = 0.9

    def process(self, data_samples, data_batch) -> None:
        assert all(isinstance(sample.pred_lanes, list) for sample in data_samples)

    def evaluate(self, count: int) -> dict:
        return {"culane/F1@50": self.score}


@pytest.fixture
def study(quantized):
    model = quantized()
    metainfo = dict(scale_factor=(1.0, 1.0), crop_offset=(0.0, 0.0))
    frames = torch.rand(2, 3, *INPUT, generator=torch.Generator().manual_seed(3)) * 2 - 1
    samples = [LaneDataSample(metainfo=copy.deepcopy(metainfo)) for _ in range(2)]
    return SensitivityStudy(model, [(frames, samples)], Constant())


def test_every_quantizer_belongs_to_one_layer(quantized):
    graph = quantized().graph
    layers = quantizers_of_layers(graph)
    owned = [id(quantizer) for group in layers.values() for quantizer in group]
    everything = {id(m) for m in graph.modules() if isinstance(m, FakeQuantizeBase)}
    assert len(owned) == len(set(owned)) and set(owned) == everything
    assert next(iter(layers)) == "input"
    # Weights and output; the head's last convolutions have float outputs.
    assert len(layers["backbone.stages.0.0.conv1.0"]) == 2
    assert len(layers["head.kpts_branch.2"]) == 1


def test_errors_of_single_layers(study):
    """One layer alone changes the maps less than all do; an added one makes it worse."""
    name = "backbone.stages.1.0.conv1.0"
    cost = study.cost(name)
    assert 0 < cost.error_alone < study.all_error
    assert cost.error_without > 0
    assert study.left_float(list(study.layers))[0] > 0  # convolutions' outputs stay on grids
    assert study.left_float([])[0] == study.all_error
    coarse = study.layers[name][0]
    coarse.scale.mul_(40)  # 3 levels of weights
    assert study.cost(name).error_alone > 5 * cost.error_alone


def test_the_proposal_is_the_shortest_prefix_that_fits(study, monkeypatch):
    names = list(study.layers)
    worst = ["head.kpts_branch.0", "backbone.stem.0"]  # but for an addition, which has no weights
    costs = [
        LayerCost(n, 0, 0, {worst[0]: 0.1, worst[1]: 0.2, "add_3": 0.05}.get(n, 0.3), 0)
        for n in names
    ]
    study.float_f1, study.all_f1 = 0.9, 0.89

    def left_float(left):
        return 0.0, 0.89 + 0.004 * len(left)

    monkeypatch.setattr(study, "left_float", left_float)
    reported = []
    assert study.propose(costs, 0.25, lambda name, drop: reported.append(name)) == worst
    assert reported == worst
    assert study.propose(costs, 1.1) == []
    study.float_f1 = 5.0
    assert study.propose(costs, 0.1) is None


def test_relative_error_counts_in_standard_deviations():
    a = tuple(torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(3))
    b = tuple(part + 0.5 * part.std() for part in a)
    assert relative_error([a], [b]) == pytest.approx(0.5, rel=1e-5)
    assert relative_error([a], [a]) == 0
