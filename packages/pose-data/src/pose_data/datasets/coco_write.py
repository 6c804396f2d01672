"""COCO keypoint JSON, written as COCO writes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.coco import CocoKeypoints
from pose_data.datasets.coco_categories import CocoCategories
from pose_data.files import atomic_path
from pose_data.skeleton import Skeleton


def write_coco_keypoints(path: Path, annotated: CocoKeypoints) -> None:
    """Write a COCO keypoint file, with visibility, areas and crowd marks.

    Raises:
        PoseError: the file can't be written.
    """
    rows = np.repeat(np.arange(len(annotated.image_ids)), np.diff(annotated.offsets))
    content = {
        "images": [
            {"id": int(i), "file_name": name, "height": int(h), "width": int(w)}
            for i, name, (h, w) in zip(annotated.image_ids, annotated.image_files, annotated.sizes, strict=True)
        ],
        "annotations": _annotation_entries(annotated, annotated.image_ids[rows]),
        "categories": _category_entries(annotated.categories),
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def _short(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn float32 into the shortest decimals that read back as the same float32, such as 12.3 for 12.300000190."""
    return values.astype(str).astype(np.float64)


def _short_xywh(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    corners = _short(boxes)
    # Rounded, so that the difference of two short decimals is short too.
    return np.concatenate([corners[:, :2], np.round(corners[:, 2:] - corners[:, :2], 6)], axis=1)


def _annotation_entries(annotated: CocoKeypoints, image_ids: NDArray[np.int64]) -> list[dict[str, object]]:
    targets = annotated.targets
    triples = np.concatenate([_short(targets.keypoints), targets.visibility[..., None]], axis=-1)
    own = _points_of(annotated.categories)
    listed = [row[own[label]].ravel().tolist() for row, label in zip(triples, targets.labels.tolist(), strict=True)]
    columns = zip(
        annotated.annotation_ids.tolist(),
        image_ids.tolist(),
        [annotated.categories.ids[label] for label in targets.labels],
        _short_xywh(targets.boxes).tolist(),
        _short(targets.areas).tolist(),
        targets.crowd.astype(int).tolist(),
        (targets.visibility > 0).sum(axis=1).tolist(),
        [[*map(_whole, row)] for row in listed],
        strict=True,
    )
    keys = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "num_keypoints", "keypoints")
    return [dict(zip(keys, row, strict=True)) for row in columns]


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _category_entries(categories: CocoCategories) -> list[dict[str, object]]:
    shapes = [_shape(categories.skeleton, own) for own in _points_of(categories)]
    entries = zip(categories.ids, categories.names, shapes, strict=True)
    return [{"id": i, "name": name, **shape} for i, name, shape in entries]


def _points_of(categories: CocoCategories) -> list[list[int] | slice]:
    """For each category the keypoints that it lists."""
    if categories.skeleton is None or categories.skeleton.classes is None:
        return [slice(None)] * len(categories.ids)
    return [list(points) for points in categories.skeleton.classes]


def _shape(skeleton: Skeleton | None, own: list[int] | slice) -> dict[str, object]:
    """Name the keypoints of a category and its limbs, counted from 1."""
    if skeleton is None:
        return {}
    points = np.arange(len(skeleton))[own].tolist()
    limbs = [(a, b) for a, b in skeleton.edges if a in points and b in points]
    return {
        "keypoints": [skeleton.names[k] for k in points],
        "skeleton": [[points.index(a) + 1, points.index(b) + 1] for a, b in limbs],
    }
