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
