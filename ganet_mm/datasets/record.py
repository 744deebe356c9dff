"""One frame as bytes: the picture's file untouched, its lanes, and a checksum over both.

Layout, little-endian: header (magic ``LANE``, schema version u16, unused u16, length of info u32,
number of points u32, length of picture u32, CRC-32 of all the rest u32), info (UTF-8 JSON:
``img_path``, ``category``, ``shape`` and the points of each lane), points (float32 x, y), picture.
"""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np

SCHEMA_VERSION = 1
_MAGIC = b"LANE"
_HEADER = struct.Struct("<4sHHIII")
_CRC = struct.Struct("<I")
_BODY = _HEADER.size + _CRC.size


class DamagedRecordError(ValueError):
    """A stored record's bytes are not what was written."""


def encode_record(
    img_bytes: bytes,
    lanes: list[np.ndarray],
    img_path: str,
    category: str | None,
    shape: tuple[int, int],
) -> bytes:
    """A frame as bytes.

    Args:
        img_bytes: The picture's file, as it is.
        lanes: One (N, 2) float32 array a lane, pixels of the original picture.
        img_path: The picture's name in its list.
        category: Its category, or None.
        shape: Height and width of the picture.
    """
    info = json.dumps(
        {
            "img_path": img_path,
            "category": category,
            "shape": list(shape),
            "lanes": [len(lane) for lane in lanes],
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    points = np.concatenate([np.empty((0, 2), "<f4"), *lanes]).astype("<f4")
    header = _HEADER.pack(_MAGIC, SCHEMA_VERSION, 0, len(info), len(points), len(img_bytes))
    parts = (info, points.tobytes(), img_bytes)
    crc = zlib.crc32(header)
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join((header, _CRC.pack(crc), *parts))


def decode_record(buffer: bytes | memoryview, where: str) -> dict:
    """The frame that :func:`encode_record` made.

    Args:
        buffer: The record's bytes; nothing of the result refers to them.
        where: The record's name (file and key), for errors.

    Returns:
        dict: ``img_bytes`` (bytes), ``img_path`` (str), ``category`` (str or None), ``shape``
        (height, width), ``gt_lanes_ori`` (list of (N, 2) float32, pixels of the original picture).

    Raises:
        DamagedRecordError: The bytes are not whole or differ from what was written.
        ValueError: The record's schema version is not one that this reader knows.
    """
    buffer = memoryview(buffer)
    if len(buffer) < _BODY or buffer[:4] != _MAGIC:
        raise DamagedRecordError(f"{where}: damaged record (no record header); pack again")
    header = buffer[: _HEADER.size]
    _, version, _, info_size, points, img_size = _HEADER.unpack(header)
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"{where}: record of schema version {version}; this reader knows version "
            f"{SCHEMA_VERSION}: use the release that packed it, or pack again"
        )
    if len(buffer) != _BODY + info_size + points * 8 + img_size:
        raise DamagedRecordError(f"{where}: damaged record (wrong length); pack again")
    (crc,) = _CRC.unpack(buffer[_HEADER.size : _BODY])
    if crc != zlib.crc32(buffer[_BODY:], zlib.crc32(header)):
        raise DamagedRecordError(
            f"{where}: damaged record (its bytes differ from its checksum); pack again"
        )
    info_end = _BODY + info_size
    points_end = info_end + points * 8
    info = json.loads(bytes(buffer[_BODY:info_end]))
    flat = np.frombuffer(buffer[info_end:points_end], "<f4").reshape(-1, 2).astype(np.float32)
    lengths = info.pop("lanes")
    return {
        "img_bytes": bytes(buffer[points_end:]),
        "img_path": info["img_path"],
        "category": info["category"],
        "shape": tuple(info["shape"]),
        "gt_lanes_ori": np.split(flat, np.cumsum(lengths[:-1])) if lengths else [],
    }
