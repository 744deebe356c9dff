from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import splev, splrep

from ganet_mm.models import GaNetTarget
from ganet_mm.models.targets.ganet_target import gaussian_dilation
from ganet_mm.models.targets.lane_samples import sample_lanes

IMG_SHAPE = (320, 800)
KEYS = ["gt_kpts_hm", "int_offset", "int_offset_mask", "pts_offset", "pts_offset_mask"]


def loop_targets(lanes, img_shape=IMG_SHAPE, scale=8, radius=2):
    """One picture's targets, point by point, as the definition reads; clean lanes only."""
    rows, columns = img_shape[0] // scale, img_shape[1] // scale
    heat = np.zeros((1, rows, columns))
    int_offset = np.zeros((2, rows, columns))
    int_mask = np.zeros((1, rows, columns))
    pts_offset = np.zeros((2, rows, columns))
    pts_mask = np.zeros((2, rows, columns))
    sigma = (2 * radius + 1) / 6
    for lane in lanes:
        points = sorted(([float(x) / scale, float(y) / scale] for x, y in lane), key=lambda p: p[1])
        points = [p for p in points if 0 < p[0] < columns]
        if len(points) < 2:
            continue
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        if ys[-1] <= 0 or ys[0] >= rows:
            continue  # the reference would clamp it onto the border row
        samples = []
        spline = splrep(ys, xs, s=0) if len(points) > 3 else None
        for y in np.linspace(max(ys[0], 0), min(ys[-1], rows), int(360 / scale)):
            x = float(splev(y, spline)) if spline is not None else float(np.interp(y, ys, xs))
            samples.append((x, y))
        samples.sort(key=lambda p: -p[1])
        samples = [(min(max(x, 0), columns - 1), min(max(y, 0), rows - 1)) for x, y in samples]
        start = samples[0]
        lane_height = samples[0][1] - samples[-1][1]
        for x, y in samples:
            column, row = int(x), int(y)
            for dy in range(-radius, radius + 1):
                for dx in range(-radius, radius + 1):
                    if 0 <= row + dy < rows and 0 <= column + dx < columns:
                        value = math.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma))
                        old = heat[0, row + dy, column + dx]
                        heat[0, row + dy, column + dx] = max(old, value)
            int_offset[:, row, column] = x - column, y - row
            int_mask[0, row, column] = 1
            rise = start[1] - y
            pts_offset[:, row, column] = start[0] - x, rise
            if rise < 0:
                weight = 0.2
            elif rise < 2 * math.floor(lane_height):
                weight = 1
            else:
                weight = 0.4
            pts_mask[:, row, column] = weight
    return dict(
        gt_kpts_hm=heat,
        int_offset=int_offset,
        int_offset_mask=int_mask,
        pts_offset=pts_offset,
        pts_offset_mask=pts_mask,
    )


def curve(bottom_x, slope, bend, y_from=40, y_to=320, step=10):
    """A lane x(y), top to bottom, in the network's frame."""
    y = np.arange(y_from, y_to + 1, step, dtype=np.float64)
    rise = y_to - y
    return np.stack([bottom_x + slope * rise + bend * rise**2 / 300, y], axis=1).astype(np.float32)


def assert_equals_loops(batch, img_shape=IMG_SHAPE, **kwargs):
    targets = GaNetTarget(**kwargs).get_targets(batch, img_shape)
    assert sorted(targets) == sorted(KEYS)
    for image, lanes in enumerate(batch):
        expected = loop_targets(lanes, img_shape, kwargs.get("hm_down_scale", 8))
        for key in KEYS:
            assert targets[key].dtype == torch.float32
            np.testing.assert_allclose(targets[key][image].numpy(), expected[key], atol=1e-5)
    return targets


def test_clean_lanes_equal_the_loops():
    four = [curve(100, 1.2, 0.1), curve(300, 0.4, 0), curve(520, -0.4, -0.2), curve(740, -1.5, 0.3)]
    crossing = [curve(100, 1.0, 0), curve(500, -0.6, 0), curve(300, 0.1, 0)]  # cells overwritten
    leaving = [curve(-60, 1.0, 0.4), curve(850, -0.5, -0.1)]  # x outside at the bottom
    low = [curve(400, 0.2, 0, y_from=-40, y_to=380)]  # y outside at both ends
    short = [curve(400, 0.2, 0, y_from=299, y_to=319), curve(200, 0.9, 0, y_from=100, y_to=110)]
    few = [curve(250, 0.5, 0.6, 60, 300, 80), curve(600, -0.5, -0.6, 60, 300, 120)]  # 4, 3 points
    assert [len(lane) for lane in few] == [4, 3]
    assert_equals_loops([four, crossing, leaving, low, short, few, []])


def test_point_order_does_not_matter():
    lane = curve(300, 0.7, 0.2)
    shuffled = np.random.default_rng(0).permutation(lane)
    one, other = (GaNetTarget().get_targets([[a]], IMG_SHAPE) for a in (lane, shuffled))
    for key in KEYS:
        assert torch.equal(one[key], other[key])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-100, 900),
            st.floats(-2, 2),
            st.floats(-1, 1),
            st.floats(-30, 200),
            st.floats(240, 340),
            st.sampled_from([7, 10, 20, 60]),
        ),
        max_size=5,
    )
)
def test_random_lanes_equal_the_loops(parameters):
    lanes = [curve(x, slope, bend, a, b, step) for x, slope, bend, a, b, step in parameters]
    assert_equals_loops([lanes])


def test_another_scale_and_size():
    lane = curve(80, 0.2, 0.1, 10, 92, 4)
    assert GaNetTarget(hm_down_scale=4).num_samples == 90
    assert_equals_loops([[lane]], (96, 192), hm_down_scale=4)


def test_vertical_lane_by_hand():
    """x = 84 px = 10.5 cells from y = 0 to 88 px = 11 cells: 45 samples, 0.25 cells apart."""
    targets = GaNetTarget().get_targets([[np.float32([[84, 0], [84, 40], [84, 88]])]], IMG_SHAPE)
    heat = targets["gt_kpts_hm"][0, 0].numpy()
    assert (heat[:12, 10] == 1).all()
    sigma = 5 / 6
    assert heat[5, 11] == pytest.approx(math.exp(-1 / (2 * sigma**2)), abs=1e-6)
    assert heat[5, 11] == pytest.approx(0.487, abs=1e-3)
    assert heat[5, 8] == pytest.approx(0.056, abs=1e-3)
    assert heat[12, 11] == pytest.approx(0.237, abs=1e-3)  # diagonal below the lane's end
    assert heat[14:].max() == 0 and heat[5, 13] == 0
    # The top-most sample of each row is painted last: y = row + 0, except the start's own row.
    np.testing.assert_allclose(targets["int_offset"][0, :, 3, 10], [0.5, 0], atol=1e-6)
    np.testing.assert_allclose(targets["pts_offset"][0, :, 3, 10], [0, 8], atol=1e-6)
    np.testing.assert_allclose(targets["pts_offset"][0, :, 11, 10], [0, 0], atol=1e-6)
    assert targets["int_offset_mask"].sum() == 12
    assert (targets["pts_offset_mask"] == 1).sum() == 24


def test_start_is_signed_and_at_the_bottom():
    targets = GaNetTarget().get_targets([[np.float32([[80, 300], [480, 60]])]], IMG_SHAPE)
    mask = targets["int_offset_mask"][0, 0] == 1
    assert (targets["pts_offset"][0, 1][mask] >= 0).all()
    assert (targets["pts_offset"][0, 0][mask] <= 0).all()
    assert targets["pts_offset"][0, 0].min() == pytest.approx(-50)


def test_lane_lower_than_one_cell_weighs_less():
    targets = GaNetTarget().get_targets([[np.float32([[80, 300], [100, 305]])]], IMG_SHAPE)
    weights = targets["pts_offset_mask"][targets["pts_offset_mask"] != 0]
    np.testing.assert_allclose(weights, 0.4, atol=1e-6)


@pytest.mark.parametrize(
    "lane",
    [
        curve(300, 0.2, 0, y_from=-90, y_to=-10),  # above the picture
        curve(300, 0.2, 0, y_from=330, y_to=420),  # below it
        curve(-200, 0.1, 0),  # left of it
        curve(1000, 0.1, 0),  # right of it
        np.float32([[100, 100]]),
        np.float32([[100, 100], [100, 100], [100, 100]]),  # one point, repeated
        np.float32([[100, 100], [300, 100], [500, 100], [700, 100]]),  # a horizontal line
        np.empty((0, 2), np.float32),
    ],
)
def test_lanes_that_leave_nothing(lane):
    targets = GaNetTarget().get_targets([[lane]], IMG_SHAPE)
    for key in KEYS:
        assert targets[key].abs().max() == 0


@pytest.mark.parametrize("num_repeats", [1, 2, 5])
def test_repeated_points_change_nothing(num_repeats):
    lane = curve(300, 0.7, 0.2)
    repeated = np.concatenate([lane[:10], *[lane[9:10]] * num_repeats, lane[10:], lane[-1:]])
    one, other = (GaNetTarget().get_targets([[a]], IMG_SHAPE) for a in (lane, repeated))
    for key in KEYS:
        np.testing.assert_allclose(one[key], other[key], atol=1e-5)


def test_two_x_for_one_y_become_their_mean():
    lane = curve(300, 0.5, 0)
    split = np.concatenate([lane, lane[12:13] + [6, 0]])
    split[12] -= [6, 0]
    (samples, expected), _ = sample_lanes([split / 8, lane / 8], (40, 100), 45)
    np.testing.assert_allclose(samples, expected, atol=1e-5)


def test_very_dense_lane_stays_whole():
    lane = np.stack([np.linspace(200, 300, 9000), np.linspace(0, 320, 9000)], axis=1)
    (dense_samples, samples), _ = sample_lanes([lane / 8, lane[[0, -1]] / 8], (40, 100), 45)
    np.testing.assert_allclose(dense_samples, samples, atol=0.02)


def test_lane_that_turns_back_stays_between_its_points():
    """Sorted by y it zigzags: an interpolating spline would leave by tens of cells."""
    lane = np.float32(
        [[100, 300], [200, 250], [300, 220], [400, 200], [500, 199.8], [600, 200.1], [650, 210]]
    )
    (samples,), _ = sample_lanes([lane / 8], (40, 100), 45)
    assert samples[:, 0].min() >= 100 / 8 - 15 and samples[:, 0].max() <= 650 / 8 + 15
    assert samples[:, 0].max() < 99


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-2000, 2000, width=32), st.floats(-2000, 2000, width=32)), max_size=12
    )
)
def test_any_finite_lane_gives_sound_targets(points):
    lane = np.float32(points).reshape(-1, 2)
    targets = GaNetTarget().get_targets([[lane]], IMG_SHAPE)
    mask = targets["int_offset_mask"]
    for key in KEYS:
        assert torch.isfinite(targets[key]).all()
    assert targets["gt_kpts_hm"].min() >= 0 and targets["gt_kpts_hm"].max() <= 1
    assert ((targets["gt_kpts_hm"] == 1) == (mask == 1)).all()
    assert targets["int_offset"].min() >= 0 and targets["int_offset"].max() < 1
    assert targets["pts_offset"][:, 1].min() >= 0
    assert ((targets["pts_offset_mask"] != 0).all(1, keepdim=True) == (mask == 1)).all()


def spline_samples(lane_feat, num=45, rows=40):
    """What FITPACK's interpolating cubic B-spline gives, one lane at a time."""
    y = np.linspace(min(lane_feat[-1, 1], rows), max(lane_feat[0, 1], 0), num)
    x = splev(y, splrep(lane_feat[:, 1], lane_feat[:, 0], s=0))
    return np.stack([x, y], axis=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(4, 40), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_splines_of_a_batch_equal_fitpack(counts, seed):
    """Lanes of any lengths and uneven steps beside each other change none of them."""
    rng = np.random.default_rng(seed)
    lanes = []
    for count in counts:
        y = np.cumsum(rng.uniform(0.5, 2, count)) + rng.uniform(-2, 20)
        x = 50 + rng.uniform(-0.8, 0.8) * (y - 20) + rng.normal(0, 0.02, count)
        lanes.append(np.stack([x, y], axis=1))
    samples, kept = sample_lanes(lanes, (40, 200), 45)
    lanes = [lane for lane in lanes if ((lane[:, 0] > 0) & (lane[:, 0] < 200)).all()]
    if len(lanes) < len(counts):
        return  # a lane that is cut at the side has another spline
    assert kept.tolist() == [
        i for i, lane in enumerate(lanes) if lane[0, 1] < 40 < 41 + lane[-1, 1]
    ]
    for lane, sampled in zip(kept, samples, strict=True):
        np.testing.assert_allclose(sampled, spline_samples(lanes[lane]), atol=1e-12)


def test_a_hostile_lane_leaves_its_neighbours_alone():
    lane = curve(300, 0.7, 0.2)
    y = np.array([-1e-300, 0, 1e-300, 0.01, 0.01 + 1e-15, 100, 200])
    hostile = np.stack([np.linspace(10, 700, 7), y], axis=1)
    (alone,), _ = sample_lanes([lane / 8], (40, 100), 45)
    samples, kept = sample_lanes([hostile / 8, lane / 8, hostile[::-1] / 8], (40, 100), 45)
    assert kept.tolist() == [0, 1, 2] and np.isfinite(samples).all()
    assert np.array_equal(samples[1], alone)


def test_batch_equals_single():
    lanes = [[curve(100, 1.2, 0.1), curve(520, -0.4, -0.2)], [], [curve(300, 0.4, 0)]]
    batch = GaNetTarget().get_targets(lanes, IMG_SHAPE)
    for image, own in enumerate(lanes):
        single = GaNetTarget().get_targets([own], IMG_SHAPE)
        for key in KEYS:
            assert torch.equal(batch[key][image], single[key][0])


@pytest.mark.gpu
def test_gpu_equals_cpu():
    lanes = [[curve(100, 1.2, 0.1), curve(500, -0.6, 0), curve(300, 0.1, 0)], []]
    on_cpu = GaNetTarget().get_targets(lanes, IMG_SHAPE)
    on_gpu = GaNetTarget().get_targets(lanes, IMG_SHAPE, "cuda")
    for key in KEYS:
        assert on_gpu[key].is_cuda
        torch.testing.assert_close(on_gpu[key].cpu(), on_cpu[key], rtol=0, atol=1e-6)


def test_input_is_not_changed():
    lane = curve(300, 0.7, 0.2)
    before = lane.copy()
    GaNetTarget().get_targets([[lane]], IMG_SHAPE)
    assert np.array_equal(lane, before)


def test_dilation_equals_painted_patches():
    rng = np.random.default_rng(0)
    centres = (rng.random((3, 1, 7, 9)) < 0.1).astype(np.float32)
    for radius in (0, 1, 2, 4):
        sigma = (2 * radius + 1) / 6
        expected = np.zeros_like(centres)
        for b, c, row, column in np.argwhere(centres):
            for y in range(max(row - radius, 0), min(row + radius + 1, 7)):
                for x in range(max(column - radius, 0), min(column + radius + 1, 9)):
                    value = math.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * sigma**2))
                    expected[b, c, y, x] = max(expected[b, c, y, x], value)
        dilated = gaussian_dilation(torch.from_numpy(centres), radius)
        np.testing.assert_allclose(dilated, expected, atol=1e-6)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="not finite"):
        GaNetTarget().get_targets([[np.float32([[1, 2], [np.nan, 3]])]], IMG_SHAPE)
    with pytest.raises(ValueError, match="divisible by 8"):
        GaNetTarget().get_targets([[]], (318, 800))
    with pytest.raises(ValueError, match="hm_down_scale"):
        GaNetTarget(hm_down_scale=0)
