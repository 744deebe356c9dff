import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import Config

from ganet_mm.datasets.transforms import DecodeImage, PackLaneInputs
from ganet_mm.structures.polylines import transform_points

from .conftest import frame

IMG = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
LANE = np.array([[1, 2], [3, 4]], np.float32)


def test_decode_begins_the_frame():
    results = frame(IMG, [LANE])
    np.testing.assert_array_equal(results["img"], IMG)
    assert results["img_shape"] == results["ori_shape"] == (12, 20)
    assert results["crop_offset"] == (0, 0)
    assert results["scale_factor"] == (1, 1)
    np.testing.assert_array_equal(results["matrix"], np.eye(3))
    assert "img_bytes" not in results
    results["gt_lanes"][0][:] = 0
    np.testing.assert_array_equal(results["gt_lanes_ori"][0], LANE)


def test_decode_works_without_lanes():
    data = cv2.imencode(".png", IMG)[1].tobytes()
    raw = {"img_bytes": data, "img_path": "x"}
    results = DecodeImage()(raw)
    assert results["gt_lanes"] == results["gt_lanes_ori"] == []
    assert raw.keys() == {"img_bytes", "img_path"}


@pytest.mark.parametrize("data", [b"", b"junk", cv2.imencode(".jpg", IMG)[1].tobytes()[:-9]])
def test_decode_names_a_picture_that_does_not_decode(data):
    with pytest.raises(ValueError, match=r"a/b\.jpg: .*; replace the picture or take it off"):
        DecodeImage()({"img_bytes": data, "img_path": "a/b.jpg"})


def test_packed_frame():
    results = {**frame(IMG, [LANE]), "category": "night", "other": 1}
    packed = PackLaneInputs()(results)
    assert packed.keys() == {"inputs", "data_samples"}
    assert packed["inputs"].dtype == torch.uint8
    assert packed["inputs"].is_contiguous()
    np.testing.assert_array_equal(packed["inputs"].numpy(), IMG.transpose(2, 0, 1))
    sample = packed["data_samples"]
    assert set(sample.metainfo_keys()) == {
        *("img_path", "sample_idx", "category", "ori_shape", "img_shape"),
        *("crop_offset", "scale_factor", "matrix"),
    }
    assert (sample.category, sample.sample_idx, sample.img_path) == ("night", 3, "a/b.png")
    np.testing.assert_array_equal(sample.gt_lanes[0], LANE)
    np.testing.assert_array_equal(sample.gt_lanes_ori[0], LANE)


CONFIG = Config.fromfile("configs/_base_/datasets/culane.py")
ORDER = [
    *("DecodeImage", "FixedCrop", "RandomFlip", "Resize", "RandomSelectOne", "JPEGCompress"),
    *("RandomSelectOne", "RandomBrightnessContrast", "WarpOnce", "PackLaneInputs"),
]


def test_recipe_is_in_order():
    assert [step.type for step in CONFIG.train_pipeline] == ORDER
    assert [step.get("prob") for step in CONFIG.train_pipeline] == [
        *(None, None, 0.5, None, 0.7, 0.2, 0.2, 0.5, None, None)
    ]
    warps = [(step.type, step.prob) for step in CONFIG.train_pipeline[-2].transforms]
    assert warps == [("ShiftScaleRotate", 0.6), ("RandomResizedCrop", 0.6)]
    test = ["DecodeImage", "FixedCrop", "Resize", "PackLaneInputs"]
    assert [step.type for step in CONFIG.test_pipeline] == test


@pytest.mark.parametrize("name", ["train_pipeline", "test_pipeline"])
def test_recipe_runs(name):
    img = cv2.resize(IMG, (1640, 590), interpolation=cv2.INTER_LINEAR)
    lane = np.array([[1700.0, 590], [900, 300]], np.float32)
    raw = {"img_bytes": cv2.imencode(".jpg", img)[1].tobytes(), "img_path": "x"}
    pipeline = Compose(CONFIG[name])
    for seed in range(12):
        np.random.seed(seed)  # noqa: NPY002
        first = pipeline({**raw, "gt_lanes_ori": [lane]})
        np.random.seed(seed)  # noqa: NPY002
        second = pipeline({**raw, "gt_lanes_ori": [lane]})
        assert first["inputs"].shape == (3, 320, 800)
        assert torch.equal(first["inputs"], second["inputs"])
        sample = first["data_samples"]
        moved = transform_points(lane, sample.matrix)
        np.testing.assert_allclose(sample.gt_lanes[0], moved, atol=2e-3)
        assert sample.crop_offset == (0, 270)
        np.testing.assert_allclose(sample.scale_factor, (800 / 1640, 1))
