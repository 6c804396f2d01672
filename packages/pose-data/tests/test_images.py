import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import DataError, decode_image, image_size, read_image

# 2 x 3 blocks of 16 pixels, so that JPEG keeps them apart: red, green, blue over white, black, yellow.
BLOCKS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 255], [0, 0, 0], [255, 255, 0]]], np.uint8)
PICTURE: NDArray[np.uint8] = BLOCKS.repeat(16, axis=0).repeat(16, axis=1)  # (32, 48, 3) RGB


def encode(suffix: str, pixels: NDArray[np.uint8] = PICTURE) -> bytes:
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return cv2.imencode(suffix, np.ascontiguousarray(bgr))[1].tobytes()


def exif(orientation: int) -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHHI", 274, 3, 1, orientation, 0, 0)


def jpeg_with_exif(orientation: int) -> bytes:
    block = exif(orientation)
    data = encode(".jpg")
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def blocks_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colour in the middle of each block, rounded to full or nothing."""
    middle = image[8::16, 8::16].astype(int)
    return (middle > 127).astype(np.uint8) * 255


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp", ".tif", ".jp2"])
def test_colours_are_red_green_blue(tmp_path: Path, suffix: str):
    file = tmp_path / f"a{suffix}"
    file.write_bytes(encode(suffix))
    assert np.array_equal(blocks_of(read_image(file)), BLOCKS)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp", ".tif", ".jp2"])
def test_the_size_is_height_and_width(tmp_path: Path, suffix: str):
    file = tmp_path / f"a{suffix}"
    file.write_bytes(encode(suffix))
    assert image_size(file) == (32, 48)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, BLOCKS),
        (2, BLOCKS[:, ::-1]),
        (3, BLOCKS[::-1, ::-1]),
        (4, BLOCKS[::-1]),
        (5, BLOCKS.transpose(1, 0, 2)),
        (6, np.rot90(BLOCKS, -1)),
        (7, np.rot90(BLOCKS, -1)[::-1]),
        (8, np.rot90(BLOCKS)),
    ],
)
def test_a_photo_is_turned_upright(tmp_path: Path, orientation: int, upright: NDArray[np.uint8]):
    file = tmp_path / "a.jpg"
    file.write_bytes(jpeg_with_exif(orientation))
    image = read_image(file)
    assert np.array_equal(blocks_of(image), upright)
    assert image_size(file) == image.shape[:2]


def test_a_png_is_turned_upright_too(tmp_path: Path):
    block = exif(6)[6:]
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block
    data = encode(".png")
    file = tmp_path / "a.png"
    file.write_bytes(data[:33] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + data[33:])
    assert read_image(file).shape == (48, 32, 3)
    assert image_size(file) == (48, 32)


def test_a_grey_image_has_three_equal_channels():
    image = decode_image(encode(".png", PICTURE[..., 1].copy()), name="grey")
    assert image.shape == (32, 48, 3)
    assert np.array_equal(image[..., 0], image[..., 2])
    assert np.array_equal(image[..., 0], PICTURE[..., 1])


def test_transparency_is_dropped():
    bgra = np.dstack([PICTURE[..., ::-1], np.zeros((32, 48), np.uint8)])
    data = cv2.imencode(".png", bgra)[1].tobytes()
    assert np.array_equal(decode_image(data, name="rgba"), PICTURE)


def test_grey_with_transparency_is_read():
    rows = b"".join(b"\0" + bytes([200, 0] * 3) for _ in range(2))  # 3 x 2 pixels, grey 200, fully transparent

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 3, 2, 8, 4, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.array_equal(decode_image(data, name="la"), np.full((2, 3, 3), 200, np.uint8))


def test_sixteen_bits_become_eight():
    pixels = np.full((4, 5, 3), 200 * 257, np.uint16)
    data = cv2.imencode(".png", pixels)[1].tobytes()
    assert np.array_equal(decode_image(data, name="deep"), np.full((4, 5, 3), 200, np.uint8))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, suffix: str, share: float):
    data = encode(suffix)
    file = tmp_path / f"a{suffix}"
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=f"a{suffix}: must be"):
        read_image(file)


def test_a_jpeg_without_its_last_two_bytes_is_cut_off():
    with pytest.raises(DataError, match="cut off"):
        decode_image(encode(".jpg")[:-2], name="a.jpg")


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "got an empty file"), (b"hello", "must be an image that OpenCV reads")]
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, message: str):
    file = tmp_path / "a.jpg"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_image(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("function", [read_image, image_size])
def test_a_missing_file_is_named(tmp_path: Path, function: object):
    with pytest.raises(DataError, match=r"nobody\.png: no such image"):
        function(tmp_path / "nobody.png")


def test_names_may_hold_any_letters(tmp_path: Path):
    file = tmp_path / "Überblick 图像.png"
    file.write_bytes(encode(".png"))
    assert np.array_equal(read_image(file), PICTURE)


def test_reading_leaves_the_file_as_it_is(tmp_path: Path):
    file = tmp_path / "a.jpg"
    data = encode(".jpg")[:-2]
    file.write_bytes(data)
    with pytest.raises(DataError):
        read_image(file)
    assert file.read_bytes() == data


@pytest.mark.parametrize(
    ("longest", "size"), [(48, (32, 48)), (25, (32, 48)), (24, (16, 24)), (12, (8, 12)), (1, (4, 6))]
)
def test_a_jpeg_is_decoded_no_larger_than_it_must_be(tmp_path: Path, longest: int, size: tuple[int, int]):
    file = tmp_path / "a.jpg"
    file.write_bytes(encode(".jpg"))
    assert read_image(file, longest=longest).shape == (*size, 3)


def test_a_reduced_jpeg_is_the_whole_one_made_smaller(tmp_path: Path):
    smooth = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (121, 203, 3), np.uint8), (0, 0), 5)
    file = tmp_path / "a.jpg"
    file.write_bytes(cv2.imencode(".jpg", smooth, (cv2.IMWRITE_JPEG_QUALITY, 98))[1].tobytes())
    reduced = read_image(file, longest=100)
    assert reduced.shape == (61, 102, 3)  # rounded up
    whole = cv2.resize(read_image(file), (102, 61), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.astype(int) - whole.astype(int)).mean() < 2


def test_a_reduced_jpeg_is_turned_upright():
    data = jpeg_with_exif(6)
    assert np.array_equal(decode_image(data, name="a", longest=24)[4::8, 4::8] > 127, np.rot90(BLOCKS, -1) > 127)


def test_other_files_are_decoded_whole():
    assert decode_image(encode(".png"), name="a", longest=6).shape == (32, 48, 3)
