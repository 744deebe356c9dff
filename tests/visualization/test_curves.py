import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganet_mm.visualization.curves import draw_curves, moving_average

numbers = st.one_of(st.floats(-1e3, 1e3), st.sampled_from([np.nan, np.inf]))


@given(st.lists(numbers, max_size=30), st.integers(1, 40))
def test_moving_average_is_the_mean_of_the_finite_values_so_far(values, window):
    found = moving_average(values, window)
    assert len(found) == len(values)
    for end, mean in enumerate(found, 1):
        part = np.array(values[max(0, end - window) : end])
        part = part[np.isfinite(part)]
        if len(part):
            assert mean == pytest.approx(part.mean(), abs=1e-6)
        else:
            assert np.isnan(mean)


def decode(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def test_every_panel_with_a_line_is_drawn():
    line = ([1, 2, 3], [3.0, 2.0, 1.0])
    one = decode(draw_curves({"loss": {"a": line}}, "epoch"))
    two = decode(draw_curves({"loss": {"a": line}, "lr": {"b": line}, "empty": {}}, "epoch"))
    assert two.shape[1] > 1.8 * one.shape[1] and two.shape[0] == one.shape[0]
    assert (one < 250).any()
    different = decode(draw_curves({"loss": {"a": ([1, 2, 3], [1.0, 2.0, 1.0])}}, "epoch"))
    assert (different != one).any()


@pytest.mark.parametrize("values", [[0.0, 0.0], [np.nan, np.nan], [-1.0, 2.0], [np.inf, 1.0]])
def test_values_without_a_logarithm_are_no_error(values):
    decode(draw_curves({"loss": {"a": ([1, 2], values)}}, "epoch", log=("loss",)))


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match="no curve"):
        draw_curves({"loss": {}}, "epoch")
