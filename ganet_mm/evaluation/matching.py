"""Which predicted lane is compared with which annotated one."""

from __future__ import annotations

import numpy as np

TIGHTNESS = 1e-2
"""How far from tight the official program still takes a pair for part of an optimal matching."""


def match_lanes(ious: np.ndarray) -> np.ndarray:
    """Maximum-weight matching as the official program finds it.

    That is the Hungarian method, with every lane of the smaller side getting a partner, and with
    two particulars that change counts now and then and are therefore kept:

    - A pair is taken for optimal when it is within 0.01 of it, the earlier one first. Of two
      predictions with IoU 0.745 and 0.752 to one lane the first is matched, though at the
      threshold 0.75 only the second would be a true positive.
    - A NaN (both lanes wholly outside the picture) can never be matched. So a good lane may lose
      its partner to a lane outside; and the search ends where a lane finds no partner at all.

    Args:
        ious: (P, G) float64.

    Returns:
        (P,) int64, the annotated lane of each predicted one, −1 for none.
    """
    num_pred, num_gt = ious.shape
    partner = np.full(num_pred, -1, np.int64)
    if not ious.size:
        return partner
    # The program's rows are the annotated lanes, or the predicted ones if those are fewer.
    if num_gt <= num_pred:
        for pred, gt in enumerate(_hungarian(ious.T.tolist())):
            partner[pred] = gt
    else:
        for gt, pred in enumerate(_hungarian(ious.tolist())):
            if pred >= 0:
                partner[pred] = gt
    return partner


def _hungarian(weights: list[list[float]]) -> list[int]:
    """Row matched to each column, −1 for none, for R rows of C ≥ R weights."""
    num_columns = len(weights[0])
    row_label = [max((w for w in row if w == w), default=0.0) for row in weights]
    column_label = [0.0] * num_columns
    owner = [-1] * num_columns

    def augment(row: int) -> bool:
        """Searches depth first for a column for ``row``, moving others on where that is tight."""
        seen_rows.add(row)
        for column, weight in enumerate(weights[row]):
            slack = row_label[row] + column_label[column] - weight
            if column not in seen_columns and abs(slack) < TIGHTNESS:
                seen_columns.add(column)
                if owner[column] < 0 or augment(owner[column]):
                    owner[column] = row
                    return True
        return False

    for row in range(len(weights)):
        while True:
            seen_rows: set[int] = set()
            seen_columns: set[int] = set()
            if augment(row):
                break
            slacks = [
                row_label[i] + column_label[j] - weights[i][j]
                for i in seen_rows
                for j in range(num_columns)
                if j not in seen_columns
            ]
            smallest = min((slack for slack in slacks if slack == slack), default=None)
            if smallest is None:  # nothing but NaN left for this row
                return owner
            for i in seen_rows:
                row_label[i] -= smallest
            for j in seen_columns:
                column_label[j] += smallest
    return owner
