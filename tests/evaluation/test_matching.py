from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import linear_sum_assignment

from ganet_mm.evaluation.lane_iou import count_true_positives
from ganet_mm.evaluation.matching import match_lanes

nan = float("nan")
matrices = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4),
    elements=st.one_of(st.just(0.0), st.just(nan), st.floats(0, 1)),
)


def tp(matrix, *iou_thrs, **options):
    return count_true_positives(np.array(matrix, np.float64), iou_thrs, **options).tolist()


@given(matrices)
def test_is_a_matching_without_nan_pairs(matrix):
    partner = match_lanes(matrix)
    taken = partner[partner >= 0]
    assert partner.shape == (len(matrix),)
    assert len(set(taken.tolist())) == len(taken)
    assert not np.isnan(matrix[np.flatnonzero(partner >= 0), taken]).any()


@given(
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.floats(0, 1))
)
def test_weight_is_within_the_programs_tolerance_of_the_best(matrix):
    partner = match_lanes(matrix)
    matched = np.flatnonzero(partner >= 0)
    assert len(matched) == min(matrix.shape)
    best = matrix[linear_sum_assignment(matrix, maximize=True)].sum()
    assert matrix[matched, partner[matched]].sum() >= best - 0.01 * min(matrix.shape) - 1e-9


def test_threshold_is_strict():
    assert tp([[0.5]], 0.5, 0.4999) == [0, 1]


# True positives of the official program's matcher at 0.5 and 0.75, for matrices (P, G).
OFFICIAL = [
    ([[0.745], [0.752]], [1, 0]),  # within its tolerance of 0.01 the first prediction is matched,
    ([[0.752], [0.745]], [1, 1]),
    ([[0.741], [0.752]], [1, 1]),  # beyond it the better one
    ([[0.9, 0.6], [0.8, 0.0]], [2, 1]),
    ([[0.8, 0.76], [0.8, 0.0]], [2, 2]),
    ([[nan]], [0, 0]),
    ([[nan, nan], [nan, nan]], [0, 0]),
    # A lane outside on either side costs one good lane its match.
    (
        [
            [0.9, 0, 0, 0, 0],
            [0, 0.9, 0, 0, 0],
            [0, 0, 0.9, 0, 0],
            [0, 0, 0, 0.9, 0],
            [0, 0, 0, 0, nan],
        ],
        [3, 3],
    ),
    ([[0.9, 0], [0, nan]], [0, 0]),
    ([[0.9, 0], [0, nan], [0, 0]], [1, 1]),
]


@pytest.mark.parametrize(("matrix", "expected"), OFFICIAL)
def test_counts_as_the_official_matcher(matrix, expected):
    assert tp(matrix, 0.5, 0.75) == expected


def test_fix_degenerate_counts_lanes_outside_as_misses():
    matrix = np.diag([0.9, 0.9, 0.9, 0.9, nan])
    assert tp(matrix, 0.5) == [3]
    assert tp(matrix, 0.5, fix_degenerate=True) == [4]
    assert tp([[nan]], 0.5, fix_degenerate=True) == [0]
