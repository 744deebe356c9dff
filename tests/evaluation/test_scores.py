from __future__ import annotations

import numpy as np
import pytest

from ganet_mm.evaluation.scores import (
    MF1_THRESHOLDS,
    LaneCounts,
    check_iou_thrs,
    mean_f1,
    percent,
    scores_table,
)


def test_scores_of_counts():
    counts = LaneCounts(np.array([6, 3]), num_pred=8, num_gt=10, num_images=3)
    assert counts.scores(0) == {
        "tp": 6,
        "fp": 2,
        "fn": 4,
        "precision": 0.75,
        "recall": 0.6,
        "f1": pytest.approx(2 * 0.75 * 0.6 / 1.35),
    }
    assert counts.scores(1)["fn"] == 7


def test_quotients_without_a_base_are_zero():
    empty = LaneCounts.zeros(1).scores(0)
    assert empty == {"tp": 0, "fp": 0, "fn": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    cross = LaneCounts(np.array([0]), num_pred=5).scores(0)
    assert cross["fp"] == 5 and cross["f1"] == 0.0


def test_sums():
    counts = LaneCounts.zeros(2)
    counts.add([2, 1], num_pred=3, num_gt=4)
    counts.add([1, 1], num_pred=1, num_gt=1)
    total = counts + counts
    assert (total.tp.tolist(), total.num_pred, total.num_gt, total.num_images) == ([6, 4], 8, 10, 4)


def test_mf1_is_the_mean_over_its_ten_thresholds():
    assert MF1_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    tp = np.arange(10, 0, -1)
    counts = LaneCounts(np.append(tp, 99), num_pred=10, num_gt=10)
    assert mean_f1(counts, (*MF1_THRESHOLDS, 0.3)) == pytest.approx(0.55)


@pytest.mark.parametrize(
    "thrs", [(), (0.0,), (1.0,), (0.5, -1), (float("nan"),), (50,), (0.5, 0.5)]
)
def test_thresholds_out_of_range_are_refused(thrs):
    with pytest.raises(ValueError, match="threshold"):
        check_iou_thrs(thrs)


def test_names_of_thresholds():
    assert [percent(thr) for thr in (0.5, 0.55, 0.75, 0.125)] == ["50", "55", "75", "12.5"]


def test_table_has_a_row_each_and_no_quotients_without_annotated_lanes():
    rows = {
        "normal": LaneCounts(np.array([6, 3]), 8, 10, 3),
        "cross": LaneCounts(np.array([0, 0]), 5, 0, 2),
    }
    total = rows["normal"] + rows["cross"]
    lines = scores_table(rows, total, (0.5, 0.75)).splitlines()
    assert [line.split()[0] for line in (lines[2], lines[3], lines[-1])] == [
        "normal",
        "cross",
        "total",
    ]
    assert lines[2].split()[1:9] == ["3", "10", "6", "2", "4", "0.7500", "0.6000", "0.6667"]
    assert lines[3].split()[1:9] == ["2", "0", "0", "5", "0", "–", "–", "–"]
    only_first = scores_table(rows, total, (0.5, 0.75), show=(0.5,))
    assert "F1@50" in only_first and "F1@75" not in only_first
