import numpy as np
import pytest

from ganet_mm.visualization.drawing import FALSE, HIT, MISSED
from ganet_mm.visualization.matching import draw_matches, match_to_gt

SHAPE = (590, 1640)


def vertical(x, top=300, bottom=580):
    y = np.arange(bottom, top, -10, dtype=np.float32)
    return np.stack([np.full_like(y, x), y], axis=1)


def test_a_vertical_lane_matches_up_to_a_third_of_its_width_aside():
    # Two bands of width 30, d aside: IoU = (30 − d) / (30 + d), above one half for d < 10.
    for aside, hit in ((0, True), (8, True), (12, False), (40, False)):
        matches = match_to_gt([vertical(700 + aside)], [vertical(700)], SHAPE)
        assert matches.hit == (hit,) and matches.found == (hit,)


def test_one_annotated_lane_is_found_by_one_prediction_only():
    matches = match_to_gt(
        [vertical(706), vertical(300), vertical(701)], [vertical(700), vertical(1000)], SHAPE
    )
    assert matches.hit == (False, False, True)
    assert matches.found == (True, False)


@pytest.mark.parametrize(("pred", "gt"), [([], []), ([700], []), ([], [700])])
def test_empty_sides(pred, gt):
    matches = match_to_gt([vertical(x) for x in pred], [vertical(x) for x in gt], SHAPE)
    assert matches.hit == (False,) * len(pred) and matches.found == (False,) * len(gt)


def test_the_threshold_is_the_callers():
    lanes = [vertical(705)], [vertical(700)]  # IoU 25/35
    assert match_to_gt(*lanes, SHAPE, 0.5).hit == (True,)
    assert match_to_gt(*lanes, SHAPE, 0.75).hit == (False,)


def test_colours_say_what_matched():
    img = np.full((*SHAPE, 3), 90, np.uint8)
    pred = [vertical(500), vertical(900)]
    gt = [vertical(504), vertical(1300)]
    drawn = draw_matches(img, pred, gt, scores=[0.9, 0.4], legend=False)
    assert tuple(drawn[400, 499]) == HIT
    assert tuple(drawn[400, 899]) == FALSE
    column = (drawn[305:580, 1300] == MISSED).all(axis=1)
    assert 0.4 < column.mean() < 0.8  # dashed
    assert (drawn[:200] == 90).all()
    with_legend = draw_matches(img, pred, gt)
    assert (with_legend[:100, :200] != 90).any()
