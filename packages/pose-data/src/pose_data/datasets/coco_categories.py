"""The categories of a COCO file: class names, and the keypoints that they share or have of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pose_data.class_points import with_classes
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
        skeleton: the keypoints of all of them, in the order in which categories first name them; None when the
            file names none.
        points: for each category, by its name, the names of its keypoints as its annotations list them; None when
            all list those of the skeleton.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    skeleton: Skeleton | None
    points: Mapping[str, tuple[str, ...]] | None = None


def read_categories(path: Path, *, names: tuple[str, ...] = ()) -> CocoCategories:
    """Read the categories alone, without the hundreds of megabytes that may stand before them.

    Args:
        path: the JSON file.
        names: the categories to take, in the order of the classes; all that have keypoints by default.

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
            return parse_categories(found, source=path, names=names)
        start = data.rfind(_KEY, 0, start)
    raise DataError(f"{path}: must have a list 'categories', as COCO keypoint files do; got none; is it another file?")


def parse_categories(categories: Sequence[object], *, source: Path, names: tuple[str, ...] = ()) -> CocoCategories:
    """Check a file's list of categories.

    Only those that name keypoints count, unless none does.

    Args:
        categories: the list.
        source: the file that it is from, for messages.
        names: the categories to take, in the order of the classes; all by default.

    Raises:
        DataError: a category without id or name, one that isn't there, or keypoints that can't be used.
    """
    entries = [_checked(entry, source) for entry in categories]
    entries = [e for e in entries if e.get("keypoints")] or entries
    entries.sort(key=lambda e: int(str(e["id"])))
    if not entries:
        raise DataError(f"{source}: 'categories' must hold at least one; got none")
    entries = _chosen(entries, names, source) if names else entries
    ids, titles = tuple(int(str(e["id"])) for e in entries), tuple(str(e["name"]) for e in entries)
    lists = [points for points in (entry.get("keypoints") for entry in entries) if isinstance(points, list)]
    if any(lists) and len(lists) < len(entries):
        raise DataError(f"{source}: 'keypoints' of a category must be a list of names; got something else")
    if len(lists) < len(entries) or all(points == lists[0] for points in lists):
        return CocoCategories(ids, titles, _shared_skeleton(entries[0], source))
    if len(set(titles)) < len(titles):
        raise DataError(f"{source}: categories with keypoints of their own must have different names; got {titles}")
    points = {name: tuple(str(point) for point in listed) for name, listed in zip(titles, lists, strict=True)}
    return CocoCategories(ids, titles, _union(points, entries, source), points)


def _chosen(
    entries: Sequence[Mapping[str, object]], names: tuple[str, ...], source: Path
) -> list[Mapping[str, object]]:
    known: dict[str, Mapping[str, object]] = {}
    for entry in entries:
        known.setdefault(str(entry["name"]), entry)
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(
            f"{source}: must have a category for each of the YAML's names; got none for '{missing[0]}'; "
            f"its categories are {', '.join(known)}"
        )
    return [known[name] for name in names]


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


def _shared_skeleton(entry: Mapping[str, object], source: Path) -> Skeleton | None:
    listed = entry.get("keypoints")
    if not isinstance(listed, list) or not listed:
        return None
    names = tuple(str(name) for name in listed)
    if names == COCO_PERSON.names:
        return COCO_PERSON
    try:
        return Skeleton(names, mirror_pairs(names), _edges(entry.get("skeleton"), len(names)))
    except SettingsError as error:
        raise DataError(f"{source}: {error}") from error


def _union(points: Mapping[str, tuple[str, ...]], entries: Sequence[Mapping[str, object]], source: Path) -> Skeleton:
    """Make one skeleton of the keypoints and limbs of all categories, the same name the same point."""
    names = tuple(dict.fromkeys(point for own in points.values() for point in own))
    edges: dict[tuple[int, int], None] = {}
    for own, entry in zip(points.values(), entries, strict=True):
        for a, b in _edges(entry.get("skeleton"), len(own)):
            low, high = sorted((names.index(own[a]), names.index(own[b])))
            if low != high:  # of a point that is listed twice, which is said below
                edges[low, high] = None
    try:
        skeleton = COCO_PERSON if names == COCO_PERSON.names else Skeleton(names, mirror_pairs(names), tuple(edges))
        return with_classes(skeleton, points, names=tuple(points), what="categories")
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
