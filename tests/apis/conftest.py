from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

import ganet_mm  # noqa: F401
from ganet_mm.registry import MODELS

MODEL_CONFIG = Path(__file__).parents[2] / "configs/_base_/models/ganet_mixvargenet.py"
FRAME = (118, 328)  # height, width: CULane's frame divided by five
INPUT = (96, 192)


@pytest.fixture(scope="session")
def cfg():
    """The shipped network at a small input, with CULane's crop divided by five."""
    cfg = Config.fromfile(MODEL_CONFIG)
    cfg.merge_from_dict(
        {
            "model.data_preprocessor.input_size": INPUT,
            "model.neck.input_size": INPUT,
            "model.head.decoder.min_points": 4,
            "default_scope": "ganet_mm",
        }
    )
    pipeline = [
        {"type": "DecodeImage"},
        {"type": "FixedCrop", "x": 0, "y": 54, "w": 328, "h": 64},
        {"type": "Resize", "size": INPUT},
        {"type": "PackLaneInputs"},
    ]
    cfg.test_dataloader = {"dataset": {"type": "CuLaneDataset", "pipeline": pipeline}}
    return cfg


@pytest.fixture(scope="session")
def road():
    """A function of (seed, shape) that draws a little road picture, (H, W, 3) uint8 BGR."""

    def draw(seed=0, shape=FRAME):
        rng = np.random.default_rng(seed)
        height, width = shape
        img = np.full((height, width, 3), 90, np.uint8)
        img[: height // 2] = (200, 170, 140)
        top = (int(width * rng.uniform(0.4, 0.6)), height // 2)
        for bottom in rng.uniform(-0.2, 1.2, 4):
            cv2.line(img, (int(width * bottom), height), top, (255, 255, 255), 3, cv2.LINE_AA)
        noise = rng.integers(-20, 20, img.shape)
        return np.clip(img + noise, 0, 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def checkpoint(cfg, road, tmp_path_factory):
    """Untrained weights under which lanes come out, other ones for every picture.

    Batch norm takes its statistics from a few pictures, so that the maps follow the picture; the
    keypoint logits lie around the threshold; offsets are small, so that keypoints group around
    where they are.
    """
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    pictures = [cv2.resize(road(seed)[54:], INPUT[::-1]) for seed in range(100, 108)]
    with torch.no_grad():
        batch = model.data_preprocessor(
            {"inputs": torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)}
        )["inputs"]
        model.train()
        for _ in range(20):
            logits = model(batch)[0]
        last = model.head.kpts_branch[-1]
        last.weight *= 3 / logits.std()
        last.bias.fill_(0)
        last.bias -= model(batch)[0].mean()
    path = tmp_path_factory.mktemp("weights") / "epoch_1.pth"
    torch.save({"state_dict": model.state_dict()}, path)
    return path
