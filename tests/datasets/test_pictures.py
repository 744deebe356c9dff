import struct
import zlib

import cv2
import numpy as np
import pytest

from ganet_mm.datasets.pictures import decode_image, image_shape

PICTURE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8), (9, 9), 3
)


def encoded(suffix: str, *options: int) -> bytes:
    return cv2.imencode(suffix, PICTURE, options)[1].tobytes()


JPEG = encoded(".jpg")


def with_orientation(data: bytes, orientation: int, order: str) -> bytes:
    """``data`` with an EXIF segment, written by hand from the TIFF specification."""
    little = order == "little"
    number = lambda value, size: value.to_bytes(size, order)  # noqa: E731
    entry = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + b"\0\0"
    tiff = (b"II" if little else b"MM") + number(42, 2) + number(8, 4)
    tiff += number(1, 2) + entry + number(0, 4)
    segment = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]


@pytest.mark.parametrize(
    "data",
    [
        JPEG,
        encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        encoded(".png"),
        encoded(".bmp"),
    ],
)
def test_shape_is_the_decoded_shape(data):
    assert image_shape(data) == (30, 50) == decode_image(data).shape[:2]


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation, order):
    data = with_orientation(JPEG, orientation, order)
    assert image_shape(data) == decode_image(data).shape[:2]
    assert image_shape(data) == ((50, 30) if orientation >= 5 else (30, 50))


def with_thumbnail(data: bytes) -> bytes:
    """``data`` with a whole JPEG inside an EXIF segment, as cameras write it."""
    thumbnail = cv2.imencode(".jpg", PICTURE[::4, ::4])[1].tobytes()
    segment = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + thumbnail
    return data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]


def huge_png() -> bytes:
    """A little PNG file whose header says 60000×60000."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 10)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def huge_jpeg() -> bytes:
    """A little JPEG file whose frame header says 65500×65500."""
    size = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:size] + struct.pack(">HH", 65500, 65500) + JPEG[size + 4 :]


@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_orientation_is_the_first_exif_segments(orientation):
    """A picture program's XMP, or a second EXIF segment, changes nothing."""
    data = with_orientation(JPEG, orientation, "little")
    exif = data[: len(data) - len(JPEG) + 2]
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"
    xmp = b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp
    other = with_orientation(b"\xff\xd8", 7 - orientation, "little")[2:]
    for picture in (exif + xmp + JPEG[2:], exif + other + JPEG[2:], JPEG[:2] + xmp + data[2:]):
        assert image_shape(picture) == decode_image(picture).shape[:2]
        assert image_shape(picture) == ((50, 30) if orientation == 6 else (30, 50))


@pytest.mark.parametrize("read", [image_shape, decode_image])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"not a picture", "no picture"),
        (JPEG[:100], "no frame header"),
        (JPEG[:-2], "cut short"),
        (JPEG[: len(JPEG) * 2 // 3], "cut short"),
        (b"\xff\xd8\xff\xd9", "no frame header"),
        (b"\xff\xd8" + b"x" * 40, "no frame header"),
    ],
)
def test_no_whole_picture(read, data, message):
    with pytest.raises(ValueError, match=message):
        read(data)


def test_padding_after_the_end_is_fine():
    assert image_shape(JPEG + b"\0" * 512) == (30, 50)


def test_a_thumbnails_end_is_not_the_pictures():
    data = with_thumbnail(JPEG)
    for padding in (b"", b"\0" * 512):
        assert image_shape(data + padding) == (30, 50) == decode_image(data + padding).shape[:2]
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"empty|no picture|no frame header|cut short"):
            image_shape(data[:length])


def test_a_thumbnail_behind_the_frame_header_is_no_end_either():
    segment = with_thumbnail(JPEG)[2 : -len(JPEG[2:])]
    scan = JPEG.index(b"\xff\xda")
    data = JPEG[:scan] + segment + JPEG[scan:]
    assert image_shape(data) == (30, 50) == decode_image(data).shape[:2]
    with pytest.raises(ValueError, match="cut short"):
        image_shape(data[:-2])


@pytest.mark.parametrize(
    ("read", "data"),
    [(image_shape, huge_png()), (decode_image, huge_png()), (decode_image, huge_jpeg())],
    ids=["shape-png", "decode-png", "decode-jpeg"],
)
def test_a_header_of_a_huge_picture_is_a_damaged_file(read, data):
    with pytest.raises(ValueError, match="no picture that can be decoded"):
        read(data)
