import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganet_mm.registry import VISUALIZERS
from ganet_mm.structures import LaneDataSample
from ganet_mm.visualization import LaneVisualizer
from ganet_mm.visualization.drawing import FALSE, HIT, LANE_COLOURS, MISSED

# a picture whose channels differ, so that a swap of red and blue shows
IMAGE = np.zeros((590, 1640, 3), np.uint8)
IMAGE[...] = (150, 100, 50)  # RGB


def vertical(x):
    y = np.arange(580, 300, -10, dtype=np.float32)
    return np.stack([np.full_like(y, x), y], axis=1)


def sample(pred=(500, 900), gt=(503, 1300), scores=(0.9, 0.3)):
    return LaneDataSample(
        pred_lanes=[vertical(x) for x in pred],
        pred_scores=list(scores),
        gt_lanes_ori=[vertical(x) for x in gt],
    )


def rgb(colour):
    return colour[::-1]


def colour_at(image, x, row=405):
    return tuple(image[row, x - 1 : x + 2].reshape(3, 3)[0].tolist())


@pytest.fixture
def visualizer():
    return LaneVisualizer()


def test_predictions_and_annotation_are_drawn_as_matched(visualizer):
    drawn = visualizer.draw(IMAGE, sample())
    assert colour_at(drawn, 500) == rgb(HIT)
    assert colour_at(drawn, 900) == rgb(FALSE)
    assert (drawn[300:580, 1300] == rgb(MISSED)).all(axis=1).any()
    assert tuple(drawn[20, 1600]) == (150, 100, 50)
    assert (IMAGE == (150, 100, 50)).all()


def test_one_side_alone(visualizer):
    only_pred = visualizer.draw(IMAGE, sample(), draw_gt=False)
    assert colour_at(only_pred, 500) == rgb(LANE_COLOURS[0])
    assert (only_pred[:, 1290:1310] == (150, 100, 50)).all()
    only_gt = visualizer.draw(IMAGE, sample(), draw_pred=False)
    assert (only_gt[:, 890:910] == (150, 100, 50)).all()
    assert (only_gt[300:580, 1300] != (150, 100, 50)).any()
    bare = LaneDataSample()
    np.testing.assert_array_equal(visualizer.draw(IMAGE, bare), IMAGE)


def test_low_scores_are_not_drawn_and_do_not_match(visualizer):
    drawn = visualizer.draw(IMAGE, sample(scores=(0.2, 0.9)), pred_score_thr=0.5)
    assert (drawn[:400, 497:500] == (150, 100, 50)).all() or colour_at(drawn, 500) != rgb(HIT)
    assert (drawn[300:580, 503] == rgb(MISSED)).all(axis=1).any()
    assert colour_at(drawn, 900) == rgb(FALSE)


def test_maps_are_drawn_in_the_network_frame_with_arrows_at_keypoints(visualizer):
    image = np.full((96, 192, 3), 90, np.uint8)
    heat = np.zeros((12, 24))
    heat[3, 5] = 0.9
    plain = visualizer.draw_maps(image, heat)
    assert (plain[24:32, 40:48] != 90).any(axis=2).all()
    offset = np.zeros((2, 12, 24))
    offset[:, 3, 5] = 8, 5
    arrows = visualizer.draw_maps(image, heat, offset)
    changed = (arrows != plain).any(axis=2)
    assert changed[24 + 20, 40 + 32]  # half way to the start
    # only hottest cells of a row, and only every third row, send arrows
    heat[3, 6] = heat[4, 12] = 0.8
    offset[:, 3, 6] = offset[:, 4, 12] = 0, 7
    more = (visualizer.draw_maps(image, heat, offset) != arrows).any(axis=2)
    assert more[24:32, 48:56].any() and not more[50:].any()


def test_tensorboard_gets_the_picture_under_its_tag_and_step(tmp_path):
    visualizer = LaneVisualizer(
        vis_backends=[{"type": "TensorboardVisBackend"}], save_dir=str(tmp_path), backend_width=820
    )
    for step in (1, 2):
        visualizer.add_datasample("val_frames/a/b.jpg", IMAGE, sample(), step=step)
    visualizer.close()
    events = EventAccumulator(str(tmp_path / "vis_data")).Reload()
    assert events.Tags()["images"] == ["val_frames/a/b.jpg"]
    pictures = events.Images("val_frames/a/b.jpg")
    assert [picture.step for picture in pictures] == [1, 2]
    img = cv2.imdecode(np.frombuffer(pictures[0].encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert img.shape == (295, 820, 3)
    assert tuple(img[10, 800]) == (50, 100, 150)  # BGR of the RGB given
    assert tuple(img[200, 250]) == HIT


def test_the_local_backend_writes_a_file_in_spite_of_the_slash(tmp_path):
    visualizer = LaneVisualizer(
        vis_backends=[{"type": "LocalVisBackend"}], save_dir=str(tmp_path), backend_width=10**6
    )
    visualizer.add_datasample("val_frames/a/b.jpg", IMAGE, sample(), step=3)
    (path,) = (tmp_path / "vis_data/vis_image").iterdir()
    assert path.name == "val_frames_a_b.jpg_3.png"
    np.testing.assert_array_equal(
        cv2.imread(str(path))[..., ::-1], visualizer.draw(IMAGE, sample())
    )


def test_a_file_in_place_of_the_backends(tmp_path):
    visualizer = LaneVisualizer(
        vis_backends=[{"type": "LocalVisBackend"}], save_dir=str(tmp_path / "events")
    )
    out = tmp_path / "new" / "a.png"
    visualizer.add_datasample("a", IMAGE, sample(), out_file=out)
    np.testing.assert_array_equal(cv2.imread(str(out))[..., ::-1], visualizer.draw(IMAGE, sample()))
    assert not list((tmp_path / "events").rglob("*.png"))


def test_it_is_built_from_a_config():
    visualizer = VISUALIZERS.build(
        {"type": "LaneVisualizer", "name": "built", "line_width": 9, "alpha": 0.5}
    )
    drawn = visualizer.draw(IMAGE, sample(), draw_gt=False)
    expected = (np.array(rgb(LANE_COLOURS[0])) + (150, 100, 50)) / 2
    np.testing.assert_allclose(drawn[405, 500], expected, atol=1)
