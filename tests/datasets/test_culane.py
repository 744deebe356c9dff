import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ganet_mm.datasets import culane


def test_list_accepts_slashes_blanks_crlf_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes("\ufeff/a/0.jpg\r\n  b/1.jpg \r\n\r\n/c d/2.jpg".encode())
    assert culane.read_list(path) == ["a/0.jpg", "b/1.jpg", "c d/2.jpg"]


def test_gt_list_gives_its_pictures(tmp_path):
    path = tmp_path / "train_gt.txt"
    path.write_text("/a/0.jpg /laneseg_label_w16/a/0.png 1 1 0 1\n")
    assert culane.read_list(path) == ["a/0.jpg"]


def test_duplicate_names_both_lines(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("/a.jpg\n\nb.jpg\na.jpg\n")
    with pytest.raises(ValueError, match=r"train\.txt:4: a\.jpg is listed already in line 1"):
        culane.read_list(path)


@pytest.mark.parametrize("text", ["", "\n \r\n"])
def test_empty_list(tmp_path, text):
    path = tmp_path / "train.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"train\.txt: lists no picture"):
        culane.read_list(path)
    assert culane.read_list(path, allow_empty=True) == []


def test_missing_list(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such list file"):
        culane.read_list(tmp_path / "train.txt")


def test_lines_name_cuts_at_the_last_dot():
    assert culane.lines_name("a.MP4/00030.jpg") == "a.MP4/00030.lines.txt"


def test_parse_lines_as_culane_writes_them():
    lanes = culane.parse_lines("-12.2721 470 24.1108 460 \r\n\n1305.48 590 1290.94 580 \n", "f")
    np.testing.assert_array_equal(lanes[0], np.array([[-12.2721, 470], [24.1108, 460]], np.float32))
    assert [lane.shape for lane in lanes] == [(2, 2), (2, 2)]
    assert all(lane.dtype == np.float32 for lane in lanes)
    assert culane.parse_lines("", "f") == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 2 3", "f:2: 3 numbers"),
        ("1 2 x 4", "f:2: 'x' is no pixel; expected finite numbers"),
        ("1 2 nan 4", "f:2: 'nan' is no pixel"),
        ("1 2 inf 4", "f:2: 'inf' is no pixel"),
        ("1 2 1e300 4", "f:2: '1e300' is no pixel"),
    ],
)
def test_junk_names_file_and_line(line, message):
    with pytest.raises(ValueError, match=message):
        culane.parse_lines(f"1 2 3 4\n{line}\n", "f")


def test_binary_annotation(tmp_path):
    path = tmp_path / "a.lines.txt"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match=r"a\.lines\.txt: not a text file"):
        culane.read_lines(path)


@given(
    st.lists(
        st.integers(1, 6).flatmap(
            lambda n: hnp.arrays(np.float32, (n, 2), elements=st.floats(-3000, 3000, width=32))
        ),
        max_size=4,
    )
)
def test_written_lines_are_read_back(tmp_path_factory, lanes):
    path = tmp_path_factory.mktemp("lines") / "deep" / "a.lines.txt"
    culane.write_lines(path, lanes)
    back = culane.read_lines(path)
    assert len(back) == len(lanes)
    for lane, other in zip(lanes, back, strict=True):
        np.testing.assert_allclose(other, lane, rtol=5e-6)
    assert [p.name for p in path.parent.iterdir()] == ["a.lines.txt"]


def test_written_lines_look_like_culanes():
    lane = np.array([[-12.2721, 470], [24.1108, 460]], np.float32)
    assert culane.format_lines([lane]) == "-12.2721 470 24.1108 460 \n"


def test_categories(folder):
    categories = culane.read_categories(folder)
    assert len(categories) == 20
    assert categories["clip_0.MP4/00000.jpg"] == "normal"
    assert categories["clip_1.MP4/00008.jpg"] == "night"


def test_another_splits_categories_are_read_alike(folder):
    lists = folder / "list" / "val_split"
    lists.mkdir()
    (lists / "val0_night.txt").write_text("clip_9.MP4/00000.jpg\n")
    (lists / "notes.txt").write_text("not a list of a category\n")
    categories = culane.read_categories(folder)
    assert len(categories) == 21
    assert categories["clip_9.MP4/00000.jpg"] == "night"


def test_picture_in_two_categories(folder):
    path = folder / "list" / "test_split" / "test8_night.txt"
    path.write_text(path.read_text() + "clip_0.MP4/00000.jpg\n")
    with pytest.raises(ValueError, match=r"test8_night.txt: clip_0.MP4/00000.jpg is in category"):
        culane.read_categories(folder)


def test_known_totals_add_up():
    assert sum(culane.CULANE_FRAMES.values()) == 133_235
    assert sum(culane.CULANE_TEST_FRAMES.values()) == culane.CULANE_FRAMES["test"]
    assert sum(culane.CULANE_TEST_LANES.values()) == 104_886


def test_total_warnings():
    frames, lanes = dict(culane.CULANE_TEST_FRAMES), dict(culane.CULANE_TEST_LANES)
    assert culane.total_warnings("test", 34_680, frames, lanes) == []
    assert culane.total_warnings("val", 9_675, {}, {}) == []
    assert culane.total_warnings("mine", 3, {}, {}) == []
    lanes["night"] -= 1
    assert culane.total_warnings("test", 34_679, frames, lanes) == [
        "test has 34679 frames; CULane's has 34680",
        "test lanes by category (CULane's): night 21029 (21030)",
    ]
