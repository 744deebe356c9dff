from __future__ import annotations

import numpy as np
import pytest

from ganet_mm.evaluation.lane_iou import (
    count_pictures,
    count_true_positives,
    lane_ious,
    lane_ious_of_pictures,
)

THRS = (0.3, 0.5, 0.55, 0.75, 0.9)


def compare(oracle, preds, gts, shape):
    """IoUs to the last bit; counts of the best matching or one that the program finds as good."""
    matrix = lane_ious(preds, gts, shape)
    expected = oracle.ious(preds, gts, shape)
    assert np.array_equal(matrix, expected, equal_nan=True)
    counts = count_true_positives(matrix, THRS)
    tolerance = 0.01 * min(matrix.shape)
    for thr, count in zip(THRS, counts.tolist(), strict=True):
        assert count in oracle.true_positives(expected, thr, tolerance)


@pytest.mark.parametrize("seed", range(6))
def test_pictures_like_culane_against_the_oracle(oracle, lanes, seed):
    rng = np.random.default_rng(seed)
    for _ in range(5):
        gts = lanes.culane_like(rng, rng.integers(0, 5))
        compare(oracle, lanes.predictions(rng, gts), gts, lanes.SHAPE)


@pytest.mark.parametrize("seed", range(40))
def test_hostile_pictures_against_the_oracle(oracle, lanes, seed):
    rng = np.random.default_rng(1000 + seed)
    shape = (60, 90)
    for _ in range(8):
        gts = [lanes.hostile(rng, shape) for _ in range(rng.integers(0, 5))]
        preds = [lanes.hostile(rng, shape) for _ in range(rng.integers(0, 4))]
        # Copies and near copies, so that there is something to match.
        preds += [lane + np.float32(rng.choice([0, 1, 4])) for lane in gts if rng.random() < 0.5]
        compare(oracle, preds[:5], gts, shape)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_thousands_of_pictures_against_the_oracle(oracle, lanes, seed):
    rng = np.random.default_rng(5000 + seed)
    for _ in range(30):
        gts = lanes.culane_like(rng, rng.integers(0, 5))
        compare(oracle, lanes.predictions(rng, gts)[:6], gts, lanes.SHAPE)
    shape = (90, 160)
    for _ in range(150):
        gts = [lanes.hostile(rng, shape) for _ in range(rng.integers(0, 5))]
        preds = [lanes.hostile(rng, shape) for _ in range(rng.integers(0, 3))]
        preds += [lane + np.float32(rng.choice([0, 1, 4])) for lane in gts if rng.random() < 0.6]
        compare(oracle, preds[:6], gts, shape)


def test_counts_are_the_best_matchings_where_nothing_is_close(oracle, lanes):
    rng = np.random.default_rng(11)
    checked = 0
    for _ in range(60):
        gts = lanes.culane_like(rng, 4)
        preds = lanes.predictions(rng, gts)[:6]
        matrix = lane_ious(preds, gts, lanes.SHAPE)
        for thr, count in zip(THRS, count_true_positives(matrix, THRS).tolist(), strict=True):
            near = oracle.true_positives(matrix, thr, 0.01 * min(matrix.shape))
            if len(near) == 1:
                checked += 1
                assert {count} == oracle.true_positives(matrix, thr)
    assert checked > 250


def test_pictures_together_equal_pictures_alone(lanes):
    rng = np.random.default_rng(12)
    pictures = []
    for _ in range(40):
        gts = [lanes.hostile(rng) for _ in range(rng.integers(0, 4))]
        pictures.append((lanes.culane_like(rng, 2), gts + lanes.culane_like(rng, 2)))
        pictures.append(([], gts))
    together = lane_ious_of_pictures(pictures, lanes.SHAPE)
    for (preds, gts), matrix in zip(pictures, together, strict=True):
        assert matrix.shape == (len(preds), len(gts))
        assert np.array_equal(matrix, lane_ious(preds, gts, lanes.SHAPE), equal_nan=True)


def test_symmetry_and_permutation(lanes):
    rng = np.random.default_rng(13)
    for _ in range(10):
        gts = lanes.culane_like(rng, 3)
        preds = lanes.predictions(rng, gts) + [lanes.hostile(rng)]
        matrix = lane_ious(preds, gts, lanes.SHAPE)
        assert np.array_equal(matrix.T, lane_ious(gts, preds, lanes.SHAPE), equal_nan=True)
        order = rng.permutation(len(preds))
        shuffled = lane_ious([preds[i] for i in order], gts, lanes.SHAPE)
        assert np.array_equal(matrix[order], shuffled, equal_nan=True)


def test_a_lane_and_itself_have_iou_one(lanes):
    rng = np.random.default_rng(14)
    for lane in lanes.culane_like(rng, 6):
        assert lane_ious([lane], [lane], lanes.SHAPE) == 1


def test_reversed_points_change_no_more_than_samples_at_a_pixels_edge(lanes):
    # The curve is the same; a sample within float32 of a pixel's edge may round the other way.
    rng = np.random.default_rng(15)
    for _ in range(20):
        for lane in lanes.culane_like(rng, 3):
            assert lane_ious([lane], [lane[::-1]], lanes.SHAPE) > 0.995


def test_translation_of_both_inside_the_picture_keeps_the_iou(lanes):
    # By even numbers, as halves of a pixel round to even.
    rng = np.random.default_rng(16)
    y = np.arange(450, 300, -10.0)
    for _ in range(10):
        pair = [
            np.stack([np.round(800 + np.cumsum(rng.normal(0, 6, len(y)))), y], 1).astype(np.float32)
            for _ in range(2)
        ]
        shift = np.float32([2 * rng.integers(-40, 40), 2 * rng.integers(-20, 20)])
        moved = [lane + shift for lane in pair]
        here = lane_ious(pair[:1], pair[1:], lanes.SHAPE)
        assert here == lane_ious(moved[:1], moved[1:], lanes.SHAPE)


GOOD = [np.float32([[x, y] for y in range(590, 290, -10)]) for x in (200, 600, 1000, 1400)]
OUTSIDE = GOOD[0] - np.float32([5000, 0])
REPEATED = np.insert(GOOD[0], 5, GOOD[0][5], axis=0)
EMPTY = np.zeros((0, 2), np.float32)

# (predictions, annotations, tp, fp, fn at 0.5): what the official program counts.
DEGENERATE = {
    "blank line": (GOOD + [EMPTY], GOOD, 4, 1, 0),
    "no predictions": ([], GOOD, 0, 0, 4),
    "no annotations": (GOOD, [], 0, 4, 0),
    "one-point prediction": (GOOD + [GOOD[0][:1]], GOOD, 4, 1, 0),
    "one-point annotation": (GOOD, GOOD + [GOOD[0][:1]], 4, 0, 1),
    "reversed": ([lane[::-1] for lane in GOOD], GOOD, 4, 0, 0),
    "repeated point": ([REPEATED, *GOOD[1:]], GOOD, 3, 1, 1),
    "repeated point on both sides": ([REPEATED, *GOOD[1:]], [REPEATED, *GOOD[1:]], 4, 0, 0),
    "prediction outside": (GOOD + [OUTSIDE], GOOD, 4, 1, 0),
    "annotation outside": (GOOD, GOOD + [OUTSIDE], 4, 0, 1),
    "both outside": (GOOD + [OUTSIDE], GOOD + [OUTSIDE], 3, 2, 2),
    "everything outside": ([OUTSIDE] * 2, [OUTSIDE] * 2, 0, 2, 2),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_cases_count_as_in_the_official_program(case):
    preds, gts, tp, fp, fn = DEGENERATE[case]
    (count,) = count_pictures([(preds, gts)], [(590, 1640)], (0.5,))[0].tolist()
    assert (count, len(preds) - count, len(gts) - count) == (tp, fp, fn)


def test_fix_degenerate_gives_the_good_lane_back():
    preds, gts = GOOD + [OUTSIDE], GOOD + [OUTSIDE]
    counts = count_pictures([(preds, gts)], [(590, 1640)], (0.5,), fix_degenerate=True)
    assert counts[0].tolist() == [4]


def test_pictures_of_different_sizes_keep_their_places():
    small = [lane * np.float32(0.1) for lane in GOOD]
    pictures = [(GOOD, GOOD), (small, small), ([], []), (GOOD[:2], GOOD)]
    shapes = [(590, 1640), (59, 164), (59, 164), (590, 1640)]
    counts = count_pictures(pictures, shapes, (0.5, 0.75))
    assert [count.tolist() for count in counts] == [[4, 4], [4, 4], [0, 0], [2, 2]]
