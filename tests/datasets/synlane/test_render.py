"""Whole scenes: lanes on their markings, categories, reproducibility."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ganet_mm.datasets.synlane import CATEGORIES, LEVELS, choose_scene, render
from ganet_mm.datasets.synlane.ground import Ground
from ganet_mm.datasets.synlane.levels import category_of
from ganet_mm.datasets.synlane.render import draw_ground, scene_lanes
from ganet_mm.datasets.synlane.road import Road

EVERY = [(level, category) for level in LEVELS for category in CATEGORIES]


@pytest.mark.parametrize(("level", "category"), EVERY)
def test_lanes_lie_on_their_markings(scenes, level, category):
    """The picture decides: the centre of the share of white that a line adds is its annotation."""
    scene = scenes[level, category]
    scene = replace(scene, symbols=(), shade=None, paint_gain=1.0)
    road = Road(scene.course, scene.camera)
    ground, lanes = Ground(road), scene_lanes(scene, road)
    own = scene.layout.own
    offsets = scene.layout.edges[max(own - 1, 0) : own + 3]
    if category == "cross":
        assert lanes == []
        return
    assert 2 <= len(lanes) <= 4
    bare = draw_ground(replace(scene, lines=()), road, ground).astype(int)
    painted = {
        line.d: draw_ground(
            replace(
                scene,
                lines=(replace(line, dash=0.0, wear=0.0, strength=1.0, colour=(255.0,) * 3),),
            ),
            road,
            ground,
        )
        for line in scene.lines
        if line.d in offsets
    }
    assert len(painted) == len(offsets)
    checked = 0
    for lane in lanes:
        errors = []
        for picture in painted.values():
            added = np.abs(picture.astype(int) - bare).sum(axis=2) / (765 - bare.sum(axis=2))
            error = []
            for x, y in lane:
                row = int(y) - ground.top
                if not (row < len(added) and 100 < x < 1540):
                    continue
                weight = added[row]
                middle = (weight * np.arange(weight.size)).sum() / max(weight.sum(), 0.1)
                error.append(abs(middle - x))
            errors.append((max(error), np.mean(error)))
            checked += len(error)
        errors.sort()
        assert errors[0][0] < 1.5 and errors[0][1] < 0.5
        assert errors[1][0] > 10  # and on no other line
    assert checked > 20


@pytest.mark.parametrize("category", CATEGORIES)
def test_scene_is_a_picture_with_ordered_lanes(scenes, category):
    picture, lanes = render(scenes["hard", category])
    assert picture.shape == (590, 1640, 3) and picture.dtype == np.uint8
    assert picture.std() > 5
    if category == "cross":
        assert lanes == []
        return
    for lane in lanes:
        assert lane.shape[1] == 2 and len(lane) >= 12
        assert (np.diff(lane[:, 1]) == -10).all() and lane[0, 1] <= 590
        assert (lane[:, 1] % 10 == 0).all()
    for left, right in pairwise(lanes):
        rows, a, b = np.intersect1d(left[:, 1], right[:, 1], return_indices=True)
        assert rows.size and (left[a, 0] < right[b, 0]).all()


def test_a_scene_depends_on_its_random_numbers_only(scenes):
    category = "crowd"
    number = CATEGORIES.index(category)
    again = choose_scene(np.random.default_rng([7, number]), category, "hard")
    assert again == scenes["hard", category]
    np.testing.assert_array_equal(render(again)[0], render(again)[0])
    other = choose_scene(np.random.default_rng([8, number]), category, "hard")
    assert other != again


def test_night_is_dark_and_dazzling_light_is_bright(scenes):
    brightness = {
        category: render(scenes["standard", category])[0].mean()
        for category in ("normal", "hlight", "night")
    }
    assert brightness["night"] < 60 < brightness["normal"] < brightness["hlight"]


def test_crowd_has_more_traffic_and_hides_markings(scenes):
    few, many = scenes["standard", "normal"], scenes["standard", "crowd"]
    assert len(many.traffic) > LEVELS["standard"].vehicles[1] >= len(few.traffic)
    with_cars = render(many)[0].astype(int)
    without = render(replace(many, traffic=(), oncoming=()))[0].astype(int)
    assert (np.abs(with_cars - without).max(axis=2) > 20).mean() > 0.01
    road = Road(many.course, many.camera)
    lanes, empty = render(many)[1], scene_lanes(replace(many, traffic=()), road)
    for a, b in zip(lanes, empty, strict=True):
        np.testing.assert_array_equal(a, b)  # annotated behind the cars as without them


@pytest.mark.parametrize("level", LEVELS)
def test_categories_come_in_the_level_s_shares(level):
    drawn = [category_of(i, level) for i in range(200)]
    assert set(drawn[:9]) == set(CATEGORIES)
    shares = {name: drawn.count(name) / 2 for name in CATEGORIES}
    assert shares == dict(zip(CATEGORIES, LEVELS[level].shares, strict=True))
