"""The picture's way through the recorder."""

import cv2
import numpy as np
import pytest

from ganet_mm.datasets.synlane.camera import HEIGHT, WIDTH, Camera
from ganet_mm.datasets.synlane.lens import blur_motion


@pytest.mark.parametrize("motion", [0.01, 0.05])
@pytest.mark.parametrize("end", [(100, 589), (820, 589), (1600, 450)])
def test_motion_blurs_along_lanes_not_across(motion, end):
    centre = (801.5, 262.25)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.line(image, (801, 262), end, (255, 255, 255), 5, cv2.LINE_AA)
    blurred = blur_motion(image, motion, centre)
    # Half-way to the border the line is where it was, as bright, but for its ends.
    for share in (0.3, 0.5, 0.7):
        x = centre[0] + share * (end[0] - centre[0])
        y = centre[1] + share * (end[1] - centre[1])
        assert blurred[round(y), round(x)].min() > 240
    assert abs(float(blurred.sum()) / float(image.sum()) - 1) < 0.08


def test_motion_spreads_a_dot_evenly_about_its_place():
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[500:503, 1200:1203] = 255
    blurred = blur_motion(image, 0.04, (820.0, 270.0))[..., 0].astype(float)
    rows, cols = np.nonzero(blurred)
    # 0.04 of the way from (820, 270) to (1201, 501): 15 columns and 9 rows.
    assert 12 < np.ptp(cols) < 22 and 7 < np.ptp(rows) < 16
    assert np.average(np.arange(WIDTH), weights=blurred.sum(axis=0)) == pytest.approx(1201, abs=1)
    assert np.average(np.arange(HEIGHT), weights=blurred.sum(axis=1)) == pytest.approx(501, abs=1)


def test_heading_point_is_where_a_far_point_straight_ahead_appears():
    camera = Camera(focal=700.0, cx=812.0, cy=290.0, height=1.2, pitch=0.03, roll=0.02)
    far = camera.project(np.array([0.0, 0.0, 1e9]))
    np.testing.assert_allclose(camera.heading_point, far, atol=1e-3)
