import cv2
import numpy as np
import pytest

from ganet_mm.visualization.picture_io import write_picture


def test_a_picture_is_written_with_its_folders(tmp_path):
    img = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    write_picture(tmp_path / "a/b.png", img)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a/b.png")), img)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.png"]


def test_an_unknown_suffix_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"a\.xyz.*use \.jpg or \.png"):
        write_picture(tmp_path / "a.xyz", np.zeros((2, 2, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
