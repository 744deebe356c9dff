from __future__ import annotations

import numpy as np
import pytest
import torch

from ganet_mm.models import BgrToYuv444, LaneDataPreprocessor
from ganet_mm.models.data_preprocessors.bgr_to_yuv444 import bgr_to_yuv444
from ganet_mm.structures import LaneDataSample


def yuv_of(blue, green, red):
    """One pixel in Python's integers."""
    y = (77 * red + 150 * green + 29 * blue + 128) >> 8
    u = ((-43 * red - 84 * green + 127 * blue + 128) >> 8) + 128
    v = ((127 * red - 106 * green - 21 * blue + 128) >> 8) + 128
    return y, u, v


def test_known_colours():
    colours = {
        (0, 0, 0): (0, 128, 128),
        (255, 255, 255): (255, 128, 128),
        (255, 0, 0): (29, 255, 107),  # blue
        (0, 255, 0): (149, 44, 22),  # green
        (0, 0, 255): (77, 85, 255),  # red
    }
    for bgr, yuv in colours.items():
        picture = torch.tensor(bgr, dtype=torch.uint8).reshape(3, 1, 1)
        assert tuple(bgr_to_yuv444(picture).flatten().tolist()) == yuv == yuv_of(*bgr)


def test_random_colours_equal_python_integers():
    pixels = np.random.default_rng(0).integers(0, 256, (4000, 3))
    picture = torch.from_numpy(pixels.T.reshape(3, 40, 100).astype(np.uint8))
    yuv = bgr_to_yuv444(picture).reshape(3, -1).T
    assert yuv.dtype == torch.uint8
    assert yuv.tolist() == [list(yuv_of(*pixel)) for pixel in pixels.tolist()]


def all_colours(device):
    """Every colour, one red at a time, against NumPy's int64."""
    green, blue = np.meshgrid(np.arange(256), np.arange(256))
    for red in range(256):
        bgr = np.stack([blue, green, np.full_like(blue, red)]).astype(np.uint8)
        expected = np.stack(yuv_of(blue, green, red))
        assert expected.min() >= 0 and expected.max() <= 255
        yuv = bgr_to_yuv444(torch.from_numpy(bgr).to(device)).cpu().numpy()
        assert np.array_equal(yuv, expected)


def test_all_colours():
    all_colours("cpu")


@pytest.mark.gpu
def test_all_colours_on_the_gpu():
    all_colours("cuda")


def test_module_and_batch_equal_the_function():
    batch = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    yuv = BgrToYuv444()(batch)
    for picture, converted in zip(batch, yuv, strict=True):
        assert torch.equal(bgr_to_yuv444(picture), converted)


@pytest.mark.parametrize("as_list", [True, False])
def test_batch_is_stacked_converted_and_normalised(as_list):
    batch = torch.randint(0, 256, (2, 3, 32, 64), dtype=torch.uint8)
    samples = [LaneDataSample(metainfo=dict(img_path=name)) for name in "ab"]
    data = dict(inputs=list(batch) if as_list else batch, data_samples=samples)
    out = LaneDataPreprocessor(input_size=(32, 64))(data)
    assert [sample.img_path for sample in out["data_samples"]] == ["a", "b"]
    assert out["inputs"].dtype == torch.float32
    expected = (bgr_to_yuv444(batch).double() - 128) / 128
    assert torch.equal(out["inputs"].double(), expected)
    assert out["inputs"].min() >= -1 and out["inputs"].max() < 1


def test_data_samples_are_optional():
    data = dict(inputs=[torch.zeros(3, 32, 64, dtype=torch.uint8)])
    out = LaneDataPreprocessor(input_size=(32, 64))(data)
    assert out["inputs"].shape == (1, 3, 32, 64) and out["data_samples"] is None


def test_wrong_size_is_named():
    sample = LaneDataSample(metainfo=dict(img_path="driver/x.jpg"))
    data = dict(inputs=[torch.zeros(3, 32, 60, dtype=torch.uint8)], data_samples=[sample])
    with pytest.raises(ValueError, match=r"driver/x\.jpg.*\(3, 32, 60\).*\(3, 32, 64\)"):
        LaneDataPreprocessor(input_size=(32, 64))(data)


def test_float_pictures_are_refused():
    data = dict(inputs=[torch.zeros(3, 32, 64)])
    with pytest.raises(TypeError, match="not uint8"):
        LaneDataPreprocessor(input_size=(32, 64))(data)
    with pytest.raises(TypeError, match="uint8"):
        bgr_to_yuv444(torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match="3, H, W"):
        bgr_to_yuv444(torch.zeros(4, 4, 3, dtype=torch.uint8))
