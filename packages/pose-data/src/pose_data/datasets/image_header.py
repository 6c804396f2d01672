"""What the first bytes of an image file say: its size, how it is to be turned, and whether its end is missing."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

_EXIF_ORIENTATION = 274
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_TAIL = 64  # bytes; some programs write a few more behind the end
# JPEG markers that hold the size: SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC).
_JPEG_SIZE = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN, _JPEG_EXIF, _JPEG_END = 0xDA, 0xE1, b"\xff\xd9"


@dataclass(frozen=True)
class ImageHeader:
    """What a file says about its image.

    Args:
        height: rows as stored, before any turning.
        width: columns as stored.
        orientation: EXIF orientation, 1 (as stored) to 8; 5 to 8 trade height and width.
    """

    height: int
    width: int
    orientation: int = 1

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) after the image is turned as its EXIF says."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_header(file: BinaryIO) -> ImageHeader | None:
    """Read size and orientation from a JPEG, PNG, BMP or WebP file; None for other kinds and damaged ones."""
    start = file.read(32)
    file.seek(0)
    reader = _reader_of(start)
    try:
        header = None if reader is None else reader(file)
    except (struct.error, IndexError, ValueError):
        return None
    return header if header and header.height > 0 and header.width > 0 else None


def is_cut_off(data: bytes) -> bool:
    """Say whether the end of a JPEG, PNG, BMP or WebP file is missing; False for other kinds."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg_is_cut_off(data)
    if data.startswith(_PNG_START):
        return _png_is_cut_off(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return len(data) < 8 + int(struct.unpack_from("<I", data, 4)[0])
    return data.startswith(b"BM") and _bmp_is_cut_off(data)


def shows_its_end(file: BinaryIO) -> bool:
    """Say whether the last bytes of a file are those of a whole JPEG or PNG image; where not, look at all of it."""
    file.seek(0, os.SEEK_END)
    file.seek(max(file.tell() - _TAIL, 0))
    tail = file.read()
    return _JPEG_END in tail or _PNG_END in tail


def _reader_of(start: bytes) -> Callable[[BinaryIO], ImageHeader | None] | None:
    if start.startswith(b"\xff\xd8"):
        return _read_jpeg
    if start.startswith(_PNG_START):
        return _read_png
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return _read_webp
    return _read_bmp if start.startswith(b"BM") else None


def _read_jpeg(file: BinaryIO) -> ImageHeader | None:
    file.seek(2)
    orientation = 1
    while True:
        marker = _next_jpeg_marker(file)
        if marker is None or marker == _JPEG_SCAN:
            return None
        (length,) = struct.unpack(">H", file.read(2))
        if marker in _JPEG_SIZE:
            _, height, width = struct.unpack(">BHH", file.read(5))
            return ImageHeader(height, width, orientation)
        if marker == _JPEG_EXIF:
            segment = file.read(length - 2)
            if segment.startswith(b"Exif\0\0"):
                orientation = _exif_orientation(segment[6:])
        else:
            file.seek(length - 2, 1)


def _next_jpeg_marker(file: BinaryIO) -> int | None:
    if file.read(1) != b"\xff":
        return None
    marker = b"\xff"
    while marker == b"\xff":  # a marker may be led by any number of fill bytes
        marker = file.read(1)
    return marker[0] if marker else None


def _read_png(file: BinaryIO) -> ImageHeader:
    file.seek(8)
    height = width = 0
    orientation = 1
    while True:
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IHDR":
            width, height = struct.unpack(">II", file.read(8))
            file.seek(length - 8 + 4, 1)  # rest of the chunk, checksum
        elif kind == b"eXIf":
            orientation = _exif_orientation(file.read(length))
            file.seek(4, 1)
        elif kind in (b"IDAT", b"IEND"):
            return ImageHeader(height, width, orientation)
        else:
            file.seek(length + 4, 1)


def _read_webp(file: BinaryIO) -> ImageHeader | None:
    file.seek(12)
    kind, length = struct.unpack("<4sI", file.read(8))
    body = file.read(10)
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 6)
        return ImageHeader(height & 0x3FFF, width & 0x3FFF)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        return ImageHeader((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1)
    if kind != b"VP8X":
        return None
    width = int.from_bytes(body[4:7], "little") + 1
    height = int.from_bytes(body[7:10], "little") + 1
    file.seek(20 + length + length % 2)
    return ImageHeader(height, width, _webp_orientation(file))


def _webp_orientation(file: BinaryIO) -> int:
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            return _exif_orientation(file.read(length).removeprefix(b"Exif\0\0"))
        file.seek(length + length % 2, 1)
    return 1


def _read_bmp(file: BinaryIO) -> ImageHeader:
    head = file.read(26)
    if struct.unpack_from("<I", head, 14)[0] == 12:  # the OS/2 form has 16-bit sizes
        width, height = struct.unpack_from("<HH", head, 18)
    else:
        width, height = struct.unpack_from("<ii", head, 18)
    return ImageHeader(abs(height), width)  # a negative height means rows from top to bottom


def _exif_orientation(tiff: bytes) -> int:
    """Find the orientation in an EXIF block, which has the form of a TIFF file; 1 where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (offset,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, offset)
        for i in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, offset + 2 + 12 * i)
            if tag == _EXIF_ORIENTATION:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def _jpeg_is_cut_off(data: bytes) -> bool:
    # Segments are stepped over rather than searched: the thumbnail inside an EXIF segment has an end marker too.
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _JPEG_SCAN:
            return data.find(_JPEG_END, position) < 0
        position += 2 + int(struct.unpack_from(">H", data, position + 2)[0])
    return True


def _png_is_cut_off(data: bytes) -> bool:
    position = len(_PNG_START)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IEND":
            return False
        position += 12 + int(length)
    return True


def _bmp_is_cut_off(data: bytes) -> bool:
    if len(data) < 34:
        return True
    (offset,) = struct.unpack_from("<I", data, 10)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if struct.unpack_from("<I", data, 14)[0] == 12 or compression not in (0, 3):
        return False
    row = (width * bits + 31) // 32 * 4
    return bool(len(data) < offset + row * abs(height))
