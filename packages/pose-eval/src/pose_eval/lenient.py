"""Leaving out what can't be evaluated, and counting it by reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from pose_eval.coco_columns import TruthFile
from pose_eval.records import Record, Records
from pose_eval.rules import Rules


@dataclass(frozen=True)
class Usable:
    """What is left of the files.

    Args:
        truth: annotations that can be evaluated; images and categories as they were.
        results: detections that can be evaluated.
        skipped: how many records were left out, by reason.
    """

    truth: TruthFile
    results: Records
    skipped: Mapping[str, int]


def usable_records(truth: TruthFile, results: Records, rules: Rules, *, need_area: bool = True) -> Usable:
    """Leave out annotations and detections that miss a key, hold a wrong value, or name an unknown image or category.

    Args:
        truth: the ground truth.
        results: the detections.
        rules: keypoints or boxes, and how many keypoints.
        need_area: an annotation without an area can't be evaluated.
    """
    skipped: Counter[str] = Counter()
    points = 0 if rules.sigmas is None else 3 * len(rules.sigmas)
    known = {
        "image_id": {item.get("id") for item in truth.images.items},
        "category_id": {item.get("id") for item in truth.categories.items},
    }
    if not len(truth.categories):
        known.pop("category_id")
    needed = {"bbox": 4, "keypoints": points} if points else {"bbox": 4}
    annotations = _sift(truth.annotations, known, needed, ("id", "area") if need_area else ("id",), skipped)
    boxed = bool(results.items) and isinstance(results.items[0], Mapping) and bool(results.items[0].get("bbox"))
    needed = {"keypoints": points} if points else {}
    found = _sift(results, known, needed | ({"bbox": 4} if boxed else {}), ("score",), skipped)
    return Usable(replace(truth, annotations=annotations), found, dict(skipped))


def _sift(
    records: Records,
    known: Mapping[str, Set[object]],
    lists: Mapping[str, int],
    numbers: Sequence[str],
    skipped: Counter[str],
) -> Records:
    kept = []
    for row, item in enumerate(records.items):
        fault = _fault(item, known, lists, numbers)
        if fault:
            skipped[f"{records.kind}: {fault}"] += 1
        else:
            kept.append(row)
    return records.take(kept)


def _fault(
    item: Record, known: Mapping[str, Set[object]], lists: Mapping[str, int], numbers: Sequence[str]
) -> str | None:
    if not isinstance(item, Mapping):
        return "not an object"
    for key in (*known, *lists, *numbers):
        if key not in item:
            return f"no '{key}'"
    for key, ids in known.items():
        if not isinstance(item[key], Hashable) or item[key] not in ids:
            return f"unknown {key.removesuffix('_id')}"
    for key, length in lists.items():
        values = item[key]
        if not isinstance(values, Sequence) or len(values) != length:
            return f"'{key}' is not {length} numbers"
        if not all(map(_finite, values)):
            return f"'{key}' is not finite"
    return next((f"'{key}' is not finite" for key in numbers if not _finite(item[key])), None)


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
