from __future__ import annotations

import numpy as np
import pytest

from ganet_mm.evaluation import TuSimpleMetric
from ganet_mm.evaluation.tusimple import sample_lane, tusimple_scores
from ganet_mm.registry import METRICS
from ganet_mm.structures import LaneDataSample

ROWS = np.arange(160, 720, 10)


def upright(x, start=0):
    lane = np.full(len(ROWS), float(x))
    lane[:start] = -2
    return lane


def slanted(slope):
    return 300.0 + slope * (ROWS - 160)


def by_hand(preds, gts, rows):
    """The protocol in loops, with numpy's own regression."""
    if len(preds) > len(gts) + 2:
        return 0.0, 0.0, 1.0
    line_accuracies = []
    for gt in gts:
        points = [(y, x) for x, y in zip(gt, rows, strict=True) if x >= 0]
        slope = np.polyfit(*np.transpose(points), 1)[0] if len(points) > 1 else 0.0
        tolerance = 20 / np.cos(np.arctan(slope))
        best = 0.0
        for pred in preds:
            hits = 0
            for p, g in zip(pred, gt, strict=True):
                p, g = (p if p >= 0 else -100), (g if g >= 0 else -100)
                hits += abs(p - g) < tolerance
            best = max(best, hits / len(rows))
        line_accuracies.append(best)
    found = sum(accuracy >= 0.85 for accuracy in line_accuracies)
    fn = len(gts) - found
    total = sum(line_accuracies)
    if len(gts) > 4:
        fn -= fn > 0
        total -= min(line_accuracies)
    lanes = max(min(len(gts), 4), 1)
    return total / lanes, (len(preds) - found) / len(preds) if preds else 0.0, fn / lanes


def test_perfect_and_empty():
    lanes = [upright(100), upright(500, 10)]
    assert tusimple_scores(lanes, lanes, ROWS) == (1.0, 0.0, 0.0)
    assert tusimple_scores([], lanes, ROWS) == (0.0, 0.0, 1.0)
    assert tusimple_scores([], [], ROWS) == (0.0, 0.0, 0.0)
    assert tusimple_scores(lanes, [], ROWS) == (0.0, 1.0, 0.0)


def test_tolerance_is_twenty_pixels_strictly_and_across_the_lane():
    assert tusimple_scores([upright(119.9)], [upright(100)], ROWS)[0] == 1.0
    assert tusimple_scores([upright(120)], [upright(100)], ROWS)[0] == 0.0
    # At 45 degrees 20 pixels across are 28.3 along the row.
    assert tusimple_scores([slanted(1) + 28.2], [slanted(1)], ROWS)[0] == 1.0
    assert tusimple_scores([slanted(1) + 28.3], [slanted(1)], ROWS)[0] == 0.0


def test_absent_rows_agree_with_absent_rows_only():
    accuracy, fp, fn = tusimple_scores([upright(100, 14)], [upright(100)], ROWS)
    assert accuracy == pytest.approx(42 / 56)
    assert (fp, fn) == (1.0, 1.0)
    assert tusimple_scores([upright(100, 8)], [upright(100)], ROWS)[1:] == (0.0, 0.0)


def test_more_than_four_lanes_forgive_the_worst():
    gts = [upright(x) for x in (100, 300, 500, 700, 900)]
    assert tusimple_scores(gts[:4], gts, ROWS) == (1.0, 0.0, 0.0)
    assert tusimple_scores(gts[:3], gts, ROWS) == (0.75, 0.0, 0.25)


def test_two_lanes_too_many_are_allowed_three_and_slowness_are_not():
    gts = [upright(100)]
    preds = [upright(x) for x in (100, 300, 500)]
    assert tusimple_scores(preds, gts, ROWS) == (1.0, pytest.approx(2 / 3), 0.0)
    assert tusimple_scores(preds + preds[:1], gts, ROWS) == (0.0, 0.0, 1.0)
    assert tusimple_scores(gts, gts, ROWS, run_time=201) == (0.0, 0.0, 1.0)
    assert tusimple_scores(gts, gts, ROWS, run_time=200) == (1.0, 0.0, 0.0)


def test_against_the_protocol_in_loops():
    rng = np.random.default_rng(0)
    for _ in range(300):
        gts = []
        for _ in range(rng.integers(0, 7)):
            gt = rng.uniform(0, 1280) + rng.normal(0, 1.5) * (ROWS - 160)
            gt[: rng.integers(0, 20)] = -2
            gts.append(np.where((gt >= 0) & (gt < 1280), gt, -2))
        preds = [
            np.where(gt >= 0, gt + rng.normal(0, 15), -2) for gt in gts if rng.random() < 0.8
        ] + [upright(rng.uniform(0, 1280)) for _ in range(rng.integers(0, 3))]
        expected = by_hand(preds, gts, ROWS)
        assert tusimple_scores(preds, gts, ROWS) == pytest.approx(expected, abs=1e-12)


def test_a_lane_of_another_length_is_refused():
    with pytest.raises(ValueError, match="predicted lane 1 has 3 x for 56 rows"):
        tusimple_scores([upright(1), [1, 2, 3]], [upright(1)], ROWS)


def test_sample_lane():
    points = np.float32([[100, 400], [200, 300], [-50, 500]])
    x = sample_lane(points, [250, 300, 350, 400, 460, 500, 510])
    assert x.tolist() == [-2, 200, 150, 100, 10, -2, -2]
    assert sample_lane(np.zeros((0, 2)), [1, 2]).tolist() == [-2, -2]


def data_sample(index, preds, gts, **meta):
    result = LaneDataSample(metainfo=dict(img_path=f"{index}.jpg", sample_idx=index, **meta))
    result.gt_lanes_ori, result.pred_lanes = gts, preds
    return result


def test_metric_is_the_mean_over_pictures_each_once():
    lane = np.stack([np.full(len(ROWS), 300.0), ROWS], 1).astype(np.float32)
    good, bad = data_sample(0, [lane], [lane]), data_sample(1, [lane + (90, 0)], [lane])
    metric = METRICS.build(dict(type="TuSimpleMetric"))
    metric.process(None, [good.to_dict(), bad.to_dict()])
    metric.process(None, [good.to_dict()])
    expected = {"tusimple/accuracy": 0.5, "tusimple/FP": 0.5, "tusimple/FN": 0.5}
    assert metric.evaluate(2) == expected


def test_metric_takes_a_samples_own_rows():
    lane = np.float32([[300, 700], [300, 440]])
    short = lane[:1].repeat(2, 0) - np.float32([[0, 0], [0, 130]])
    metric = TuSimpleMetric()
    metric.process(None, [data_sample(0, [short], [lane], h_samples=[440, 500, 570, 600, 700])])
    assert metric.evaluate(1)["tusimple/accuracy"] == pytest.approx(3 / 5)
    with pytest.raises(ValueError, match="holds no row"):
        TuSimpleMetric(h_samples=(10, 10, 1))
