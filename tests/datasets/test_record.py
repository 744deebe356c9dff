import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganet_mm.datasets.record import DamagedRecordError, decode_record, encode_record

LANES = [np.array([[1.5, -2], [3, 4]], np.float32), np.array([[9, 8]], np.float32)]
RECORD = encode_record(b"\xff\xd8picture", LANES, "a/ä.jpg", "night", (590, 1640))


def test_round_trip():
    back = decode_record(memoryview(RECORD), "r")
    assert back["img_bytes"] == b"\xff\xd8picture"
    assert (back["img_path"], back["category"], back["shape"]) == ("a/ä.jpg", "night", (590, 1640))
    for lane, other in zip(LANES, back["gt_lanes_ori"], strict=True):
        np.testing.assert_array_equal(lane, other)
        assert other.dtype == np.float32
        other += 1  # the caller's own


@given(st.binary(max_size=50), st.lists(st.integers(0, 5), max_size=4))
def test_round_trip_of_any_size(img_bytes, lengths):
    lanes = [np.full((n, 2), n, np.float32) for n in lengths]
    back = decode_record(encode_record(img_bytes, lanes, "x", None, (1, 2)), "r")
    assert back["img_bytes"] == img_bytes
    assert [len(lane) for lane in back["gt_lanes_ori"]] == lengths
    assert back["category"] is None


@pytest.mark.parametrize("at", range(len(RECORD)))
def test_every_flipped_byte_is_noticed(at):
    damaged = bytearray(RECORD)
    damaged[at] ^= 0x10
    # Bytes 4 and 5 are the schema version, which is refused before the checksum is looked at.
    with pytest.raises(ValueError, match="r: "):
        decode_record(bytes(damaged), "r")


@pytest.mark.parametrize("size", [0, 3, 20, len(RECORD) - 1])
def test_short_record(size):
    with pytest.raises(DamagedRecordError, match="r: damaged record"):
        decode_record(RECORD[:size], "r")


def test_unknown_version_is_refused_by_name():
    later = RECORD[:4] + struct.pack("<H", 2) + RECORD[6:]
    with pytest.raises(ValueError, match="record of schema version 2; this reader knows version 1"):
        decode_record(later, "r")
