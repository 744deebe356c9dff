import numpy as np
import pytest

from ganet_mm.visualization.sheet import tile_pictures


def test_pictures_stand_in_reading_order_and_the_rest_is_black():
    pictures = [np.full((20, 40, 3), 50 * (i + 1), np.uint8) for i in range(4)]
    sheet = tile_pictures(pictures, columns=3, width=62)
    assert sheet.shape == (20, 60, 3)
    values = [[sheet[10 * r + 5, 20 * c + 10, 0] for c in range(3)] for r in range(2)]
    assert values == [[50, 100, 150], [200, 0, 0]]


def test_nothing_to_show_is_an_error():
    with pytest.raises(ValueError, match="no picture"):
        tile_pictures([], columns=3, width=60)
