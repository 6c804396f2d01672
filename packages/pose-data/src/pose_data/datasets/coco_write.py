"""COCO keypoint JSON, written as COCO writes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.coco import CocoKeypoints
from pose_data.datasets.coco_categories import CocoCategories
from pose_data.files import atomic_path


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
    columns = zip(
        annotated.annotation_ids.tolist(),
        image_ids.tolist(),
        [annotated.categories.ids[label] for label in targets.labels],
        _short_xywh(targets.boxes).tolist(),
        _short(targets.areas).tolist(),
        targets.crowd.astype(int).tolist(),
        (targets.visibility > 0).sum(axis=1).tolist(),
        [[*map(_whole, row)] for row in triples.reshape(len(targets), triples.shape[1] * 3).tolist()],
        strict=True,
    )
    keys = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "num_keypoints", "keypoints")
    return [dict(zip(keys, row, strict=True)) for row in columns]


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _category_entries(categories: CocoCategories) -> list[dict[str, object]]:
    skeleton = categories.skeleton
    shape: dict[str, object] = {}
    if skeleton is not None:
        shape = {"keypoints": list(skeleton.names), "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges]}
    return [{"id": i, "name": name, **shape} for i, name in zip(categories.ids, categories.names, strict=True)]
