from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganet_mm.models import GaNetDecoder, GaNetTarget
from ganet_mm.models.post_process.lane_grouping import (
    assign_to_centres,
    group_roots,
    merge_row_bands,
)

ROWS, COLUMNS = 40, 100
NO_SCALE, NO_CROP = np.ones((1, 2)), np.zeros((1, 2))


def loop_decode(logits, pts, sub, scale, crop, root_thr=1, kpt_thr=0.4, reach=5, min_points=10):
    """One picture's lanes as sets of refined keypoints with confidence, as the definition reads."""
    heat = torch.as_tensor(logits).double().sigmoid().clamp(1e-4, 1 - 1e-4).numpy()[0]
    rows, columns = heat.shape
    keypoints = []
    for x in range(columns):
        for y in range(rows):
            left = heat[y, x - 1] if x > 0 else -1
            right = heat[y, x + 1] if x < columns - 1 else -1
            if heat[y, x] >= max(left, right) and heat[y, x] > kpt_thr:
                keypoints.append((x, y))
    roots = [(x, y) for x, y in keypoints if pts[1, y, x] < root_thr]
    group_of, members = [], []
    for i, root in enumerate(roots):
        for j in range(i):
            if math.dist(root, roots[j]) <= reach:
                group_of.append(group_of[j])
                members[group_of[j]].append(root)
                break
        else:
            group_of.append(len(members))
            members.append([root])
    centres = [
        (int(sum(x for x, _ in g) / len(g)), int(sum(y for _, y in g) / len(g))) for g in members
    ]
    lanes = [[] for _ in centres]
    for x, y in keypoints:
        start = (x + float(pts[0, y, x]), y + float(pts[1, y, x]))
        distances = [math.dist(start, centre) for centre in centres]
        if distances and min(distances) <= reach:
            point = (x + float(sub[0, y, x]), y + float(sub[1, y, x]), float(heat[y, x]))
            lanes[distances.index(min(distances))].append(point)
    result = []
    for lane in lanes:
        if len(lane) <= min_points:
            continue
        bands = {}
        for x, y, confidence in lane:
            bands.setdefault(math.floor(y), []).append((x, y, confidence))
        if len(bands) < 2:
            continue
        points = []
        for band in sorted(bands, reverse=True):
            total = sum(c for _, _, c in bands[band])
            x = sum(x * c for x, _, c in bands[band]) / total
            y = sum(y * c for _, y, c in bands[band]) / total
            points.append((x * 8 / scale[0] + crop[0], y * 8 / scale[1] + crop[1]))
        result.append((np.array(points), sum(c for *_, c in lane) / len(lane)))
    return result


def assert_same_lanes(lanes, expected):
    assert len(lanes) == len(expected)
    for (points, score), (points_expected, score_expected) in zip(lanes, expected, strict=True):
        assert points.dtype == np.float32
        np.testing.assert_allclose(points, points_expected, rtol=1e-6, atol=1e-3)
        assert score == pytest.approx(score_expected, abs=1e-6)


def maps_of(lanes_img, img_shape=(320, 800), logit=5.0):
    """What a perfect head would say: centre cells only, no Gaussian side lobes."""
    targets = GaNetTarget().get_targets([lanes_img], img_shape)
    logits = torch.where(targets["gt_kpts_hm"] == 1, logit, -logit)
    return logits, targets["pts_offset"], targets["int_offset"]


def straight(bottom_x, top_x, y_from=40, y_to=320, num=29):
    return np.stack(
        [np.linspace(top_x, bottom_x, num), np.linspace(y_from, y_to, num)], axis=1
    ).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_noisy_maps_equal_the_loops(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-3, 2, (3, 1, ROWS, COLUMNS)).astype(np.float32)
    pts = rng.normal(0, 6, (3, 2, ROWS, COLUMNS)).astype(np.float32)
    sub = rng.normal(0.5, 0.5, (3, 2, ROWS, COLUMNS)).astype(np.float32)
    for image, x in enumerate((20, 45, 80)):  # and a lane in each, pointing to its start
        for row in range(10, 40):
            logits[image, 0, row, x] = 2 + image
            pts[image, :, row, x] = rng.normal([0, 39 - row], 0.3)
    scale = rng.uniform(0.4, 1.2, (3, 2))
    crop = rng.uniform(0, 300, (3, 2))
    batch = GaNetDecoder(min_points=6).decode(*map(torch.tensor, (logits, pts, sub)), scale, crop)
    assert sum(len(lanes) for lanes in batch) >= 3
    for image in range(3):
        expected = loop_decode(
            logits[image], pts[image], sub[image], scale[image], crop[image], min_points=6
        )
        assert_same_lanes(batch[image], expected)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(60, 740), st.floats(60, 740), st.floats(-150, 150), st.floats(0, 180), st.booleans()
)
def test_targets_of_a_lane_decode_to_the_lane(bottom_x, top_x, bend, y_from, sparse):
    y = np.linspace(y_from, 320, 12 if sparse else 30)
    t = (320 - y) / (320 - y_from)
    x = bottom_x + (top_x - bottom_x) * t + bend * t * (1 - t)
    lane_img = np.stack([x, y], axis=1).astype(np.float32)
    if not ((x > 0) & (x < 792)).all():
        return  # clamped to the border column
    lanes = GaNetDecoder().decode(*maps_of([lane_img]), NO_SCALE, NO_CROP)[0]
    assert len(lanes) == 1
    points, score = lanes[0]
    assert score == pytest.approx(1 / (1 + math.exp(-5)), abs=1e-5)
    # One point a row of cells, bottom to top, over the whole height of the lane.
    assert (np.diff(np.floor(points[:, 1] / 8)) < 0).all()
    assert points[0, 1] > 304 and points[-1, 1] < y_from + 16
    dense_y = np.linspace(y_from, 320, 4000)
    dense_t = (320 - dense_y) / (320 - y_from)
    dense_x = bottom_x + (top_x - bottom_x) * dense_t + bend * dense_t * (1 - dense_t)
    dense = np.stack([dense_x, dense_y], axis=1)
    gap = np.linalg.norm(points[:, None] - dense[None], axis=-1).min(axis=1)
    # The lowest row is left out where the start was clamped from y = 320 to cell 39.
    assert gap[1:].max() < 1


def test_lanes_go_back_to_the_original_picture():
    lanes_img = [straight(120, 300), straight(400, 380), straight(700, 470)]
    scale, crop = (800 / 1640, 1.0), (0.0, 270.0)
    lanes = GaNetDecoder().decode(*maps_of(lanes_img), np.array([scale]), np.array([crop]))[0]
    assert len(lanes) == 3
    for (points, _), lane_img in zip(lanes, lanes_img, strict=True):
        lane_ori = lane_img / scale + crop
        x = np.interp(points[1:, 1], lane_ori[:, 1], lane_ori[:, 0])
        assert np.abs(points[1:, 0] - x).max() < 1 / scale[0]


def test_batch_equals_single_and_numpy_equals_torch():
    maps = [maps_of([straight(120, 300)]), maps_of([]), maps_of([straight(600, 420)])]
    batch = [torch.cat(each) for each in zip(*maps, strict=True)]
    decoder = GaNetDecoder()
    lanes = decoder.decode(*batch, torch.ones(3, 2), torch.zeros(3, 2))
    arrays = decoder.decode(*[each.numpy() for each in batch], np.ones((3, 2)), np.zeros((3, 2)))
    assert [len(each) for each in lanes] == [1, 0, 1]
    for image, single in enumerate(maps):
        expected = decoder.decode(*single, NO_SCALE, NO_CROP)[0]
        assert_same_lanes(lanes[image], expected)
        assert_same_lanes(arrays[image], expected)


def test_min_points_counts_keypoints_before_merging():
    logits = torch.full((1, 1, ROWS, COLUMNS), -5.0)
    pts, sub = torch.zeros(1, 2, ROWS, COLUMNS), torch.zeros(1, 2, ROWS, COLUMNS)
    # 11 keypoints in 6 rows, two cells apart where two share a row.
    for index in range(11):
        row, column = 39 - index // 2, 50 + 2 * (index % 2)
        logits[0, 0, row, column] = 3.0
        pts[0, :, row, column] = torch.tensor([51 - column, 39 - row])
    assert len(GaNetDecoder(min_points=11).decode(logits, pts, sub, NO_SCALE, NO_CROP)[0]) == 0
    ((points, _),) = GaNetDecoder(min_points=10).decode(logits, pts, sub, NO_SCALE, NO_CROP)[0]
    np.testing.assert_allclose(points[:, 1] / 8, [39, 38, 37, 36, 35, 34])
    np.testing.assert_allclose(points[:-1, 0] / 8, 51)
    np.testing.assert_allclose(points[-1, 0] / 8, 50)


def test_one_row_is_no_lane():
    logits = torch.full((1, 1, ROWS, COLUMNS), -5.0)
    logits[0, 0, 20, 40:52:2] = 3.0
    zeros = torch.zeros(1, 2, ROWS, COLUMNS)
    decoder = GaNetDecoder(min_points=2, cluster_thr=20)
    assert decoder.decode(logits, zeros, zeros, NO_SCALE, NO_CROP) == [[]]


def test_neighbours_saturated_alike_both_survive():
    """Beyond ±9.2 the clamp makes a tie, as in the reference; the pair shares a row band."""
    logits, pts, sub = maps_of([straight(400, 380)])
    rows, columns = (logits[0, 0] > 0).nonzero(as_tuple=True)
    logits[0, 0, rows, columns] = 10.0
    logits[0, 0, rows, columns + 1] = 12.0
    pts[0, :, rows, columns + 1] = pts[0, :, rows, columns]
    lanes = GaNetDecoder(min_points=len(rows)).decode(logits, pts, sub, NO_SCALE, NO_CROP)[0]
    assert len(lanes) == 1  # more keypoints than rows: both columns counted


def test_confidences_that_round_alike_are_no_tie():
    """Between 0.999 and the clamp float32 has one number for many logits."""
    low, high = np.float32(8.0), np.float32(8.00003)
    assert torch.tensor(low).sigmoid() == torch.tensor(high).sigmoid()
    logits, pts, sub = maps_of([straight(400, 380)])
    rows, columns = (logits[0, 0] > 0).nonzero(as_tuple=True)
    logits[0, 0, rows, columns] = float(high)
    logits[0, 0, rows, columns + 1] = float(low)
    pts[0, :, rows, columns + 1] = pts[0, :, rows, columns]
    decoder = GaNetDecoder(min_points=len(rows))
    assert decoder.decode(logits, pts, sub, NO_SCALE, NO_CROP) == [[]]  # one keypoint a row


@pytest.mark.parametrize("kpt_thr", [0, 5e-5, 1, 40, math.nan])
def test_thresholds_that_no_confidence_has(kpt_thr):
    with pytest.raises(ValueError, match="kpt_thr"):
        GaNetDecoder(kpt_thr=kpt_thr)


def test_half_precision_maps():
    maps = [each.half() for each in maps_of([straight(120, 300)])]
    assert len(GaNetDecoder().decode(*maps, NO_SCALE, NO_CROP)[0]) == 1


def test_nan_maps_give_no_lane():
    maps = [torch.full_like(each, math.nan) for each in maps_of([])]
    assert GaNetDecoder().decode(*maps, NO_SCALE, NO_CROP) == [[]]


def test_roots_chain_through_members():
    """10 reaches 14, 14 reaches 18: one group, though 10 and 18 are farther apart than 5."""
    roots = np.array([[10.0, 39], [14, 39], [18, 39], [40, 38], [41, 39]])
    np.testing.assert_array_equal(group_roots(roots, 5), [[14, 39], [40, 38]])
    assert group_roots(np.empty((0, 2)), 5).shape == (0, 2)


def test_root_follows_the_first_within_reach_only():
    """The third is near both; it follows the first, and does not join the two groups."""
    roots = np.array([[10.0, 30], [10, 38], [12, 34]])
    np.testing.assert_array_equal(group_roots(roots, 5), [[11, 32], [10, 38]])


def test_assignment_reaches_exactly_the_threshold():
    centres = np.array([[10.0, 39], [20, 39]])
    starts = np.array([[13.0, 35], [13.1, 35], [15, 39], [19, 39], [60, 0]])
    np.testing.assert_array_equal(assign_to_centres(starts, centres, 5), [0, -1, 0, 1, -1])


def test_merged_rows_are_weighted_means():
    points = np.array([[10.0, 5.2], [12, 5.6], [9, 7.5]])
    merged, lane = merge_row_bands(points, np.array([0.5, 0.75, 0.9]), np.zeros(3, int))
    np.testing.assert_allclose(merged, [[9, 7.5], [11.2, 5.44]])
    assert lane.tolist() == [0, 0]


def test_rows_of_two_lanes_are_not_merged():
    points = np.array([[10.0, 5.2], [50, 5.6], [9, 7.5], [51, 4.1]])
    merged, lane = merge_row_bands(points, np.full(4, 0.5), np.array([1, 0, 1, 0]))
    np.testing.assert_allclose(merged, [[50, 5.6], [51, 4.1], [9, 7.5], [10, 5.2]])
    assert lane.tolist() == [0, 0, 1, 1]
