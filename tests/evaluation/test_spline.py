from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from ganet_mm.evaluation.spline import interpolate_lane, interpolate_lanes


def test_is_the_natural_cubic_spline_by_chord_length(lanes):
    rng = np.random.default_rng(0)
    for lane in [points for _ in range(20) for points in lanes.culane_like(rng) if len(points) > 2]:
        t = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(lane, axis=0), axis=1))])
        at = np.append((t[:-1, None] + np.diff(t)[:, None] * np.arange(50) / 50).ravel(), t[-1])
        expected = CubicSpline(t, lane.astype(np.float64), bc_type="natural")(at)
        curve = interpolate_lane(lane)
        assert curve.dtype == np.float32
        assert curve.shape == ((len(lane) - 1) * 50 + 1, 2)
        # Differences of float32 points are float32, as in the official program.
        np.testing.assert_allclose(curve, expected, atol=2e-4)


def test_differences_are_float32_as_in_the_official_program(oracle, lanes):
    rng = np.random.default_rng(3)
    for _ in range(20):
        # About zero float32 is fine enough that the rounding of differences shows in the samples.
        lane = rng.uniform(-20, 20, (25, 2)).astype(np.float32)
        assert (interpolate_lane(lane) == oracle.curve(lane)).mean() > 0.999


def test_goes_through_the_points_in_their_order():
    points = np.float32([[10, 50], [90, 20], [40, 80], [70.25, 10.5]])
    curve = interpolate_lane(points)
    assert np.array_equal(curve[::50], points)


def test_two_points_stay_and_fewer_are_refused():
    points = np.float32([[1, 2], [30, 40]])
    assert np.array_equal(interpolate_lane(points), points)
    with pytest.raises(ValueError, match="at least 2 points"):
        interpolate_lane(points[:1])


def test_a_repeated_point_spoils_all_but_the_last_sample():
    points = np.float32([[10, 50], [20, 40], [20, 40], [30, 30]])
    curve = interpolate_lane(points)
    assert np.isnan(curve[:-1]).all()
    assert np.array_equal(curve[-1], points[-1])


def test_many_at_once_equal_one_by_one(lanes):
    rng = np.random.default_rng(1)
    many = [lane for _ in range(30) for lane in lanes.culane_like(rng) if len(lane) > 2]
    many += [lane for lane in (lanes.hostile(rng) for _ in range(60)) if len(lane) > 2]
    # One that begins at infinity must not spoil the one before it.
    many = [each for lane in many for each in (lane, np.float32([[np.inf, 1], [2, 3], [4, 9]]))]
    together = interpolate_lanes(many)
    start = 0
    for lane in many:
        own = together[:, start : start + len(lane)].reshape(2, -1).T
        assert np.array_equal(own[:-49], interpolate_lane(lane), equal_nan=True)
        assert (own[-50:] == lane[-1]).all()
        start += len(lane)


def test_reversed_points_give_the_same_curve_within_float32():
    # Sampled from the other end, but at the same places: t = h·k/50 is symmetric but for k = 0.
    rng = np.random.default_rng(2)
    y = np.arange(590, 300, -10.0)
    lane = np.stack([800 + np.cumsum(rng.normal(0, 5, len(y))), y], 1).astype(np.float32)
    np.testing.assert_allclose(
        interpolate_lane(lane[::-1])[::-1], interpolate_lane(lane), atol=2e-4
    )
