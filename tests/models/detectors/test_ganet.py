from __future__ import annotations

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper
from mmrazor.models.task_modules.tracer.fx.custom_tracer import CustomTracer, build_graphmodule
from torch import nn
from torch.utils.data import DataLoader

from ganet_mm.registry import MODELS
from ganet_mm.structures import LaneDataSample

CONFIG = Path(__file__).parents[3] / "configs/_base_/models/ganet_mixvargenet.py"
SIZE = (96, 192)
SKIPPED_METHODS = [
    f"ganet_mm.models.heads.ganet_head.GaNetHead.{name}"
    for name in ("loss_by_feat", "predict_by_feat")
]


def model_cfg(size=SIZE):
    cfg = Config.fromfile(CONFIG).model
    cfg.data_preprocessor.input_size = size
    cfg.neck.input_size = size
    cfg.head.decoder.min_points = 4
    return cfg


def build(size=SIZE):
    torch.manual_seed(0)
    return MODELS.build(model_cfg(size))


def drawn_item(lanes_img, size=SIZE):
    """A dark road with bright lines, as the pipeline packs it."""
    picture = np.full((*size, 3), 60, np.uint8)
    for lane in lanes_img:
        cv2.polylines(picture, [lane.round().astype(np.int32)], False, (230, 230, 230), 4)
    sample = LaneDataSample(
        metainfo=dict(img_path="drawn.jpg", scale_factor=(0.5, 0.5), crop_offset=(0.0, 100.0))
    )
    sample.gt_lanes = lanes_img
    return dict(inputs=torch.from_numpy(picture).permute(2, 0, 1), data_samples=sample)


def items():
    left = np.float32([[30, 95], [70, 10]])
    right = np.float32([[160, 95], [110, 10]])
    return [drawn_item([left, right]), drawn_item([left + [20, 0]]), drawn_item([right - [30, 0]])]


def test_parameters_of_the_recipe():
    model = MODELS.build(Config.fromfile(CONFIG).model)
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_210_166


def test_tensor_mode_at_the_recipe_size():
    model = MODELS.build(Config.fromfile(CONFIG).model).eval()
    with torch.no_grad():
        maps = model(torch.zeros(1, 3, 320, 800))
    assert [tuple(each.shape) for each in maps] == [
        (1, 1, 40, 100),
        (1, 2, 40, 100),
        (1, 2, 40, 100),
    ]


def test_learns_a_drawn_batch_and_finds_its_lanes():
    """Real gradients through every part: the loss falls, and the lanes come back."""
    model = build()
    batch = pseudo_collate(items())
    optim = OptimWrapper(torch.optim.Adam(model.parameters(), lr=3e-3))
    history = []
    for _ in range(60):
        history.append(model.train_step(copy.deepcopy(batch), optim)["loss"].item())
    assert np.mean(history[-5:]) < 0.2 * history[0]
    # The averages of the batch norm lag behind; the batch's own statistics do not.
    with torch.no_grad():
        data = model.data_preprocessor(batch)
        results = model(**data, mode="predict")
    assert [len(result.pred_lanes) for result in results] == [2, 1, 1]
    for result in results:
        assert all(0.4 < score < 1 for score in result.pred_scores)
        for lane, lane_img in zip(result.pred_lanes, result.gt_lanes, strict=True):
            lane_img_found = (lane - [0, 100]) * 0.5
            order = np.argsort(lane_img[:, 1])
            x = np.interp(lane_img_found[:, 1], lane_img[order, 1], lane_img[order, 0])
            assert np.abs(lane_img_found[:, 0] - x).mean() < 4


def test_predict_from_a_data_loader():
    model = build().eval()
    loader = DataLoader(items(), batch_size=2, collate_fn=pseudo_collate)
    for batch in loader:
        results = model.test_step(batch)
        assert len(results) == len(batch["inputs"])
        for result in results:
            assert isinstance(result.pred_lanes, list) and isinstance(result.pred_scores, list)
            assert len(result.pred_lanes) == len(result.pred_scores)


@pytest.mark.parametrize("with_lanes", [True, False])
def test_every_parameter_gets_a_gradient(with_lanes):
    """Also from a batch without lanes; else distributed training waits for ever."""
    model = build()
    nn.init.constant_(model.neck.attention.gamma, 0.5)  # at 0 query and key have no gradient yet
    batch = items() if with_lanes else [drawn_item([]), drawn_item([])]
    data = model.data_preprocessor(pseudo_collate(batch), True)
    losses = model(**data, mode="loss")
    assert set(losses) == {"loss_kpts_cls", "loss_pts_offset", "loss_int_offset"}
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if not with_lanes:
            assert parameter.grad.abs().max() == 0, name


def test_losses_under_autocast_are_float32_and_near():
    model = build().eval()
    data = model.data_preprocessor(pseudo_collate(items()))
    with torch.no_grad():
        expected = model(**data, mode="loss")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = model(**data, mode="loss")
    for key, loss in losses.items():
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(expected[key].item(), rel=0.05)


@pytest.mark.parametrize("mode", ["tensor", "loss", "predict"])
def test_traces_in_every_mode(mode):
    """The graph ends in the head's untraced methods, and has no shape arithmetic."""
    model = build().eval()
    tracer = CustomTracer(skipped_methods=SKIPPED_METHODS)
    graph = tracer.trace(model, concrete_args=dict(mode=mode))
    called = [node.target for node in graph.nodes if node.op == "call_method"]
    last = {"tensor": [], "loss": ["loss_by_feat"], "predict": ["predict_by_feat"]}[mode]
    assert called == ["flatten"] * 3 + ["transpose", "softmax", "reshape"] + last
    assert sum(node.op == "call_module" for node in graph.nodes) > 100
    data = model.data_preprocessor(pseudo_collate(items()))
    traced = build_graphmodule(model, graph)
    with torch.no_grad():
        if mode == "tensor":
            for ours, theirs in zip(
                model(data["inputs"]), traced(data["inputs"], None, mode), strict=True
            ):
                assert torch.equal(ours, theirs)


def test_two_input_sizes_in_one_model_are_refused():
    cfg = model_cfg()
    cfg.neck.input_size = (96, 224)
    with pytest.raises(ValueError, match=r"\(96, 192\).*\(96, 224\)"):
        MODELS.build(cfg)
