"""A run of a few seconds whose scores follow from its one weight."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner

import ganet_mm.engine  # noqa: F401
from ganet_mm.registry import MODELS

FRAMES = 6
SHAPE = (118, 328)


class Approaching(BaseModel):
    """Predicts the annotation aside by its weight in pixels, which falls by 1 an iteration to 2.

    The last frame of the set is never right: its lanes are not found and a false one is.
    """

    def __init__(self, start=30.0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([start]))
        self.norm = torch.nn.BatchNorm1d(1)

    def forward(self, inputs, data_samples=None, mode="tensor"):
        if mode == "loss":
            self.norm(torch.ones(2, 1))
            return {"loss": torch.relu(self.weight - 2).sum(), "loss_part": self.weight.detach()}
        aside = np.float32([float(self.weight), 0])
        for sample in data_samples:
            wrong = sample.img_path.endswith(f"{FRAMES - 1:05d}.jpg")
            aside_here = np.float32([100, 0]) if wrong else aside
            sample.pred_lanes = [lane + aside_here for lane in sample.gt_lanes_ori]
            sample.pred_scores = [0.75] * len(sample.pred_lanes)
        return data_samples


@pytest.fixture(scope="module", autouse=True)
def _approaching():
    MODELS.register_module(module=Approaching, force=True)
    yield
    del MODELS._module_dict["Approaching"]


@pytest.fixture
def lists(tmp_path):
    """Six frames of two categories."""
    root = tmp_path / "frames"
    (root / "list/test_split").mkdir(parents=True)
    names = [f"clip.MP4/{i:05d}.jpg" for i in range(FRAMES)]
    for name, part in (
        ("test", names),
        ("test_split/test0_normal", names[:2]),
        ("test_split/test8_night", names[2:]),
    ):
        (root / f"list/{name}.txt").write_text("".join(f"/{path}\n" for path in part))
    (root / "clip.MP4").mkdir()
    for i, name in enumerate(names):
        cv2.imwrite(str(root / name), np.full((*SHAPE, 3), 40 * i, np.uint8))
        points = " ".join(f"{60 + 20 * i} {y}" for y in range(110, 50, -10))
        (root / name).with_suffix(".lines.txt").write_text(points + " \n")
    return root


@pytest.fixture
def make_runner(tmp_path, lists):
    """Function of what a config's ``default_hooks`` and more say: a Runner."""
    count = iter(range(99))

    def make(hooks=None, epochs=4, backends=(), **kwargs) -> Runner:
        loader = {
            "batch_size": 1,
            "num_workers": 0,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "dataset": {
                "type": "CuLaneDataset",
                "data_root": str(lists),
                "ann_file": "list/test.txt",
                "pipeline": [
                    {"type": "DecodeImage"},
                    {"type": "Resize", "size": (32, 64)},
                    {"type": "PackLaneInputs"},
                ],
            },
        }
        metric = {"type": "CuLaneMetric", "num_workers": 0}
        checkpoint = {
            "type": "CheckpointHook",
            "interval": 1,
            "save_best": "culane/F1@50",
            "rule": "greater",
        }
        config = {
            "model": {"type": "Approaching"},
            "work_dir": str(tmp_path / "work"),
            "train_dataloader": loader,
            "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": epochs},
            "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 1.0}},
            "val_dataloader": loader,
            "val_cfg": {},
            "val_evaluator": metric,
            "test_dataloader": loader,
            "test_cfg": {},
            "test_evaluator": metric,
            "default_hooks": {"checkpoint": checkpoint, **(hooks or {})},
            "visualizer": {"type": "LaneVisualizer", "vis_backends": list(backends)},
            "default_scope": "ganet_mm",
            "log_level": "ERROR",
            # The message hub, like all that mmengine names after the experiment, is global.
            "experiment_name": f"{tmp_path.name}_{next(count)}",
            "stage": "float",
            **kwargs,
        }
        (tmp_path / "toy.py").write_text(Config(config).pretty_text)
        return Runner.from_cfg(Config.fromfile(tmp_path / "toy.py"))

    return make


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"
