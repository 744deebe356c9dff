"""The curve that the official CULane program draws through a lane's points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SAMPLES_PER_SEGMENT = 50


def interpolate_lane(points: np.ndarray) -> np.ndarray:
    """Samples the natural cubic spline through ``points``, by the chord length, in their order.

    As in the official program: differences of points in float32, everything else in float64, the
    samples in float32; 50 samples a segment, at t = h·k/50 for k = 0 … 49, then the last point.
    Two points stay as they are (a straight line). A repeated point divides zero by zero: every
    sample but the last is then NaN.

    Args:
        points: (N, 2), N ≥ 2, any frame of reference; taken as float32.

    Returns:
        (2, 2) for N = 2, otherwise ((N − 1)·50 + 1, 2) float32.

    Raises:
        ValueError: There are fewer than two points.
    """
    points = np.asarray(points, np.float32)
    if len(points) < 2:
        raise ValueError(f"A lane needs at least 2 points to be drawn, this one has {len(points)}.")
    if len(points) == 2:
        return points.copy()
    samples = interpolate_lanes([points]).reshape(2, -1)
    return samples[:, : 1 - SAMPLES_PER_SEGMENT].T


def interpolate_lanes(lanes: Sequence[np.ndarray]) -> np.ndarray:
    """:func:`interpolate_lane` for many lanes at once, in one array.

    Args:
        lanes: Arrays (N, 2) float32, N ≥ 3.

    Returns:
        (2, ΣN, 50) float32, x and y: the samples that begin at each point of each lane, lane after
        lane; those of a lane's last point are that point 50 times, so that a lane is N·50 samples.
    """
    points = np.concatenate(lanes)
    counts = np.array([len(lane) for lane in lanes])
    starts = np.cumsum(counts) - counts
    lane = np.repeat(np.arange(len(lanes)), counts)
    place = np.arange(len(points)) - starts[lane]
    last = starts + counts - 1
    with np.errstate(all="ignore"):
        delta = np.zeros(points.shape)
        delta[:-1] = np.diff(points, axis=0)
        chord = np.sqrt(delta[:, 0] ** 2 + delta[:, 1] ** 2)[:, None]
        slope = delta / chord
        # Padded to the longest lane: row i holds what belongs to point i of every lane.
        shape = (counts.max(), len(lanes))
        chords, slopes = np.ones((*shape, 1)), np.zeros((*shape, 2))
        chords[place, lane], slopes[place, lane] = chord, slope
        bend = _second_derivatives(chords, slopes, counts)
        here = bend[place, lane]
        after = bend[np.minimum(place + 1, shape[0] - 1), lane]
        b = slope - (2 * chord * here + chord * after) / 6
        c = here / 2
        d = (after - here) / (6 * chord)
        for coefficient in (chord, b, c, d):
            coefficient[last] = 0
        t = chord / SAMPLES_PER_SEGMENT * np.arange(SAMPLES_PER_SEGMENT)
        t2 = t * t
        t3 = t2 * t
        samples = np.empty((2, *t.shape), np.float32)
        term = np.empty_like(t)
        for axis in (0, 1):
            value = np.multiply(b[:, axis, None], t)
            value += points[:, axis, None]
            value += np.multiply(c[:, axis, None], t2, out=term)
            value += np.multiply(d[:, axis, None], t3, out=term)
            samples[axis] = value
    return samples


def _second_derivatives(chords: np.ndarray, slopes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Solves the tridiagonal systems of natural cubic splines (second derivative 0 at both ends).

    Args:
        chords: (N, L, 1) float64, length of the segment that begins at point i of lane l.
        slopes: (N, L, 2) float64, difference quotient of x and y on that segment.
        counts: (L,) points of each lane, 3 ≤ counts ≤ N; what lies beyond is not looked at.

    Returns:
        (N, L, 2) float64, second derivatives of x and y at the points, 0 beyond a lane's end.
    """
    inner = len(chords) - 2
    right = 6 * (slopes[1:-1] - slopes[:-2])
    diagonal = 2 * (chords[:-2] + chords[1:-1])
    upper, lower = chords[1:-1].copy(), chords[:-2]
    for i in range(inner):
        if i:
            diagonal[i] -= lower[i] * upper[i - 1]
            right[i] -= lower[i] * right[i - 1]
        upper[i] /= diagonal[i]
        right[i] /= diagonal[i]
    # What stands beyond a lane's end may be infinite or NaN, so zeros are put there.
    beyond = (np.arange(inner)[:, None] >= counts - 2)[..., None]
    solution = np.zeros((inner + 2, *right.shape[1:]))
    for i in range(inner - 1, -1, -1):
        solution[i + 1] = np.where(beyond[i], 0, right[i] - upper[i] * solution[i + 2])
    return solution
