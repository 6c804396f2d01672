"""Where the images of one split of a data set come from."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pose_data.datasets.images import IMAGE_SUFFIXES
from pose_data.errors import DataError, SettingsError

_ENDINGS = tuple(sorted(IMAGE_SUFFIXES))  # str.endswith takes a tuple; a Path for each file costs seconds


@dataclass(frozen=True)
class ImageSource:
    """Images with a label file each.

    Args:
        places: folders (searched to the bottom), .txt lists, single images and glob patterns, all absolute.
        root: what the entries of a list are relative to.
    """

    places: tuple[Path, ...]
    root: Path


@dataclass(frozen=True)
class CocoSource:
    """Images with one COCO keypoint file for all of them.

    Args:
        images: the folder that the file names are relative to.
        annotations: the JSON file.
        background: whether images without any annotated object count.
    """

    images: Path
    annotations: Path
    background: bool = True


@dataclass(frozen=True)
class DrawnSource:
    """People drawn in memory.

    Args:
        count: images.
        seed: other seeds, other people.
    """

    count: int
    seed: int


Source = ImageSource | CocoSource | DrawnSource


def find_images(source: ImageSource) -> list[str]:
    """List the image files of a source in the order of their names, each of them once.

    Raises:
        SettingsError: a place that doesn't exist, or no image in any of them.
    """
    found: dict[str, None] = {}
    for place in source.places:
        found.update(dict.fromkeys(sorted(_images_at(place, source.root))))
    if not found:
        places = ", ".join(map(str, source.places))
        raise SettingsError(f"{places}: must hold images ({_suffix_words()}); got none; correct the path")
    return list(found)


def images_below(folder: str) -> Iterator[str]:
    """Walk through the image files of a folder and of the folders in it, in no order."""
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(real)
        # Names that begin with a dot are hidden files, such as the halves of files that are just being written.
        yield from (f"{parent}{os.sep}{name}" for name in files if _is_image(name) and not name.startswith("."))


def is_pattern(place: Path) -> bool:
    """Say whether a path is a glob pattern, and not a file that has such letters in its name."""
    return glob.has_magic(str(place)) and not place.exists()


def _images_at(place: Path, root: Path) -> Iterator[str]:
    if is_pattern(place):
        matches = glob.iglob(str(place), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        return (p for p in matches if _is_image(p))
    if place.is_dir():
        return images_below(str(place))
    if not place.exists():
        raise SettingsError(f"{place}: no such file or folder; correct the path in the data YAML")
    if place.suffix.lower() == ".txt":
        return _listed(place, root)
    if _is_image(str(place)):
        return iter([str(place)])
    raise SettingsError(f"{place}: must be a folder, a .txt list, an image or a pattern; got a {place.suffix} file")


def _listed(place: Path, root: Path) -> Iterator[str]:
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{place}: must be a UTF-8 list of image paths; got {error}") from error
    entries = [line.strip() for line in lines if line.strip()]
    base = root
    plain = next((e for e in entries if not e.startswith("./")), None)
    if plain is not None and not (root / plain).exists() and (place.parent / plain).exists():
        base = place.parent
    for entry in entries:
        yield os.path.normpath((place.parent if entry.startswith("./") else base) / entry)


def _is_image(name: str) -> bool:
    return name.lower().endswith(_ENDINGS)


def _suffix_words() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))
