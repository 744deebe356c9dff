"""What many tests share: a small GaNet config and a quantized model of it."""

from __future__ import annotations

import os

# Before torch is imported: tests run side by side, and OpenMP's threads would fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import ganet_mm  # noqa: F401
from ganet_mm.engine.stages import stage_config
from ganet_mm.registry import MODELS

SMALL_INPUT = (96, 192)


@pytest.fixture(autouse=True, scope="session")
def _default_scope():
    init_default_scope("ganet_mm")


@pytest.fixture
def small_cfg() -> Config:
    """configs/ganet_culane.py's network and stages at a 96×192 input."""
    cfg = Config.fromfile("configs/ganet_culane.py")
    cfg.model.data_preprocessor.input_size = SMALL_INPUT
    cfg.model.neck.input_size = SMALL_INPUT
    return cfg


@pytest.fixture(scope="session")
def float_weights() -> dict[str, torch.Tensor]:
    """Weights of that network whose batch norms have seen data and whose outputs are alive."""
    cfg = Config.fromfile("configs/ganet_culane.py")
    cfg.model.data_preprocessor.input_size = SMALL_INPUT
    cfg.model.neck.input_size = SMALL_INPUT
    init_default_scope("ganet_mm")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(2, 3, *SMALL_INPUT) * 2 - 1, mode="tensor")
        model.neck.attention.gamma.fill_(0.5)
        for branch in ("kpts_branch", "pts_offset_branch", "int_offset_branch"):
            getattr(model.head, branch)[-1].weight.normal_(std=0.5)
    return model.state_dict()


@pytest.fixture
def quantized(small_cfg, float_weights):
    """Function of a stage's name: its model, calibrated on random frames, in eval mode."""

    def build(stage: str = "qat"):
        torch.manual_seed(1)
        model = MODELS.build(stage_config(small_cfg, stage).model)
        model.architecture.load_state_dict(copy.deepcopy(float_weights))
        model.eval()
        model.apply(torch.ao.quantization.enable_observer)
        with torch.no_grad():
            for _ in range(2):
                model(torch.rand(2, 3, *SMALL_INPUT) * 2 - 1, mode="tensor")
        model.apply(torch.ao.quantization.disable_observer)
        return model

    return build
