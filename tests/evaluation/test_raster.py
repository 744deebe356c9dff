from __future__ import annotations

import itertools

import numpy as np
import pytest

from ganet_mm.evaluation import raster
from ganet_mm.evaluation.raster import LaneRaster, draw_lane, round_to_pixels


def as_mask(lane_raster: LaneRaster, i: int) -> np.ndarray:
    if i in lane_raster.masks:
        return lane_raster.masks[i]
    columns = np.arange(lane_raster.width)
    left, right = lane_raster.left[i, :, None], lane_raster.right[i, :, None]
    return ((columns >= left) & (columns <= right)).astype(np.uint8)


def check(oracle, drawn_lanes, shape, width=30):
    lane_raster = LaneRaster(drawn_lanes, shape, width)
    for i, lane in enumerate(drawn_lanes):
        expected = oracle.mask(lane, shape, width) if len(lane) > 1 else np.zeros(shape, np.uint8)
        different = np.argwhere(as_mask(lane_raster, i) != expected)
        assert not len(different), f"{len(different)} pixels, {different[:3]}, of {lane.tolist()}"
        assert lane_raster.areas[i] == expected.sum()


def test_round_to_pixels_is_half_to_even_and_marks_what_does_not_fit():
    values = np.float32(
        [0.5, 1.5, -0.5, -1.5, 2.4999, np.nan, np.inf, -np.inf, 2.0**31, -(2.0**31)]
    )
    least = -(2**31)
    assert round_to_pixels(values).tolist() == [0, 2, 0, -2, 2] + [least] * 5
    assert round_to_pixels(np.float32([2147483520.0])).tolist() == [2147483520]


@pytest.mark.parametrize("seed", range(4))
def test_culane_like_lanes_pixel_by_pixel(oracle, lanes, seed):
    rng = np.random.default_rng(seed)
    for _ in range(8):
        gts = lanes.culane_like(rng, 3)
        check(oracle, gts + lanes.predictions(rng, gts), lanes.SHAPE)


def test_culane_like_lanes_take_the_fast_way(lanes, monkeypatch):
    drawn = []
    monkeypatch.setattr(raster, "draw_lane", lambda *args: drawn.append(args) or draw_lane(*args))
    rng = np.random.default_rng(5)
    LaneRaster(
        [lane for _ in range(50) for lane in lanes.culane_like(rng) if len(lane) > 2], (590, 1640)
    )
    assert not drawn


@pytest.mark.parametrize("shape", [(590, 1640), (60, 90), (37, 200), (200, 33), (5, 7), (1, 1)])
def test_hostile_lanes_pixel_by_pixel(oracle, lanes, shape):
    rng = np.random.default_rng(shape[0])
    count = 60 if shape[0] > 500 else 150
    check(oracle, [lanes.hostile(rng, shape) for _ in range(count)], shape)


@pytest.mark.parametrize("width", [1, 2, 5, 15, 31])
def test_other_widths_pixel_by_pixel(oracle, lanes, width):
    rng = np.random.default_rng(width)
    shape = (120, 160)
    drawn = [lane for _ in range(12) for lane in lanes.culane_like(rng, 3, shape)]
    check(oracle, drawn + [lanes.hostile(rng, shape) for _ in range(40)], shape, width)


def test_every_short_step_at_every_place_near_the_border(oracle):
    # Lanes of three points a step apart, so that their curve is that very step, walking over a
    # picture so small that all of it is near a border.
    shape = (48, 52)
    for dx, dy in itertools.product(range(-3, 4), repeat=2):
        if dx or dy:
            starts = itertools.product(range(-22, 75, 5), range(-22, 71, 5))
            middle = (
                np.float32([[0, 0], [0.5 * dx, 0.5 * dy], [dx, dy]]) + start for start in starts
            )
            check(oracle, [points.astype(np.float32) for points in middle], shape)


def test_blocks_do_not_change_the_result(lanes, monkeypatch):
    rng = np.random.default_rng(7)
    drawn = [lane for _ in range(20) for lane in lanes.culane_like(rng)]
    whole = LaneRaster(drawn, lanes.SHAPE)
    monkeypatch.setattr(raster, "_BLOCK_POINTS", 40)
    parts = LaneRaster(drawn, lanes.SHAPE)
    assert np.array_equal(whole.left, parts.left)
    assert np.array_equal(whole.right, parts.right)


def test_translation_inside_the_picture_moves_the_pixels(lanes):
    # Even shifts, as halves round to even; coordinates are multiples of 1/8 and stay between the
    # same powers of two, so that float32 holds the shifted lane as finely as the first.
    rng = np.random.default_rng(8)
    for _ in range(20):
        y = np.arange(400, 300, -10.0)
        x = np.round((800 + np.cumsum(rng.normal(0, 8, len(y)))) * 8) / 8
        lane = np.stack([x, y], 1).astype(np.float32)
        moved = (lane + np.float32([56, 30])).astype(np.float32)
        here = draw_lane(lane, lanes.SHAPE)
        there = draw_lane(moved, lanes.SHAPE)
        assert np.array_equal(np.roll(here, (30, 56), (0, 1)), there)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_thousands_of_lanes_pixel_by_pixel(oracle, lanes, seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        gts = lanes.culane_like(rng, 3)
        check(oracle, gts + lanes.predictions(rng, gts), lanes.SHAPE)
    for shape in ((590, 1640), (60, 90)):
        check(oracle, [lanes.hostile(rng, shape) for _ in range(200)], shape)
