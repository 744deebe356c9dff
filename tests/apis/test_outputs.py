from pathlib import PurePath

import cv2
import numpy as np
import pytest

from ganet_mm.apis.inputs import Frame, Source, expand_inputs
from ganet_mm.apis.outputs import OutputFolder
from ganet_mm.evaluation.lines_file import read_lines_file

IMG = np.full((48, 64, 3), 120, np.uint8)
LANE = np.array([[10.5, 40], [12.25, 30], [15, 20]], np.float32)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def source(tmp_path, name):
    return Source(PurePath(name).with_suffix(""), tmp_path / "in" / name)


def test_a_picture_keeps_its_place_and_name(tmp_path):
    picture = source(tmp_path, "a/b.c.png")
    folder = OutputFolder(tmp_path / "out", [picture], draw=True, lines=True)
    folder.write(Frame(picture, IMG), [LANE], IMG)
    assert files(tmp_path / "out") == ["a/b.c.jpg", "a/b.c.lines.txt"]
    assert cv2.imread(str(tmp_path / "out/a/b.c.jpg")).shape == IMG.shape
    (lane,) = read_lines_file(tmp_path / "out/a/b.c.lines.txt")
    np.testing.assert_array_equal(lane, LANE)


def test_nothing_is_written_unless_asked_for(tmp_path):
    picture = source(tmp_path, "a.png")
    OutputFolder(tmp_path / "out", [picture], draw=False, lines=False).write(
        Frame(picture, IMG), [LANE], None
    )
    assert not (tmp_path / "out").exists()


def test_a_picture_without_lanes_has_an_empty_lines_file(tmp_path):
    picture = source(tmp_path, "a.png")
    one_point = np.array([[1, 2]], np.float32)
    OutputFolder(tmp_path / "out", [picture], draw=False, lines=True).write(
        Frame(picture, IMG), [one_point], None
    )
    assert (tmp_path / "out/a.lines.txt").read_bytes() == b""


def test_two_videos_become_two_videos_with_their_own_size(tmp_path):
    videos = [source(tmp_path, "a.avi"), source(tmp_path, "b/c.mp4")]
    folder = OutputFolder(tmp_path / "out", videos, draw=True, lines=True)
    for video, scale, count in zip(videos, (1, 2), (3, 4), strict=True):
        img = np.repeat(np.repeat(IMG, scale, 0), scale, 1)
        for index in range(count):
            folder.write(Frame(video, img, index), [LANE], img)
    folder.close()
    assert files(tmp_path / "out") == [
        "a.mp4",
        *(f"a/00000{i}.lines.txt" for i in range(3)),
        "b/c.mp4",
        *(f"b/c/00000{i}.lines.txt" for i in range(4)),
    ]
    for name, shape, count in (("a.mp4", (48, 64, 3), 3), ("b/c.mp4", (96, 128, 3), 4)):
        reader = cv2.VideoCapture(str(tmp_path / "out" / name))
        frames = []
        while (read := reader.read())[0]:
            frames.append(read[1])
        assert [frame.shape for frame in frames] == [shape] * count


def test_clashing_names_are_refused_before_any_work(tmp_path):
    pair = [source(tmp_path, "a.png"), source(tmp_path, "a.jpg")]
    with pytest.raises(ValueError, match=r"a\.png' and .*a\.jpg' would both be written"):
        OutputFolder(tmp_path / "out", pair, draw=True, lines=False)


def test_an_input_is_never_overwritten(tmp_path):
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), IMG)
    sources = expand_inputs(tmp_path)
    with pytest.raises(ValueError, match="would overwrite the input"):
        OutputFolder(tmp_path, sources, draw=True, lines=True)
    OutputFolder(tmp_path, sources, draw=False, lines=True).write(Frame(sources[0], IMG), [], None)
    assert files(tmp_path) == ["a.jpg", "a.lines.txt"]


@pytest.mark.parametrize(("suffix", "draw"), [(".png", True), (".png", False), (".jpg", False)])
def test_an_annotation_beside_an_input_is_never_overwritten(tmp_path, suffix, draw):
    for name in ("drive/a", "drive/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"{name}{suffix}"), IMG)
    annotation = tmp_path / "drive/b.lines.txt"
    annotation.write_text("1 2 3 4\n")
    sources = expand_inputs(tmp_path)
    with pytest.raises(ValueError, match=r"drive/b\..* would overwrite .*drive/b\.lines\.txt"):
        OutputFolder(tmp_path / "drive/..", sources, draw=draw, lines=True)
    assert annotation.read_text() == "1 2 3 4\n"
    OutputFolder(tmp_path / "out", sources, draw=draw, lines=True)
    OutputFolder(tmp_path, expand_inputs(tmp_path / f"drive/a{suffix}"), draw=False, lines=True)
    if suffix == ".png":
        OutputFolder(tmp_path, sources, draw=True, lines=False)


def test_an_annotation_is_safe_through_links(tmp_path):
    data, picked = tmp_path / "data", tmp_path / "picked"
    data.mkdir()
    picked.mkdir()
    cv2.imwrite(str(data / "a.png"), IMG)
    (data / "a.lines.txt").write_text("1 2 3 4\n")
    (picked / "a.png").symlink_to(data / "a.png")
    (tmp_path / "out").symlink_to(data)
    with pytest.raises(ValueError, match="would overwrite the annotation"):
        OutputFolder(tmp_path / "out", expand_inputs(picked), draw=False, lines=True)
    with pytest.raises(ValueError, match="would overwrite the annotation"):
        OutputFolder(tmp_path / "out", expand_inputs(data), draw=False, lines=True)


def test_a_videos_lines_overwrite_no_annotation_of_its_frames(tmp_path):
    picture = tmp_path / "drive/000007.png"
    picture.parent.mkdir()
    cv2.imwrite(str(picture), IMG)
    picture.with_name("000007.lines.txt").write_text("1 2 3 4\n")
    video = Source(PurePath("drive"), tmp_path / "drive.avi")
    sources = [video, *expand_inputs(picture.parent)]  # the picture's own lines go elsewhere
    with pytest.raises(ValueError, match=r"drive\.avi' would overwrite .*000007\.lines\.txt"):
        OutputFolder(tmp_path, sources, draw=False, lines=True)


@pytest.mark.parametrize("draw", [True, False])
@pytest.mark.parametrize("order", [1, -1])
def test_a_video_and_a_picture_named_like_its_frame_clash(tmp_path, order, draw):
    pair = [source(tmp_path, "drive.mp4"), source(tmp_path, "drive/000000.jpg")][::order]
    with pytest.raises(ValueError, match=r"would both be written to '.*drive/000000\.lines\.txt'"):
        OutputFolder(tmp_path / "out", pair, draw=draw, lines=True)
    OutputFolder(tmp_path / "out", pair, draw=draw, lines=False)


def test_two_videos_of_one_name_clash_in_their_lines(tmp_path):
    pair = [source(tmp_path, "drive.mp4"), source(tmp_path, "drive.avi")]
    with pytest.raises(ValueError, match=r"would both be written to '.*drive/000000\.lines\.txt'"):
        OutputFolder(tmp_path / "out", pair, draw=False, lines=True)


def test_other_names_beside_a_videos_lines_are_fine(tmp_path):
    names = ["drive.mp4", "drive/front.jpg", "drive/00000.jpg", "drive/a/000000.jpg", "drive.jpg"]
    names += ["drive/000000.mp4"]
    sources = [source(tmp_path, name) for name in names]
    OutputFolder(tmp_path / "out", sources, draw=True, lines=True)


def test_only_what_is_written_can_clash(tmp_path):
    pair = [source(tmp_path, "a.png"), source(tmp_path, "a.jpg")]
    OutputFolder(tmp_path / "out", pair, draw=False, lines=False)
    with pytest.raises(ValueError, match=r"would both be written to '.*a\.lines\.txt'"):
        OutputFolder(tmp_path / "out", pair, draw=False, lines=True)
    # a picture's drawing and a video's have names of their own
    pair = [source(tmp_path, "a.png"), source(tmp_path, "a.mp4")]
    OutputFolder(tmp_path / "out", pair, draw=True, lines=True)
