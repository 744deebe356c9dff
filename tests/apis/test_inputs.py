from pathlib import Path, PurePath

import cv2
import numpy as np
import pytest

from ganet_mm.apis.inputs import (
    UnreadableInputError,
    count_frames,
    expand_inputs,
    frame_rate,
    read_frames,
)

PICTURE = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


def write_png(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), PICTURE)
    return path


def write_video(path, frames=5, rate=10.0, size=(64, 48)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), 40 * i, np.uint8))
    writer.release()
    return path


def test_a_folder_gives_its_pictures_and_videos_sorted(tmp_path):
    # CULane's clips are folders named like videos
    first = write_png(tmp_path / "b" / "0530.MP4" / "00001.png")
    second = write_png(tmp_path / "c.PNG")
    third = write_video(tmp_path / "d.mp4")
    (tmp_path / "b" / "00001.lines.txt").write_text("")
    sources = expand_inputs(tmp_path)
    assert [source.path for source in sources] == [first, second, third]
    assert [source.name for source in sources] == [
        PurePath("b/0530.MP4/00001"),
        PurePath("c"),
        PurePath("d"),
    ]
    assert [source.is_video for source in sources] == [False, False, True]


@pytest.mark.parametrize("address", ["http://host/road.jpg", "rtsp://camera/1"])
def test_an_address_is_not_read(address):
    with pytest.raises(ValueError, match=f"'{address}' is an address.*download"):
        expand_inputs([address])


def test_a_list_keeps_its_order_and_mixes_kinds(tmp_path):
    path = write_png(tmp_path / "z.png")
    sources = expand_inputs([str(path), PICTURE, path])
    assert [source.path for source in sources] == [path, None, path]
    assert sources[1].name == PurePath("000001")


def test_a_file_without_a_known_suffix_is_tried_as_a_picture(tmp_path):
    path = tmp_path / "frame"
    path.write_bytes(write_png(tmp_path / "a.png").read_bytes())
    (frame,) = read_frames(expand_inputs(path)[0])
    np.testing.assert_array_equal(frame.img, PICTURE)
    assert frame.index is None


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        ("nowhere.jpg", FileNotFoundError, "nowhere.jpg.*does not exist"),
        (np.zeros((4, 4), np.uint8), ValueError, r"\(4, 4\).*must be"),
        (np.zeros((4, 4, 3), np.float32), ValueError, "float32.*uint8"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"\(0, 4, 3\)"),
        ([], ValueError, "no input"),
        ([3], ValueError, "input 0 is a int"),
    ],
)
def test_bad_inputs_are_named(bad, error, words):
    with pytest.raises(error, match=words):
        expand_inputs(bad)


def test_an_empty_folder_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match=r"holds no picture .*\.jpg.* and no video"):
        expand_inputs(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\xff\xd8\xff\xe0cut"])
def test_a_picture_that_does_not_decode_is_named(tmp_path, content):
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableInputError, match=r"bad\.jpg"):
        list(read_frames(expand_inputs(path)[0]))


def test_a_cut_jpeg_is_no_picture(tmp_path):
    path = tmp_path / "cut.jpg"
    whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, PICTURE.shape))[1]
    path.write_bytes(whole.tobytes()[: whole.size // 2])
    with pytest.raises(UnreadableInputError, match=r"cut\.jpg.*cut short"):
        list(read_frames(expand_inputs(path)[0]))


def test_a_video_gives_its_frames_in_order(tmp_path):
    (source,) = expand_inputs(write_video(tmp_path / "v.mp4", frames=5, rate=10))
    frames = list(read_frames(source))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [round(float(frame.img.mean()) / 40) for frame in frames] == [0, 1, 2, 3, 4]
    assert count_frames(source) == 5
    assert frame_rate(source) == pytest.approx(10)


def test_a_video_that_does_not_decode_is_named(tmp_path):
    path = tmp_path / "bad.mp4"
    path.write_bytes(b"no video")
    (source,) = expand_inputs(path)
    assert count_frames(source) is None
    with pytest.raises(UnreadableInputError, match=r"bad\.mp4.*video"):
        list(read_frames(source))
    assert isinstance(source.path, Path)
