"""Image files: pixels as RGB, and sizes without reading pixels."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.image_header import ImageHeader, is_cut_off, read_header, shows_its_end
from pose_data.errors import DataError

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dng", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)
_WAY_OUT = "replace it, or take it out of the data set"
_JPEG_START = b"\xff\xd8"
_REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


def read_image(path: Path, *, longest: int | None = None) -> NDArray[np.uint8]:
    """Read an image file as colours, turned upright.

    Grey images get three equal channels, transparency is dropped, and 16 bits are scaled down to 8. The
    file itself is never written to.

    Args:
        path: the file; its name may hold any letters.
        longest: how many pixels the longer side needs. A JPEG file that has twice, four or eight times as many is
            decoded at a half, a quarter or an eighth of its size, which takes a fraction of the time; its sides are
            rounded up. None decodes all pixels, as do all other kinds of files.

    Returns:
        (H, W, 3) uint8 RGB, turned as the file's EXIF orientation says.

    Raises:
        DataError: no such file, or one that is empty, cut off or not an image.
    """
    return decode_image(_read_bytes(path), name=str(path), longest=longest)


def decode_image(data: bytes, *, name: str, longest: int | None = None) -> NDArray[np.uint8]:
    """Decode the bytes of an image file, as `read_image` does.

    Args:
        data: the whole file.
        name: what errors call it.
        longest: how many pixels the longer side needs.

    Returns:
        (H, W, 3) uint8 RGB, upright.

    Raises:
        DataError: no bytes, bytes that are cut off, or no image.
    """
    if not data:
        raise DataError(f"{name}: must be an image; got an empty file; {_WAY_OUT}")
    if is_cut_off(data):
        raise _cut_off(name)
    header = read_header(io.BytesIO(data))
    size = cv2.IMREAD_COLOR
    if longest is not None and header is not None and data.startswith(_JPEG_START):
        size = _smallest(header, longest)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), size | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DataError(f"{name}: can't be decoded ({_first_line(error)}); {_WAY_OUT}") from error
    if pixels is None:
        raise DataError(f"{name}: must be an image that OpenCV reads; got one damaged or of another kind; {_WAY_OUT}")
    orientation = 1 if header is None else header.orientation
    return _upright(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False), orientation)


def image_size(path: Path) -> tuple[int, int]:
    """Tell (height, width) of an image file as `read_image` gives it, from its header alone where that is possible.

    JPEG, PNG, BMP and WebP are measured by their first bytes (some 30 µs each), and their last ones are looked at;
    other kinds are decoded.

    Raises:
        DataError: no such file, or one that is cut off or not an image.
    """
    try:
        with path.open("rb") as file:
            header = read_header(file)
            doubtful = header is not None and not shows_its_end(file)
    except OSError as error:
        raise _cannot_read(path, error) from error
    if doubtful and is_cut_off(_read_bytes(path)):
        raise _cut_off(str(path))
    if header is not None:
        return header.upright_size
    height, width = read_image(path).shape[:2]
    return height, width


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _cannot_read(path, error) from error


def _cannot_read(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such image; correct the path, or take it out of the data set")
    return DataError(f"{path}: can't be read ({error.strerror}); {_WAY_OUT}")


def _cut_off(name: str) -> DataError:
    return DataError(f"{name}: must be a whole image; got one that is cut off; copy it again, {_WAY_OUT}")


def _first_line(error: cv2.error) -> str:
    return str(error).strip().splitlines()[0]


def _smallest(header: ImageHeader, longest: int) -> int:
    """Say how OpenCV decodes a JPEG image no larger than it must be."""
    side = max(header.height, header.width)
    return next((flag for factor, flag in _REDUCED.items() if side >= factor * longest), cv2.IMREAD_COLOR)


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation: 2 mirrored, 3 half turn, 4 upside-down mirrored, 5 to 8 with axes traded."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
