"""A picture's file: its size and wholeness without decoding it, and its pixels."""

from __future__ import annotations

import struct

import cv2
import numpy as np

# Markers that carry no length: TEM, RST0..7, SOI, EOI.
_BARE_MARKERS = {0x01, *range(0xD0, 0xDA)}
# Start-of-frame markers: all C0..CF but DHT (C4), JPG (C8) and DAC (CC).
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN_MARKER = 0xDA  # SOS
_EXIF = b"Exif\0\0"


def image_shape(data: bytes) -> tuple[int, int]:
    """Height and width of a picture file, after a cheap check that the file is whole.

    A JPEG's header is read and its end marker looked for; every other format is decoded.

    Raises:
        ValueError: The file is empty, no picture, or cut short (says which).
    """
    if not data:
        raise ValueError("the file is empty")
    if data[:2] == b"\xff\xd8":
        shape, turned, scan = _jpeg_header(data)
        # A decoder stops at EOI; a file without one was cut short. Some cameras pad after it. An
        # EOI before the scan is that of a thumbnail.
        if data.rfind(b"\xff\xd9", max(len(data) - 65536, scan)) < 0:
            raise ValueError("the JPEG is cut short (no end marker)")
        return shape[::-1] if turned else shape
    return _decode(data).shape[:2]


def decode_image(data: bytes) -> np.ndarray:
    """A picture file's pixels, (H, W, 3) uint8 BGR, turned as its EXIF orientation says.

    Raises:
        ValueError: The file is empty, cut short, or does not decode (says which).
    """
    if data[:2] == b"\xff\xd8" or not data:
        image_shape(data)  # OpenCV fills what is missing of a cut JPEG with grey
    return _decode(data)


def _decode(data: bytes) -> np.ndarray:
    try:
        img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # e.g. a damaged header that promises more pixels than OpenCV takes
        img = None
    if img is None:
        raise ValueError("the file is no picture that can be decoded")
    return img


def _jpeg_header(data: bytes) -> tuple[tuple[int, int], bool, int]:
    """What stands before a JPEG's first scan, found by stepping from segment to segment.

    Returns:
        tuple: Height and width in the frame header, whether EXIF turns the picture by 90°, and the
        position where the segments end: that of the first scan or of what is no segment.

    Raises:
        ValueError: There is no frame header, or it says 0 pixels.
    """
    position, shape, orientation = 2, None, None
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == _SCAN_MARKER:
            break
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _BARE_MARKERS:
            position += 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in _FRAME_MARKERS:
            if position + 9 > len(data):
                break
            height, width = struct.unpack_from(">HH", data, position + 5)
            if height == 0 or width == 0:
                raise ValueError(f"the JPEG's header says {width}×{height} pixels")
            shape = height, width
        # APP1 is XMP's too, and a decoder goes by the first EXIF segment
        if marker == 0xE1 and orientation is None and data.startswith(_EXIF, position + 4):
            orientation = _exif_orientation(data[position + 4 : position + 2 + length])
        position += 2 + length
    if shape is None:
        raise ValueError("the JPEG has no frame header (cut short or damaged)")
    return shape, orientation is not None and orientation >= 5, position


def _exif_orientation(segment: bytes) -> int:
    """The orientation (1..8) that an EXIF segment gives; 1 where it has none."""
    if len(segment) < 14:
        return 1
    tiff = segment[len(_EXIF) :]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", tiff, entry)
        if tag == 0x0112 and kind == 3:
            (orientation,) = struct.unpack_from(order + "H", tiff, entry + 8)
            return orientation if 1 <= orientation <= 8 else 1
    return 1
