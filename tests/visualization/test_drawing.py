import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganet_mm.visualization.drawing import (
    FALSE,
    FOUND,
    HIT,
    LANE_COLOURS,
    MISSED,
    SKY_BLUE,
    VERMILLION,
    dash_polyline,
    draw_lanes,
    draw_legend,
    draw_offset_arrows,
    draw_scores,
    overlay_heatmap,
)

BLACK = np.zeros((120, 200, 3), np.uint8)
GREY = np.full((120, 200, 3), 90, np.uint8)


def lane(*points):
    return np.array(points, np.float32)


def distance_to_polyline(shape, points):
    """Distance of every pixel centre to a polyline, by formula."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    best = np.full(shape[:2], np.inf)
    for (x0, y0), (x1, y1) in itertools.pairwise(np.asarray(points, float)):
        along = np.array([x1 - x0, y1 - y0])
        t = ((columns - x0) * along[0] + (rows - y0) * along[1]) / max(along @ along, 1e-12)
        t = np.clip(t, 0, 1)
        away = np.hypot(columns - x0 - t * along[0], rows - y0 - t * along[1])
        best = np.minimum(best, away)
    return best


@pytest.mark.parametrize("antialiased", [True, False])
@pytest.mark.parametrize("width", [3, 6, 11])
def test_a_lane_is_a_band_of_its_width_around_its_points(antialiased, width):
    points = lane((20.3, 110), (60.8, 70.2), (65, 40), (180.5, 12.6))
    drawn = draw_lanes(BLACK, [points], HIT, width, antialiased=antialiased)
    distance = distance_to_polyline(BLACK.shape, points)
    assert (drawn[distance < width / 2 - 1] == HIT).all()
    fade = 2.75 if antialiased else 1.25  # how far OpenCV's edges reach, measured
    assert (drawn[distance > width / 2 + fade] == 0).all()


def test_without_antialiasing_every_pixel_has_the_colour_or_none():
    drawn = draw_lanes(GREY, [lane((5, 100), (190, 7))], VERMILLION, 5, antialiased=False)
    coloured = (drawn == VERMILLION).all(axis=2)
    assert coloured.any()
    assert (drawn[~coloured] == 90).all()


def test_the_input_picture_stays_as_it_is():
    img = GREY.copy()
    lanes = [lane((5, 100), (190, 7))]
    draw_lanes(img, lanes)
    draw_scores(img, lanes, [0.5])
    draw_legend(img, [("hit", HIT, False)])
    overlay_heatmap(img, np.ones((15, 25)))
    draw_offset_arrows(img, np.ones((2, 15, 25)), np.ones((15, 25), bool))
    assert (img == 90).all()


def test_lanes_get_colours_in_turn_and_neighbours_differ():
    lanes = [lane((20 + 30 * i, 110), (20 + 30 * i, 10)) for i in range(6)]
    drawn = draw_lanes(BLACK, lanes, width=5)
    colours = [tuple(drawn[60, 20 + 30 * i].tolist()) for i in range(6)]
    assert colours == [*LANE_COLOURS, LANE_COLOURS[0]]
    assert len(set(LANE_COLOURS)) == len(LANE_COLOURS)


def test_opacity_blends_line_and_picture():
    drawn = draw_lanes(GREY, [lane((100, 110), (100, 10))], (200, 100, 0), 7, alpha=0.5)
    np.testing.assert_allclose(drawn[60, 100], (145, 95, 45), atol=1)
    assert (drawn[60, 150] == 90).all()


def test_points_outside_and_non_finite_points_do_no_harm():
    wild = lane((100, 110), (np.nan, 90), (100, 60), (np.inf, 50), (100, 10), (4e9, -4e9))
    drawn = draw_lanes(BLACK, [wild], HIT, 5)
    assert (drawn[20:110, 100] == HIT).all()
    outside = lane((-500, 300), (-20, 40))
    assert (draw_lanes(BLACK, [outside, lane()], HIT) == 0).all()
    half = draw_lanes(BLACK, [lane((-100, 60), (100, 60))], HIT, 5)
    assert (half[60, :100] == HIT).all() and (half[60, 110:] == 0).all()


def test_a_single_point_is_a_dot():
    drawn = draw_lanes(BLACK, [lane((50, 60))], HIT, 4)
    assert tuple(drawn[60, 50]) == HIT
    assert 20 < (drawn > 0).any(axis=2).sum() < 120


def test_wrong_counts_are_refused():
    lanes = [lane((1, 2), (3, 4))]
    with pytest.raises(ValueError, match="2 colours for 1 lanes"):
        draw_lanes(BLACK, lanes, [HIT, FALSE])
    with pytest.raises(ValueError, match="2 scores for 1 lanes"):
        draw_scores(BLACK, lanes, [0.1, 0.2])
    with pytest.raises(ValueError, match="alpha"):
        draw_lanes(BLACK, lanes, alpha=1.1)


@settings(max_examples=60)
@given(
    points=st.lists(st.tuples(st.floats(-200, 200), st.floats(-200, 200)), min_size=2, max_size=8),
    dash=st.floats(5, 60),
    gap=st.floats(5, 60),
)
def test_dashes_cover_their_share_of_the_line(points, dash, gap):
    points = np.array(points)
    total = np.hypot(*np.diff(points, axis=0).T).sum()
    dashes = dash_polyline(points, dash, gap)
    if total == 0:
        assert len(dashes) == 1
        return
    lengths = [np.hypot(*np.diff(piece, axis=0).T).sum() for piece in dashes]
    periods, rest = divmod(total, dash + gap)
    np.testing.assert_allclose(sum(lengths), periods * dash + min(rest, dash), atol=1e-6 * total)
    np.testing.assert_allclose(lengths[:-1], dash, rtol=1e-6)
    np.testing.assert_allclose(dashes[0][0], points[0], atol=1e-9)


def test_a_dashed_lane_has_gaps():
    drawn = draw_lanes(BLACK, [lane((100, 119), (100, 0))], HIT, 3, antialiased=False, dash=20)
    row = (drawn[:, 100] == HIT).all(axis=1)
    assert 0.45 < row.mean() < 0.75
    assert not row[85] and row[110]


def label_box(lanes, scores, shape=(400, 600)):
    img = np.zeros((*shape, 3), np.uint8)
    changed = (draw_scores(img, lanes, scores) != 0).any(axis=2)
    rows, columns = np.nonzero(changed)
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_a_score_stands_beside_the_lanes_lowest_point():
    left, top, right, bottom = label_box([lane((300, 100), (250, 300))], [0.5])
    assert 250 < left < 275 and 270 < top < 290 and bottom <= 301
    assert 20 < right - left < 90


def test_scores_stay_inside_the_picture():
    for x, y in ((599, 399), (0, 0), (599, 0), (0, 399)):
        left, top, right, bottom = label_box([lane((x, y), (300, 0))], [0.25])
        assert right - left > 20 and bottom - top > 8
    # the lowest point inside counts, not the lowest one
    left, top, _, _ = label_box([lane((-500, 390), (100, 200), (120, 100))], [0.9])
    assert 100 < left < 125 and 150 < top < 200


def test_a_lane_wholly_outside_gets_no_score():
    assert (draw_scores(BLACK, [lane((-9, 5), (-3, 2))], [0.7]) == 0).all()


def test_a_legend_shows_its_colours_in_the_upper_left_corner():
    img = np.full((590, 1640, 3), 90, np.uint8)
    drawn = draw_legend(img, [("hit 3", HIT, False), ("missed 1", MISSED, True)])
    changed = (drawn != img).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.max() < 150 and columns.max() < 500
    counts = [(drawn == colour).all(axis=2).sum() for colour in (HIT, MISSED)]
    assert counts[0] > 1.3 * counts[1] > 0  # the second is dashed
    assert (draw_legend(img, []) == img).all()


def test_a_heat_map_covers_its_cells_and_spares_the_cold():
    img = np.full((32, 64, 3), 90, np.uint8)
    heat = np.zeros((4, 8))
    heat[1, 2] = 1
    drawn = overlay_heatmap(img, heat, alpha=1)
    hot = (drawn != img).any(axis=2)
    assert hot[8:16, 16:24].all() and hot.sum() == 64
    yellow = cv2.applyColorMap(np.uint8([[255]]), cv2.COLORMAP_VIRIDIS)[0, 0]
    assert (drawn[8:16, 16:24] == yellow).all()
    assert (overlay_heatmap(img, np.full((4, 8), np.nan)) == img).all()
    with pytest.raises(ValueError, match="one channel"):
        overlay_heatmap(img, heat[None])


def test_arrows_lead_from_cell_to_start():
    img = np.zeros((96, 192, 3), np.uint8)
    offset = np.full((2, 12, 24), 99.0)
    offset[:, 3, 5] = 10, 6
    offset[:, 4, 5] = np.nan
    cells = np.zeros((12, 24), bool)
    cells[3:5, 5] = True
    drawn = draw_offset_arrows(img, offset, cells)
    points = np.array([[40, 24], [120, 72]])
    distance = distance_to_polyline(img.shape, points)
    on_line = np.linspace(points[0], points[1], 9).round().astype(int)
    assert (drawn[on_line[:, 1], on_line[:, 0]] > 100).all()
    assert (drawn[distance > 8] == 0).all()
    with pytest.raises(ValueError, match=r"\(2, h, w\)"):
        draw_offset_arrows(img, offset[:1], cells)


# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency" (2009), severity 1.0, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(bgr, deficiency):
    """CIE L*a*b* (D65) of a colour as a person with the deficiency sees it."""
    srgb = np.array(bgr[::-1]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(DEFICIENCIES[deficiency]) @ linear, 0, 1)
    to_xyz = [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]
    t = np.array(to_xyz) @ linear / [0.9505, 1, 1.0888]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_can_be_told_apart_by_everybody(deficiency):
    def apart(one, other):
        return np.linalg.norm(lab(one, deficiency) - lab(other, deficiency))

    # a difference of 2.3 is just noticeable; hit, false and missed must be far from that
    for one, other in itertools.combinations((HIT, FALSE, MISSED), 2):
        assert apart(one, other) > 30
    assert apart(MISSED, FOUND) > 20
    for one, other in itertools.pairwise(LANE_COLOURS):
        assert apart(one, other) > 30
    assert HIT == SKY_BLUE
