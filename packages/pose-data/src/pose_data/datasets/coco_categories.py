"""The categories of a COCO file: class names, and the skeleton that they share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pose_data.errors import DataError, SettingsError
from pose_data.sides import mirror_pairs
from pose_data.skeleton import COCO_PERSON, Skeleton

_KEY = b'"categories"'


@dataclass(frozen=True)
class CocoCategories:
    """The categories of a COCO keypoint file, in the order of their ids.

    Args:
        ids: C category ids.
        names: C class names.
        skeleton: the keypoints of all of them; None when the file names none.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    skeleton: Skeleton | None


def read_categories(path: Path) -> CocoCategories:
    """Read the categories alone, without the hundreds of megabytes that may stand before them.

    Raises:
        DataError: no such file, not JSON, or categories that can't be used.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); correct the path of 'annotations'") from error
    start = data.rfind(_KEY)
    while start >= 0:
        found = _list_after(data, start + len(_KEY))
        if found is not None:
            return parse_categories(found, source=path)
        start = data.rfind(_KEY, 0, start)
    raise DataError(f"{path}: must have a list 'categories', as COCO keypoint files do; got none; is it another file?")


def parse_categories(categories: Sequence[object], *, source: Path) -> CocoCategories:
    """Check a file's list of categories.

    Only those that name keypoints count, unless none does.

    Raises:
        DataError: a category without id or name, or categories with different keypoints.
    """
    entries = [_checked(entry, source) for entry in categories]
    entries = [e for e in entries if e.get("keypoints")] or entries
    entries.sort(key=lambda e: int(str(e["id"])))
    if not entries:
        raise DataError(f"{source}: 'categories' must hold at least one; got none")
    return CocoCategories(
        ids=tuple(int(str(e["id"])) for e in entries),
        names=tuple(str(e["name"]) for e in entries),
        skeleton=_shared_skeleton(entries, source),
    )


def _list_after(data: bytes, start: int) -> list[object] | None:
    text = data[start:].decode("utf-8", errors="replace").lstrip()
    if not text.startswith(":"):
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text[1:].lstrip())
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, list) and value and isinstance(value[0], dict) else None


def _checked(entry: object, source: Path) -> Mapping[str, object]:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), int) or not isinstance(entry.get("name"), str):
        raise DataError(f"{source}: a category must have a whole number 'id' and a 'name'; got {str(entry)[:80]}")
    return entry


def _shared_skeleton(entries: Sequence[Mapping[str, object]], source: Path) -> Skeleton | None:
    first = entries[0].get("keypoints")
    if not isinstance(first, list) or not first:
        return None
    for entry in entries[1:]:
        if entry.get("keypoints") != first:
            raise DataError(
                f"{source}: all categories must have the same keypoints; got {len(first)} for '{entries[0]['name']}' "
                f"and others for '{entry['name']}'; keep the categories of one kind, and train one model for each"
            )
    names = tuple(str(name) for name in first)
    if names == COCO_PERSON.names:
        return COCO_PERSON
    try:
        return Skeleton(names, mirror_pairs(names), _edges(entries[0].get("skeleton"), len(names)))
    except SettingsError as error:
        raise DataError(f"{source}: {error}") from error


def _edges(skeleton: object, count: int) -> tuple[tuple[int, int], ...]:
    """Turn COCO's limbs, counted from 1, into indices; files that count from 0 have a 0 among them."""
    if not isinstance(skeleton, list):
        return ()
    pairs = [pair for pair in skeleton if isinstance(pair, list) and len(pair) == 2]
    first = 0 if any(0 in pair for pair in pairs) else 1
    edges = ((int(a) - first, int(b) - first) for a, b in pairs)
    return tuple((a, b) for a, b in edges if a != b and 0 <= a < count and 0 <= b < count)
