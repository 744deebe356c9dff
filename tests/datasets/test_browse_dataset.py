import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from ganet_mm.datasets import packing

from .conftest import HEIGHT, WIDTH

TOOL = Path(__file__).parents[2] / "tools/analysis_tools/browse_dataset.py"

CONFIG = """
default_scope = "ganet_mm"
pipeline = [
    dict(type="DecodeImage"),
    dict(type="Resize", size=(64, 160)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="ShiftScaleRotate", prob=1.0),
    dict(type="PackLaneInputs"),
]
train_dataloader = dict(
    dataset=dict(type="CuLaneDataset", data_root={root!r}, pipeline=pipeline)
)
model = dict(head=dict(target=dict(type="GaNetTarget", hm_down_scale=8, radius=2)))
"""


@pytest.fixture(scope="module")
def main():
    spec = importlib.util.spec_from_file_location("browse_dataset", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *args: module.main([str(arg) for arg in args])


@pytest.fixture
def config(folder, tmp_path):
    root = tmp_path / "train_lmdb"
    packing.pack(packing.Source.open(folder, folder / "list" / "train.txt"), root)
    path = tmp_path / "config.py"
    path.write_text(CONFIG.format(root=str(root)))
    return path


def test_last_step_shows_lanes_above_targets(main, config, tmp_path):
    assert main(config, "--out", tmp_path / "look", "--number", 3, "--start", 2) == 0
    names = sorted(path.name for path in (tmp_path / "look").iterdir())
    assert names == [f"{i:06d}_03_ShiftScaleRotate.jpg" for i in (2, 3, 4)]
    img = cv2.imread(str(tmp_path / "look" / names[0]))
    assert img.shape == (128, 160, 3)
    assert np.abs(img[:64].astype(int) - img[64:]).max() > 100  # heat and arrows


def test_every_step(main, config, tmp_path):
    assert main(config, "--out", tmp_path / "look", "--number", 1, "--step", "all") == 0
    shapes = {p.name: cv2.imread(str(p)).shape[:2] for p in (tmp_path / "look").iterdir()}
    assert shapes == {
        "000000_00_DecodeImage.jpg": (HEIGHT, WIDTH),  # 90 rows: no whole number of cells
        "000000_01_Resize.jpg": (128, 160),
        "000000_02_RandomFlip.jpg": (128, 160),
        "000000_03_ShiftScaleRotate.jpg": (128, 160),
    }


@pytest.mark.parametrize("step", ["1", "Resize"])
def test_one_step_by_number_or_name(main, config, tmp_path, step):
    assert main(config, "--out", tmp_path / "look", "--number", 1, "--step", step) == 0
    assert [p.name for p in (tmp_path / "look").iterdir()] == ["000000_01_Resize.jpg"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--step", "9"], "--step 9: no such step; the pipeline has 0 DecodeImage, 1 Resize"),
        (["--step", "Blur"], "--step Blur: no such step"),
        (["--split", "val"], "has no val_dataloader"),
        (["--start", "20"], "the dataset has 20 frames"),
        (["--cfg-options", "train_dataloader.dataset.data_root=gone"], "gone: no LMDB here"),
    ],
)
def test_errors_are_named(main, config, tmp_path, capsys, args, message):
    assert main(config, "--out", tmp_path / "look", *args) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "look").exists()
