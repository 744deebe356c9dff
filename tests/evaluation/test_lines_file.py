from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganet_mm.evaluation.lines_file import (
    clean_lanes,
    format_lines,
    lines_name,
    parse_lines,
    read_lines_file,
    write_lines_file,
)

# What a C++ program (g++ 12, libstdc++) made of `while (stream >> x >> y)`.
OFFICIAL = {
    b"1 2 3 4": [1, 2, 3, 4],
    b"1 2 3 4 ": [1, 2, 3, 4],
    b"  1\t2 3 4\r": [1, 2, 3, 4],
    b"1 2 3": [1, 2],
    b"": [],
    b" \r": [],
    b"junk": [],
    b"1 2 junk 3 4": [1, 2],
    b"1 2 3 4,5 6": [1, 2, 3, 4],
    b"1 2 3 nan": [1, 2],
    b"inf 2": [],
    b"1 2 1_0 3": [1, 2],
    b"1.5.5 2": [1.5, 0.5],
    b"1-2": [1, -2],
    b"+5 -.5": [5, -0.5],
    b"+-5 1": [],
    b"5. 1e2": [5, 100],
    b"1 2e 3": [],
    b"1 2 3e+ 4": [1, 2],
    b"0x10 5": [],
    b"1 2 1e999 3": [1, 2],
    b"1e-999 2": [0, 2],
    b"1e3e4 2": [],
    b"- 5": [],
    b". 5": [],
    b"1\x0b2": [1, 2],
}


@pytest.mark.parametrize("line", OFFICIAL)
def test_reads_a_line_as_the_official_program(line):
    (lane,) = parse_lines(line + b"\n")
    assert lane.dtype == np.float32
    assert lane.ravel().tolist() == OFFICIAL[line]


def test_every_line_is_a_lane_also_an_empty_one():
    assert [len(lane) for lane in parse_lines(b"1 2\n\n3 4 5 6")] == [1, 0, 2]
    assert parse_lines(b"") == []
    assert [len(lane) for lane in parse_lines(b"\n")] == [0]


def test_float32_is_rounded_by_way_of_float64():
    text = "0.1 16777217 1e39 1"
    (lane,) = parse_lines(text.encode())
    assert lane.tolist() == [[np.float32(0.1), 16777216.0], [np.inf, 1.0]]


def test_files_that_are_not_text_are_named(tmp_path):
    for content in (b"1 2\0 3", b"\xff\xd8\xff\xe0 picture"):
        path = tmp_path / "a.lines.txt"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.lines\.txt .*not"):
            read_lines_file(path)


coordinate = st.floats(-1e4, 1e4, width=32)
lane_strategy = st.lists(st.tuples(coordinate, coordinate), max_size=6)


@given(st.lists(lane_strategy, max_size=4))
def test_what_is_written_is_read_back_bit_by_bit(raw):
    lanes = [np.array(lane, np.float32).reshape(-1, 2) for lane in raw]
    text = format_lines(lanes)
    assert "\n\n" not in text and not text.startswith("\n")
    back = parse_lines(text.encode())
    expected = clean_lanes(lanes)
    assert len(back) == len(expected)
    for lane, want in zip(back, expected, strict=True):
        assert len(lane) >= 2
        assert np.array_equal(lane, want)
        assert (np.abs(np.diff(lane, axis=0)).max(axis=1) > 0).all()


def test_cleaning_drops_repeats_short_lanes_and_what_is_not_finite():
    nan = float("nan")
    lanes = [[], [[1, 2]], [[1, 2], [1, 2]], [[1, 2], [1, 2], [3, 4]], [[nan, 1], [1, 2], [3, 4]]]
    cleaned = clean_lanes([np.array(lane, np.float64).reshape(-1, 2) for lane in lanes])
    assert [lane.tolist() for lane in cleaned] == [[[1, 2], [3, 4]]] * 2


def test_no_lanes_give_an_empty_file_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "driver" / "clip.MP4" / "0.lines.txt"
    write_lines_file(path, [np.float32([[1, 2]])])
    assert path.read_bytes() == b""
    assert [child.name for child in path.parent.iterdir()] == ["0.lines.txt"]


def test_names_go_up_to_the_last_dot():
    assert lines_name("/driver_1/05.MP4/00000.jpg\r") == "driver_1/05.MP4/00000.lines.txt"
    assert lines_name("a.b.png") == "a.b.lines.txt"
