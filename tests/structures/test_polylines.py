import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ganet_mm.structures.polylines import as_lane, sort_bottom_to_top, transform_points

points = arrays(
    np.float32, st.tuples(st.integers(0, 20), st.just(2)), elements=st.floats(-2000, 2000, width=32)
)


@given(points, st.integers(0, 2**31))
def test_a_homography_moves_points_as_opencv_does(lane, seed):
    random = np.random.default_rng(seed)
    matrix = np.eye(3) + random.uniform(-0.2, 0.2, (3, 3))
    matrix[:2, 2] += random.uniform(-300, 300, 2)
    matrix[2, :2] = random.uniform(-1e-5, 1e-5, 2)
    moved = transform_points(lane, matrix)
    assert moved.dtype == np.float32 and moved.shape == lane.shape
    if len(lane):
        expected = cv2.perspectiveTransform(lane[None].astype(np.float64), matrix)[0]
        np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-2)


@given(points)
def test_moving_there_and_back_gives_the_lane_again(lane):
    matrix = np.array([[0.5, 0.1, 20], [-0.05, 1.2, -270], [0, 0, 1]])
    back = transform_points(transform_points(lane, matrix), np.linalg.inv(matrix))
    np.testing.assert_allclose(back, lane, atol=0.01)


def test_moving_does_not_touch_its_input():
    lane = as_lane([[1, 2], [3, 4]])
    transform_points(lane, 2 * np.eye(3))
    assert lane.tolist() == [[1, 2], [3, 4]]


def test_any_nested_sequence_is_a_lane():
    assert as_lane([]).shape == (0, 2)
    assert as_lane([1, 2, 3, 4]).tolist() == [[1, 2], [3, 4]]
    assert as_lane(((1.5, 2.5),)).dtype == np.float32


@given(points)
def test_sorting_goes_from_the_bottom_up_and_loses_nothing(lane):
    ordered = sort_bottom_to_top(lane)
    assert (np.diff(ordered[:, 1]) <= 0).all()
    assert sorted(map(tuple, ordered.tolist())) == sorted(map(tuple, lane.tolist()))


def test_equal_rows_keep_their_order():
    lane = as_lane([[1, 5], [2, 7], [3, 5], [4, 7]])
    assert sort_bottom_to_top(lane)[:, 0].tolist() == [2, 4, 1, 3]
