"""The geometric transforms: a dot drawn at a lane point is found again at the moved point."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.transforms import Compose

from ganet_mm.datasets.transforms import (
    FixedCrop,
    RandomFlip,
    RandomResizedCrop,
    Resize,
    ShiftScaleRotate,
    WarpOnce,
)
from ganet_mm.datasets.transforms.warp import warp
from ganet_mm.registry import TRANSFORMS as REGISTRY
from ganet_mm.structures.polylines import transform_points

from .conftest import dots, found_near, frame, inside

HEIGHT, WIDTH = 180, 420
POINTS = np.array([(x, y) for x in range(40, 400, 60) for y in range(30, 170, 40)], float)
POINTS = POINTS + np.linspace(0, 0.9, len(POINTS))[:, None]
FRAME = frame(dots(HEIGHT, WIDTH, POINTS), [POINTS[:8], POINTS[8:]])

TRANSFORMS = {
    "crop": FixedCrop(x=13, y=50, w=380, h=120),
    "flip": RandomFlip(1.0),
    "shrink": Resize((120, 260)),
    "grow": Resize((250, 500)),
    "shift_scale_rotate": ShiftScaleRotate(prob=1.0),
    "resized_crop": RandomResizedCrop((HEIGHT, WIDTH), prob=1.0),
    "resized_crop_of_another_size": RandomResizedCrop((200, 400), area=(0.5, 1.0), prob=1.0),
}
SEQUENCES = st.lists(st.sampled_from(sorted(TRANSFORMS)), min_size=1, max_size=4)


def run(names, seed, results=FRAME):
    np.random.seed(seed)  # noqa: NPY002  (the transforms' own source)
    for name in names:
        if name == "crop":
            height, width = results["img"].shape[:2]
            transform = FixedCrop(x=7, y=11, w=width - 20, h=height - 15)
        else:
            transform = TRANSFORMS[name]
        results = transform(results)
    return results


def conventions(names, stages):
    """Pixels that resizes shift the picture by, as later steps enlarge them.

    Lanes go by x' = x · s, the picture's pixel centres by x' + ½ = (x + ½) · s: |s − 1| / 2.
    """
    shift = 0.0
    for name, stage in zip(names, stages, strict=True):
        if name in ("shrink", "grow"):
            later = stages[-1]["matrix"] @ np.linalg.inv(stage["matrix"])
            step = np.array(stage["scale_factor"])
            enlarged = np.linalg.norm(later[:2, :2], 2)
            shift += np.abs(step - 1).max() / 2 * enlarged
    return shift


@settings(deadline=None, max_examples=60)
@given(SEQUENCES, st.integers(0, 2**32 - 1))
def test_a_mark_under_a_lane_stays_under_it(names, seed):
    stages = [run(names[: i + 1], seed) for i in range(len(names))]
    img, points = stages[-1]["img"], np.concatenate(stages[-1]["gt_lanes"])
    # Dots that a border cut on the way, or that shrinking brought close together, tell nothing.
    whole = [inside(stage["img"], np.concatenate(stage["gt_lanes"])) for stage in stages]
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(len(points))
    for point in points[np.all(whole, axis=0) & (gaps.min(axis=1) > 26)]:
        assert np.abs(found_near(img, point) - point).max() < 0.5 + conventions(names, stages)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_the_mark_test_looks_at_many_points(name):
    """Guards the test above against passing because it skipped everything."""
    moved = run([name], 5)
    points = np.concatenate(moved["gt_lanes"])
    seen = points[inside(moved["img"], points)]
    assert len(seen) >= 9
    for point in seen:
        assert np.abs(found_near(moved["img"], point) - point).max() < 0.5


@settings(deadline=None, max_examples=40)
@given(SEQUENCES, st.integers(0, 2**32 - 1))
def test_composition_equals_sequence_and_inputs_are_left_alone(names, seed):
    img, lanes = FRAME["img"].copy(), [lane.copy() for lane in FRAME["gt_lanes"]]
    moved = run(names, seed)
    for lane, original in zip(moved["gt_lanes"], FRAME["gt_lanes_ori"], strict=True):
        np.testing.assert_allclose(lane, transform_points(original, moved["matrix"]), atol=2e-3)
        assert lane.dtype == np.float32
    assert moved["matrix"].dtype == np.float64
    assert moved["img"].dtype == np.uint8
    assert moved["img_shape"] == moved["img"].shape[:2]
    assert moved["ori_shape"] == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(FRAME["img"], img)
    np.testing.assert_array_equal(FRAME["matrix"], np.eye(3))
    for lane, copy in zip(FRAME["gt_lanes"], lanes, strict=True):
        np.testing.assert_array_equal(lane, copy)


@settings(deadline=None, max_examples=20)
@given(SEQUENCES, st.integers(0, 2**32 - 1))
def test_same_seed_same_frame(names, seed):
    first, second = run(names, seed), run(names, seed)
    np.testing.assert_array_equal(first["img"], second["img"])
    np.testing.assert_array_equal(first["matrix"], second["matrix"])


def test_flip_twice_is_the_identity():
    twice = run(["flip", "flip"], 0)
    np.testing.assert_array_equal(twice["img"], FRAME["img"])
    np.testing.assert_array_equal(twice["matrix"], np.eye(3))
    for lane, original in zip(twice["gt_lanes"], FRAME["gt_lanes"], strict=True):
        np.testing.assert_allclose(lane, original, atol=1e-4)


def test_flip_by_hand():
    img = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    flipped = RandomFlip(1.0)(frame(img, [[[0, 1], [1.5, 0]]]))
    np.testing.assert_array_equal(flipped["img"], img[:, ::-1])
    np.testing.assert_array_equal(flipped["gt_lanes"][0], [[1, 1], [-0.5, 0]])
    assert RandomFlip(0.0)(FRAME) is FRAME


def test_crop_and_resize_of_the_recipe():
    """Frame numbers of the recipe: 1640×590, rows 270..589, to 800×320."""
    img = np.zeros((590, 1640, 3), np.uint8)
    img[270:] = 9
    results = FixedCrop(0, 270, 1640, 320)(frame(img, [[[1640, 590], [-12.5, 270]]]))
    assert results["img"].shape == (320, 1640, 3)
    assert results["img"].min() == 9
    results = Resize((320, 800))(results)
    assert results["img"].shape == (320, 800, 3)
    assert results["crop_offset"] == (0, 270)
    np.testing.assert_allclose(results["scale_factor"], (800 / 1640, 1))
    np.testing.assert_allclose(results["gt_lanes"][0], [[800, 320], [-6.097561, 0]], rtol=1e-6)
    np.testing.assert_array_equal(results["gt_lanes_ori"][0], [[1640, 590], [-12.5, 270]])


@pytest.mark.parametrize("order", [("crop", "shrink"), ("shrink", "crop"), ("crop", "crop")])
def test_crop_offset_and_scale_factor_lead_back(order):
    moved = run(order, 0)
    for lane, original in zip(moved["gt_lanes"], moved["gt_lanes_ori"], strict=True):
        back = lane / moved["scale_factor"] + moved["crop_offset"]
        np.testing.assert_allclose(back, original, atol=1e-3)


def test_crop_without_size_goes_to_the_edge():
    results = FixedCrop(x=20, y=30)(FRAME)
    np.testing.assert_array_equal(results["img"], FRAME["img"][30:, 20:])


@pytest.mark.parametrize(
    "rectangle", [{"w": WIDTH + 1}, {"y": 100, "h": 81}, {"x": WIDTH}, {"y": HEIGHT, "h": None}]
)
def test_crop_beyond_the_picture_names_it(rectangle):
    with pytest.raises(ValueError, match=r"a/b\.png: a picture of 420×180 holds no FixedCrop"):
        FixedCrop(**rectangle)(FRAME)


def test_shift_scale_rotate_by_hand():
    """A quarter turn counter-clockwise about the centre, doubled, then shifted."""
    transform = ShiftScaleRotate(shift=(0.1, 0.1), scale=(2, 2), angle=(90, 90), prob=1.0)
    results = transform(frame(np.zeros((21, 41, 3), np.uint8), [[[20, 10], [25, 10], [20, 7]]]))
    np.testing.assert_allclose(
        results["gt_lanes"][0], [[24.1, 12.1], [24.1, 2.1], [18.1, 12.1]], atol=1e-4
    )


def test_shift_scale_rotate_leaves_a_black_border():
    img = np.full((60, 90, 3), 200, np.uint8)
    moved = ShiftScaleRotate(shift=(0.1, 0.1), scale=(1, 1), angle=0, prob=1.0)(frame(img))["img"]
    assert moved[:5].max() == 0
    assert moved[:, :8].max() == 0
    assert moved[7:, 10:].min() == 200


def test_shift_scale_rotate_keeps_to_its_ranges():
    transform = ShiftScaleRotate(prob=1.0)
    np.random.seed(0)  # noqa: NPY002
    matrices = np.stack([transform(FRAME)["matrix"] for _ in range(300)])
    scale = np.sqrt(np.linalg.det(matrices[:, :2, :2]))
    angle = np.degrees(np.arctan2(matrices[:, 0, 1], matrices[:, 0, 0]))
    centre = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2, 1])
    shift = ((matrices @ centre) - centre)[:, :2] / (WIDTH, HEIGHT)
    for values, limit in ((scale - 1, 0.2), (angle, 10), (shift[:, 0], 0.1), (shift[:, 1], 0.1)):
        assert np.abs(values).max() <= limit + 1e-9
        assert values.min() < -0.9 * limit
        assert values.max() > 0.9 * limit


def test_resized_crop_keeps_to_its_ranges():
    transform = RandomResizedCrop((320, 800), prob=1.0)
    results = frame(np.zeros((320, 800, 3), np.uint8))
    np.random.seed(0)  # noqa: NPY002
    whole = 0
    for _ in range(300):
        matrix = transform(results)["matrix"]
        left, top = -matrix[:2, 2] / np.diag(matrix)[:2]
        w, h = 800 / matrix[0, 0], 320 / matrix[1, 1]
        assert left > -1e-6
        assert top > -1e-6
        assert left + w < 800 + 1e-6
        assert top + h < 320 + 1e-6
        whole += (w, h) == (800, 320)
        assert (w, h) == (800, 320) or 0.79 < w * h / (800 * 320) <= 1
        assert (w, h) == (800, 320) or 1.68 < w / h < 2.72
    # A rectangle fits if 2.5 a ≤ r ≤ 2.5 / a; ten misses give the whole picture.
    area, log_aspect = np.meshgrid(
        np.linspace(0.8, 1.2, 1001), np.linspace(*np.log([1.7, 2.7]), 1001)
    )
    aspect = np.exp(log_aspect)
    missed = (1 - ((2.5 * area <= aspect) & (aspect <= 2.5 / area)).mean()) ** 10
    assert abs(whole - 300 * missed) < 5 * np.sqrt(300 * missed * (1 - missed))


def test_resized_crop_falls_back_to_the_whole_picture():
    transform = RandomResizedCrop((90, 210), area=(1.5, 2.0), prob=1.0)
    np.testing.assert_allclose(transform(FRAME)["matrix"], np.diag([0.5, 0.5, 1]))


WARPS = [ShiftScaleRotate(prob=0.7), RandomResizedCrop((160, 400), prob=0.7)]


@pytest.mark.parametrize("seed", range(12))
def test_warp_once_moves_as_the_sequence_does(seed):
    np.random.seed(seed)  # noqa: NPY002
    sequence = WARPS[1](WARPS[0](FRAME))
    np.random.seed(seed)  # noqa: NPY002
    once = WarpOnce(WARPS)(FRAME)
    np.testing.assert_allclose(once["matrix"], sequence["matrix"], atol=1e-9)
    assert once["img"].shape == sequence["img"].shape == (*once["img_shape"], 3)
    for lane, other in zip(once["gt_lanes"], sequence["gt_lanes"], strict=True):
        np.testing.assert_allclose(lane, other, atol=1e-3)
    points = np.concatenate(once["gt_lanes"])
    for point in points[inside(once["img"], points)]:
        assert np.abs(found_near(once["img"], point) - point).max() < 0.5


def test_warp_once_is_sharper_than_the_sequence():
    """Against the picture's own formula at the moved places: one resampling errs less than two."""

    def pattern(x, y):
        return 127 + 60 * np.sin(x / 2.2) + 60 * np.cos(y / 2.5 + x / 9)

    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture = frame(np.repeat(np.rint(pattern(x, y)).astype(np.uint8)[..., None], 3, axis=2))
    errors = {}
    warps = [ShiftScaleRotate(prob=1.0), RandomResizedCrop((HEIGHT, WIDTH), prob=1.0)]
    for name, transform in {"once": WarpOnce(warps), "sequence": Compose(warps)}.items():
        np.random.seed(8)  # noqa: NPY002
        moved = transform(picture)
        places = np.column_stack([x.ravel(), y.ravel()])
        source = transform_points(places, np.linalg.inv(moved["matrix"]))
        seen = inside(picture["img"], source, 3)
        difference = moved["img"][..., 0].ravel()[seen] - pattern(*source[seen].T)
        errors[name] = np.sqrt((difference**2).mean())
    assert errors["once"] < 0.7 * errors["sequence"]


def test_warp_once_takes_warps_only():
    with pytest.raises(TypeError, match="RandomFlip is no warp"):
        WarpOnce([RandomFlip()])
    assert WarpOnce([ShiftScaleRotate(prob=0)])(FRAME) is FRAME
    config = {"type": "WarpOnce", "transforms": [{"type": "ShiftScaleRotate", "angle": 3}]}
    assert REGISTRY.build(config).transforms[0].angle == (-3, 3)


def test_warp_equals_opencvs_on_three_channels():
    matrix = np.array([[1.1, 0.1, -20], [-0.1, 0.9, 3], [0, 0, 1]])
    img = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    expected = cv2.warpAffine(img, matrix[:2], (80, 70), flags=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(warp(img, matrix, (70, 80)), expected)


def test_resize_is_bilinear():
    img = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    resized = Resize((20, 30))(frame(img))["img"]
    mean = cv2.blur(img, (2, 2), anchor=(0, 0))[::2, ::2]
    np.testing.assert_allclose(resized.astype(int), mean, atol=1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RandomFlip(1.5), "prob=1.5"),
        (lambda: FixedCrop(w=0), "no such rectangle"),
        (lambda: ShiftScaleRotate(scale=(0, 1)), "positive factors"),
        (lambda: ShiftScaleRotate(shift=(0.2, 0.1)), "shift="),
        (lambda: RandomResizedCrop((1, 1), area=(0, 1)), "positive numbers"),
    ],
)
def test_impossible_options(build, message):
    with pytest.raises(ValueError, match=message):
        build()
