"""The road's geometry against closed forms and against its own inverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganet_mm.datasets.synlane.camera import HEIGHT, WIDTH, Camera
from ganet_mm.datasets.synlane.ground import Ground
from ganet_mm.datasets.synlane.road import Course, Road, annotate, lane_polyline

FLAT = ((0.0, 0.0), (500.0, 0.0))


def camera(**changes) -> Camera:
    values = {"focal": 700.0, "cx": 820.0, "cy": 295.0, "height": 1.4, "pitch": 0.02, "roll": 0.0}
    return Camera(**{**values, **changes})


def test_straight_flat_road_is_the_textbook_projection():
    # Without pitch: x = cx + f·X/Z and y = cy + f·h/Z, so a line is straight towards (cx, cy).
    road = Road(Course(FLAT, FLAT, offset=0.3, yaw=0.0), camera(pitch=0.0))
    (lane,) = annotate(road, [1.5], 330.0, WIDTH, HEIGHT)
    expected = 820 + (1.5 - 0.3) / 1.4 * (lane[:, 1] - 295)
    np.testing.assert_allclose(lane[:, 0], expected, atol=0.05)
    np.testing.assert_array_equal(lane[:, 1], np.arange(590, 325, -10))


def test_constant_curve_is_a_circle():
    radius = 150.0
    curve = ((0.0, 1 / radius), (500.0, 1 / radius))
    road = Road(Course(curve, FLAT, offset=0.0, yaw=0.0), camera())
    z = np.array([5.0, 20.0, 40.0, 70.0])
    np.testing.assert_allclose(
        road.at(z, road.x), radius - np.sqrt(radius**2 - z**2), rtol=0.02, atol=0.05
    )
    np.testing.assert_allclose(road.at(z, road.s), radius * np.arcsin(z / radius), rtol=0.01)


@settings(max_examples=30, deadline=None)
@given(
    focal=st.floats(520, 1000),
    height=st.floats(1.0, 1.8),
    pitch=st.floats(-0.05, 0.1),
    roll=st.floats(-0.04, 0.04),
    bend=st.floats(-0.01, 0.01),
    slope=st.floats(-0.05, 0.05),
    yaw=st.floats(-0.05, 0.05),
)
def test_pixel_coordinates_invert_the_projection(focal, height, pitch, roll, bend, slope, yaw):
    """The raster's d at a lane's projected points is the lane's offset, within a pixel's width."""
    course = Course(
        ((0.0, 0.0), (30.0, bend), (300.0, bend)), ((0.0, 0.0), (20.0, slope)), 0.2, yaw
    )
    road = Road(course, camera(focal=focal, height=height, pitch=pitch, roll=roll))
    ground = Ground(road)
    for d in (-1.7, 1.8):
        line = lane_polyline(road, d)
        line = line[road.z[: len(line)] < 80]
        cells = np.rint(line).astype(int)
        inside = (cells[:, 0] >= 0) & (cells[:, 0] < WIDTH) & (cells[:, 1] < HEIGHT)
        inside &= cells[:, 1] >= ground.top
        rows, cols = cells[inside, 1] - ground.top, cells[inside, 0]
        error = np.abs(ground.d[rows, cols] - d)
        # Half a pixel of rounding in either direction, plus the table's 1/32 row.
        bound = 0.8 * (ground.across[rows, cols] + ground.footprint[rows, cols])
        assert (error <= bound + 1e-3).all()


def test_crest_hides_the_road_behind_it():
    course = Course(FLAT, ((0.0, 0.0), (30.0, 0.0), (50.0, -0.1), (400.0, -0.1)), 0.0, 0.0)
    road = Road(course, camera())
    assert road.visible[road.z < 30].all()
    assert not road.visible[(road.z > 70) & (road.z < 200)].any()
    line = lane_polyline(road, 1.5)
    assert (np.diff(line[:, 1]) < 0).all()
    rows = np.arange(-200.0, 300.0)
    seen = road.z_of_row(rows)
    assert np.nanmax(seen) < 70
    assert np.isnan(seen[rows < road.horizon - 1]).all()


@pytest.mark.parametrize("top", [300.0, 340.0])
def test_annotation_rules(top):
    road = Road(Course(FLAT, FLAT, 0.0, 0.0), camera())
    offsets = [-5.2, -1.7, 1.8, 5.3]
    lanes = annotate(road, offsets, top, WIDTH, HEIGHT)
    assert len(lanes) == 4
    for lane in lanes:
        assert (np.diff(lane[:, 1]) == -10).all() and lane[-1, 1] == top
        out = (lane[:, 0] < 0) | (lane[:, 0] >= WIDTH)
        assert not out[1:].any()  # at most the lowest point lies out of the frame
    assert lanes[0][0, 0] < 0 and lanes[3][0, 0] >= WIDTH and lanes[1][0, 1] == HEIGHT
    at_top = [lane[-1, 0] for lane in lanes]
    assert at_top == sorted(at_top)


def test_short_lanes_are_left_out():
    road = Road(Course(FLAT, FLAT, 0.0, 0.0), camera())
    assert annotate(road, [-1.7], 490.0, WIDTH, HEIGHT) == []
    assert len(annotate(road, [-1.7], 490.0, WIDTH, HEIGHT, min_points=3)) == 1
