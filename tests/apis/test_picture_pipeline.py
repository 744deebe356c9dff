import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganet_mm.apis.picture_pipeline import PicturePipeline, frame_of_crop, scaled_crop
from ganet_mm.registry import TRANSFORMS
from ganet_mm.structures.polylines import transform_points

CULANE = (0, 270, 1640, 320)
CULANE_FRAME = (590, 1640)


def test_a_picture_of_the_configs_size_goes_through_exactly_the_test_pipeline(cfg, road):
    img = road(3)
    transforms = cfg.test_dataloader.dataset.pipeline
    expected = {
        "img_bytes": cv2.imencode(".png", img)[1].tobytes(),
        "img_path": "a.png",
        "sample_idx": 5,
        "category": None,
    }
    for transform in transforms:
        expected = TRANSFORMS.build(transform)(expected)
    packed = PicturePipeline(transforms)(img, "a.png", 5)
    assert packed["inputs"].dtype == expected["inputs"].dtype
    assert packed["inputs"].equal(expected["inputs"])
    own, theirs = packed["data_samples"], expected["data_samples"]
    assert own.keys() == theirs.keys()
    assert own.metainfo_keys() == theirs.metainfo_keys()
    for key in theirs.metainfo_keys():
        np.testing.assert_array_equal(own.get(key), theirs.get(key))


@pytest.mark.parametrize("shape", [(118, 328), (236, 656), (72, 128), (400, 300), (97, 211)])
def test_offsets_and_scale_lead_back_to_the_picture(cfg, road, shape):
    sample = PicturePipeline(cfg.test_dataloader.dataset.pipeline)(road(0, shape))["data_samples"]
    assert sample.ori_shape == shape
    assert sample.img_shape == (96, 192)
    # the network's lower right corner is the picture's: the crop reaches that far
    corner = np.array([192, 96]) / sample.scale_factor + sample.crop_offset
    np.testing.assert_allclose(corner, shape[::-1])
    # its upper edge lies at the same part of the picture, on a whole row
    np.testing.assert_allclose(sample.crop_offset[1] / shape[0], 54 / 118, atol=0.5 / shape[0])
    # the matrix says the same as offset and scale
    point = np.array([[12.0, 90.0]])
    np.testing.assert_allclose(
        transform_points(point, sample.matrix),
        (point - sample.crop_offset) * sample.scale_factor,
        rtol=1e-5,
    )


def test_culanes_crop_tells_its_frame_and_scales_to_known_values():
    assert frame_of_crop(CULANE) == CULANE_FRAME
    assert scaled_crop(CULANE, CULANE_FRAME, (590, 1640)) == CULANE
    assert scaled_crop(CULANE, CULANE_FRAME, (1180, 3280)) == (0, 540, 3280, 640)
    # 720·270/590 = 329.49
    assert scaled_crop(CULANE, CULANE_FRAME, (720, 1280)) == (0, 329, 1280, 391)
    assert scaled_crop((0, 270, None, None), CULANE_FRAME, (720, 1280)) == (0, 329, 1280, 391)
    assert frame_of_crop((0, 270, None, None)) is None


@given(
    frame=st.tuples(st.integers(2, 3000), st.integers(2, 3000)),
    shape=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    data=st.data(),
)
def test_a_scaled_crop_is_the_same_part_and_lies_inside(frame, shape, data):
    x = data.draw(st.integers(0, frame[1] - 1))
    y = data.draw(st.integers(0, frame[0] - 1))
    w = data.draw(st.integers(1, frame[1] - x))
    h = data.draw(st.integers(1, frame[0] - y))
    left, top, width, height = scaled_crop((x, y, w, h), frame, shape)
    assert 0 <= left < left + width <= shape[1]
    assert 0 <= top < top + height <= shape[0]
    for begin, length, own_begin, own_length, full, side in (
        (x, w, left, width, frame[1], shape[1]),
        (y, h, top, height, frame[0], shape[0]),
    ):
        # rounded to whole pixels; what is thinner than a pixel becomes one
        bound = 0.5 if length * side / full >= 1 else 1.5
        assert abs(begin * side / full - own_begin) <= bound + 1e-9
        assert abs((begin + length) * side / full - own_begin - own_length) <= bound + 1e-9


def test_a_frame_size_in_the_config_comes_first(cfg, road):
    pipeline = PicturePipeline(cfg.test_dataloader.dataset.pipeline, frame_size=(236, 656))
    sample = pipeline(road(0, (236, 656)))["data_samples"]
    assert sample.crop_offset == (0, 54)
    assert sample.scale_factor == pytest.approx((192 / 328, 96 / 64))


def test_a_pipeline_without_decoding_is_refused(cfg):
    with pytest.raises(ValueError, match=r"begin with DecodeImage.*FixedCrop"):
        PicturePipeline(cfg.test_dataloader.dataset.pipeline[1:])


def test_two_crops_before_resizing_are_refused():
    steps = ["DecodeImage", "FixedCrop", "FixedCrop", "Resize"]
    with pytest.raises(ValueError, match=r"2 FixedCrop before resizing.*write one"):
        PicturePipeline([{"type": step} for step in steps])


def resize_first(*crops):
    return [
        {"type": "DecodeImage"},
        *crops,
        {"type": "Resize", "size": (360, 800)},
        {"type": "FixedCrop", "x": 0, "y": 40, "w": 800, "h": 320},
        {"type": "PackLaneInputs"},
    ]


@pytest.mark.parametrize("frame_size", [None, CULANE_FRAME])
@pytest.mark.parametrize(
    "crops", [(), ({"type": "FixedCrop", "x": 0, "y": 270, "w": 1640, "h": 320},)]
)
def test_a_crop_after_resizing_is_exactly_the_test_pipelines(road, crops, frame_size):
    img = road(0, CULANE_FRAME)
    expected = {"img_bytes": cv2.imencode(".png", img)[1].tobytes(), "img_path": "a.png"}
    expected |= {"sample_idx": 0, "category": None}
    for transform in resize_first(*crops):
        expected = TRANSFORMS.build(transform)(expected)
    packed = PicturePipeline(resize_first(*crops), frame_size)(img, "a.png")
    assert packed["inputs"].equal(expected["inputs"])
    own, theirs = packed["data_samples"], expected["data_samples"]
    assert own.crop_offset == theirs.crop_offset
    assert own.scale_factor == theirs.scale_factor


def test_a_crop_after_resizing_is_the_same_part_of_any_picture(road):
    """40 of the resized picture's 360 rows are a ninth of every picture."""
    crop = {"type": "FixedCrop", "x": 0, "y": 270, "w": 1640, "h": 320}
    for frame_size in (None, CULANE_FRAME):
        sample = PicturePipeline(resize_first(), frame_size)(road(0, (720, 1280)))["data_samples"]
        assert sample.crop_offset == pytest.approx((0, 720 / 9))
        assert sample.scale_factor == pytest.approx((800 / 1280, 360 / 720))
        cropped = PicturePipeline(resize_first(crop), frame_size)(road(0, (1180, 3280)))
        assert cropped["data_samples"].crop_offset == pytest.approx((0, 540 + 640 / 9))
