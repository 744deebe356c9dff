"""Transforms of colour and sharpness, against arithmetic done by hand."""

import colorsys

import cv2
import numpy as np
import pytest
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS

from ganet_mm.datasets.transforms import (
    HueSaturationValue,
    JPEGCompress,
    MeanBlur,
    MedianBlur,
    RandomBrightnessContrast,
    RandomSelectOne,
    RGBShift,
)
from ganet_mm.registry import TRANSFORMS

from .conftest import frame

IMG = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
FRAME = frame(IMG, [[[1, 2], [3, 4]]])

ALL = [
    RGBShift(),
    HueSaturationValue(),
    JPEGCompress(prob=1.0),
    MeanBlur(),
    MedianBlur(),
    RandomBrightnessContrast(prob=1.0),
    RandomSelectOne([MeanBlur(), RGBShift()]),
]


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_changes_the_pixels_and_nothing_else(transform):
    np.random.seed(1)  # noqa: NPY002
    before = FRAME["img"].copy()
    result = transform(FRAME)
    assert result["img"].shape == IMG.shape
    assert result["img"].dtype == np.uint8
    assert not np.array_equal(result["img"], IMG)
    np.testing.assert_array_equal(FRAME["img"], before)
    assert all(result[key] is FRAME[key] for key in FRAME if key != "img")
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(transform(FRAME)["img"], result["img"])


def test_rgb_shift_by_hand():
    result = RGBShift(r=(30, 30), g=(-20, -20), b=(0, 0))(FRAME)["img"]
    expected = np.clip(IMG.astype(int) + (0, -20, 30), 0, 255)
    np.testing.assert_array_equal(result, expected)


def test_brightness_contrast_by_hand():
    options = {"brightness": (0.2, 0.2), "contrast": (-0.5, -0.5), "prob": 1.0}
    result = RandomBrightnessContrast(**options)(FRAME)["img"]
    expected = np.clip(np.rint(IMG * 0.5 + 51), 0, 255)
    np.testing.assert_array_equal(result, expected)


def test_brightness_keeps_to_its_range():
    grey = frame(np.full((2, 2, 3), 128, np.uint8))
    np.random.seed(0)  # noqa: NPY002
    transform = RandomBrightnessContrast(brightness=0.2, prob=1.0)
    values = [int(transform(grey)["img"][0, 0, 0]) for _ in range(300)]
    assert 128 - 51 <= min(values) < 85
    assert 171 < max(values) <= 128 + 51


@pytest.mark.parametrize("shift", [(7, 0, 0), (-10, 0, 0), (0, 15, 0), (0, 0, -10), (9, -15, 10)])
def test_hue_saturation_value_against_colorsys(shift):
    hue, saturation, value = shift
    transform = HueSaturationValue((hue, hue), (saturation, saturation), (value, value))
    result = transform(FRAME)["img"].astype(int)
    expected = np.empty_like(result)
    for index in np.ndindex(IMG.shape[:2]):
        b, g, r = IMG[index] / 255
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        s, v = np.clip(s + saturation / 255, 0, 1), np.clip(v + value / 255, 0, 1)
        expected[index] = np.array(colorsys.hsv_to_rgb((h + hue / 180) % 1, s, v))[::-1] * 255
    # 8-bit HSV keeps hue to 2° only: a few levels, and no outlier at the wrap from 179 to 0.
    assert np.abs(result - expected).max() <= 6
    assert np.abs(result - expected).mean() < 1.5


def test_blurs_by_hand():
    middle = (slice(5, 8), slice(10, 13))
    mean = np.rint(IMG[middle].reshape(9, 3).mean(axis=0))
    np.testing.assert_allclose(MeanBlur(3)(FRAME)["img"][6, 11], mean, atol=1)
    median = np.median(IMG[middle].reshape(9, 3), axis=0)
    np.testing.assert_array_equal(MedianBlur(3)(FRAME)["img"][6, 11], median)


def test_jpeg_quality_is_drawn_from_its_range(monkeypatch):
    qualities = []
    encode = cv2.imencode
    monkeypatch.setattr(
        cv2, "imencode", lambda ext, img, options: qualities.append(options) or encode(ext, img)
    )
    np.random.seed(0)  # noqa: NPY002
    for _ in range(200):
        JPEGCompress((85, 95), prob=1.0)(FRAME)
    assert {flag for flag, _ in qualities} == {cv2.IMWRITE_JPEG_QUALITY}
    assert {quality for _, quality in qualities} == set(range(85, 96))


def test_select_one_takes_each_as_often():
    chosen = []
    transform = RandomSelectOne(
        [lambda r, i=i: chosen.append(i) or r for i in range(3)],
        prob=0.7,
    )
    np.random.seed(0)  # noqa: NPY002
    for _ in range(3000):
        transform(FRAME)
    # 3000 · 0.7 / 3 = 700 each, ± five standard deviations of a binomial.
    assert np.abs(np.bincount(chosen) - 700).max() < 5 * np.sqrt(3000 * 0.7 / 3 * (1 - 0.7 / 3))


@pytest.mark.parametrize("transform", ALL[:-1], ids=lambda t: type(t).__name__)
def test_probability_zero_does_nothing(transform):
    assert type(transform)(prob=0.0)(FRAME) is FRAME


def test_built_from_configs_of_either_registry():
    config = {
        "type": "RandomSelectOne",
        "prob": 1.0,
        "transforms": [{"type": "MeanBlur", "ksize": 5}],
    }
    assert TRANSFORMS.build(config).transforms[0].ksize == 5
    assert MMENGINE_TRANSFORMS.build({**config, "type": "ganet_mm.RandomSelectOne"}).prob == 1.0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MeanBlur(4), "ksize=4; expected an odd"),
        (lambda: JPEGCompress((95, 85)), r"quality=\(95, 85\)"),
        (lambda: JPEGCompress((0, 50)), "within 1..100"),
        (lambda: RandomSelectOne([]), "none given"),
        (lambda: RGBShift(r=(5, -5)), "r="),
        (lambda: RandomSelectOne([MeanBlur()], prob=-1), "prob=-1"),
    ],
)
def test_impossible_options(build, message):
    with pytest.raises(ValueError, match=message):
        build()
