"""Whatever a user points at, as frames: files, folders, globs, lists, web addresses, arrays, PIL images."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Union
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.images import IMAGE_SUFFIXES, decode_image, read_image
from pose_data.errors import DataError
from pose_data.predict.download import read_url
from pose_data.predict.pixels import as_rgb

VIDEO_SUFFIXES = frozenset(
    {".asf", ".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".wmv", ".webm"}
)
_NO_VIDEO = "a video is followed by `pose track` and read by open_video, not taken for images"
_NO_STREAM = "cameras and streams can't be read yet; save their frames as images and name the folder"
_DIGITS = re.compile(r"(\d+)")
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


class PillowImage(Protocol):
    """A PIL image, or anything that becomes an RGB array in the same way."""

    def convert(self, mode: str) -> PillowImage:
        """Return the image in another mode, such as "RGB"."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        ...


SourceLike = Union[str, "os.PathLike[str]", NDArray[np.uint8], PillowImage, Iterable["SourceLike"]]


@dataclass(frozen=True)
class Frame:
    """One image to look at.

    Args:
        image: (H, W, 3) uint8 RGB.
        name: the file's name; clip-000012.png for a frame of clip.mp4, image<index> for one that never was a file.
        path: where it was read from; None when it was no file.
        index: its place in the source, from 0.
        time: seconds from the start of a video; None for a still image.
    """

    image: NDArray[np.uint8]
    name: str
    path: Path | None
    index: int
    time: float | None = None


class FrameSource:
    """Frames one after the other, each read when it is asked for.

    Args:
        items: what reads each frame.
        len_hint: how many there will be; None when nobody knows.
    """

    def __init__(self, items: Iterable[Callable[[], Frame]], *, len_hint: int | None) -> None:
        self._items = items
        self.len_hint = len_hint

    def __iter__(self) -> Iterator[Frame]:
        for index, read in enumerate(self._items):
            frame = read()
            name = frame.name or f"image{index}"
            yield replace(frame, index=index, name=name)

    def spread(self, most: int) -> FrameSource:
        """Take at most this many of the frames, evenly spread from the first to the last; the others aren't read.

        Args:
            most: at least 1.
        """
        items = list(self._items)
        places = np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int)
        return FrameSource([items[place] for place in places], len_hint=len(places))


def open_source(source: SourceLike, *, recursive: bool = False) -> FrameSource:
    """Find all images that a source names; their pixels are read later, one at a time.

    Args:
        source: an image file; a folder, or a glob such as "photos/**/*.jpg", in natural order (2.jpg before 10.jpg); a
            .txt list with a source on each line, relative to the list; an http(s) address of one image; an (H, W, 3)
            uint8 RGB array; a PIL image, taken as it holds its pixels; or several of these in a list, a tuple or an
            iterator.
        recursive: look into the folders of a folder too.

    Raises:
        DataError: nothing is there, a folder or a glob has no images, or it is of a kind that can't be
            read. While going through the frames: an image is damaged or an address doesn't answer.
    """
    if isinstance(source, Iterator):
        return FrameSource((read for part in source for read in _find(part, recursive)), len_hint=None)
    items = _find(source, recursive)
    return FrameSource(items, len_hint=len(items))


def _find(source: SourceLike, recursive: bool) -> list[Callable[[], Frame]]:
    if isinstance(source, (str, os.PathLike)):
        return _find_named(os.fspath(source), recursive)
    if isinstance(source, np.ndarray):
        return [lambda: _in_memory(source)]
    if hasattr(source, "convert") and hasattr(source, "size"):
        return [lambda: _in_memory(np.asarray(source.convert("RGB"), np.uint8))]
    if isinstance(source, Sequence) and not isinstance(source, (bytes, bytearray)):
        return [read for part in source for read in _find(part, recursive)]
    if isinstance(source, int):
        raise DataError(f"source must be images; got camera {source}; {_NO_STREAM}")
    raise DataError(
        "source must be a path, a web address, an RGB array, a PIL image or a list of these; "
        f"got {type(source).__name__}"
    )


def _find_named(name: str, recursive: bool) -> list[Callable[[], Frame]]:
    """Find what a path, a glob or an address names; a path that exists is never taken for a glob."""
    if scheme := _SCHEME.match(name):
        return [_address(name, scheme.group(1).lower())]
    path = Path(name).expanduser()
    if path.is_dir():
        return [_file(found) for found in _images_in(path, recursive)]
    if path.is_file():
        return _read_list(path) if path.suffix.lower() == ".txt" else [_file(_checked(path))]
    if any(sign in name for sign in "*?["):
        return [_file(found) for found in _images_like(str(path))]
    raise DataError(f"{name}: no such file or folder; correct the path (it is looked up in {Path.cwd()})")


def _images_in(folder: Path, recursive: bool) -> list[Path]:
    files = list(folder.glob("**/*" if recursive else "*"))
    found = sorted((path for path in files if _is_image(path)), key=_natural)
    if found:
        return found
    nested = "" if recursive else f"; folders inside it are not looked into, name them or take '{folder / '**'}'"
    raise DataError(f"{folder}: a folder must hold images ({_kinds()}); got none{_videos_in(files)}{nested}")


def _images_like(pattern: str) -> list[Path]:
    files = list(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207
    found = sorted((path for path in files if _is_image(path)), key=_natural)
    if not found:
        videos = _videos_in(files) or "; correct the pattern"
        raise DataError(f"{pattern}: a glob must match images ({_kinds()}); it matches none{videos}")
    return found


def _videos_in(files: list[Path]) -> str:
    videos = sum(path.suffix.lower() in VIDEO_SUFFIXES for path in files)
    return f" but {videos} video files; name one video at a time" if videos else ""


def _natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Order names by the numbers in them: 2.jpg before 10.jpg; whatever is equal then, by its letters."""
    parts = [part for part in _DIGITS.split(str(path)) if part]
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], str(path)


def _read_list(path: Path) -> list[Callable[[], Frame]]:
    """Find every line of a list; a relative path starts at the list."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: must be a text file with a path on each line; got {error}") from error
    found: list[Callable[[], Frame]] = []
    for number, line in enumerate(lines, start=1):
        entry = line.strip()
        if not entry:
            continue
        if Path(entry) == path or Path(entry).suffix.lower() == ".txt":
            raise DataError(f"{path}:{number}: a list must name images, folders or globs; got another list '{entry}'")
        try:
            found += _find_named(entry if _SCHEME.match(entry) else str(path.parent / entry), recursive=False)
        except DataError as error:
            raise DataError(f"{path}:{number}: {error}") from error
    if not found:
        raise DataError(f"{path}: a list must name at least one image; got none")
    return found


def _checked(path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        raise DataError(f"{path}: must be an image; got a video; {_NO_VIDEO}")
    if suffix not in IMAGE_SUFFIXES:
        raise DataError(f"{path}: must be an image ({_kinds()}); got '{path.suffix or 'no suffix'}'")
    return path


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _kinds() -> str:
    return " ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))


def _file(path: Path) -> Callable[[], Frame]:
    return lambda: Frame(read_image(path), path.name, path, 0)


def _address(url: str, scheme: str) -> Callable[[], Frame]:
    name = Path(unquote(urlsplit(url).path)).name
    if scheme not in ("http", "https") or Path(name).suffix.lower() in VIDEO_SUFFIXES:
        raise DataError(f"{url}: an address must be http(s) and of an image; {_NO_STREAM}")
    return lambda: Frame(decode_image(read_url(url), name=url), name, None, 0)


def _in_memory(image: NDArray[np.uint8]) -> Frame:
    return Frame(as_rgb(image, name="source"), "", None, 0)
