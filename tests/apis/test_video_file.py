import sys

import cv2
import numpy as np
import pytest

from ganet_mm.apis.video_file import VideoFile

RATES = (25, 30000 / 1001, 12.5)


def grey(size, level):
    return np.full((size[1], size[0], 3), level, np.uint8)


def write(path, size=(64, 48), rate=25.0, frames=5):
    video = VideoFile(path, size, rate)
    for i in range(frames):
        video.write(grey(size, 40 * i))
    return video


def read(path):
    reader = cv2.VideoCapture(str(path))
    frames = []
    while (got := reader.read())[0]:
        frames.append(got[1])
    return frames, reader.get(cv2.CAP_PROP_FPS)


def boxes(path):
    """Names of an mp4's boxes at the top level, in order."""
    data, place, names = path.read_bytes(), 0, []
    while place < len(data):
        names.append(data[place + 4 : place + 8].decode("ascii"))
        place += int.from_bytes(data[place : place + 4], "big")
    return names


@pytest.fixture(params=["h264", "opencv"])
def encoder(request, monkeypatch):
    if request.param == "opencv":
        monkeypatch.setitem(sys.modules, "av", None)
    return request.param


@pytest.mark.parametrize("rate", RATES)
def test_frames_and_rate_come_back(encoder, tmp_path, rate):
    write(tmp_path / "v.mp4", rate=rate).close()
    frames, found = read(tmp_path / "v.mp4")
    assert found == pytest.approx(rate, rel=1e-4)
    assert [round(float(frame.mean()) / 40) for frame in frames] == [0, 1, 2, 3, 4]
    assert {frame.shape for frame in frames} == {(48, 64, 3)}


def test_browsers_can_play_it(tmp_path):
    """H.264 in 4:2:0 whose index comes first."""
    av = pytest.importorskip("av")
    write(tmp_path / "v.mp4").close()
    with av.open(str(tmp_path / "v.mp4")) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.codec_tag) == ("h264", "avc1")
        assert stream.codec_context.pix_fmt == "yuv420p"
    names = boxes(tmp_path / "v.mp4")
    assert names.index("moov") < names.index("mdat")


@pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47)])
def test_an_odd_size_is_made_even(tmp_path, size):
    pytest.importorskip("av")
    write(tmp_path / "v.mp4", size).close()
    frames, _ = read(tmp_path / "v.mp4")
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 5
    assert round(float(frames[4][:, -1].mean()) / 40) == 4


def test_without_av_a_warning_says_what_to_install(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "av", None)
    said = []
    monkeypatch.setattr(
        "ganet_mm.apis.video_file.print_log", lambda message, **_: said.append(message)
    )
    write(tmp_path / "v.mp4").close()
    (message,) = said
    assert "browsers don't play" in message and "pip install ganet_mm[video]" in message


def test_nothing_is_there_until_it_is_closed(encoder, tmp_path):
    video = write(tmp_path / "v.mp4")
    assert not (tmp_path / "v.mp4").exists()
    video.close()
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


@pytest.mark.parametrize("frames", [0, 3])
def test_a_dropped_video_leaves_nothing(encoder, tmp_path, frames):
    write(tmp_path / "v.mp4", frames=frames).drop()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        VideoFile(tmp_path / "file" / "v.mp4", (64, 48), 25)
