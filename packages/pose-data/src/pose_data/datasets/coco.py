"""COCO keypoint JSON, read as arrays.

Boxes and keypoints are taken as they are, in pixels, even where they leave the image. An annotation without
an area gets `AREA_OF_BOX` times its box; one whose box has no width or height is left out, as COCO's own
tools do. Both are counted in the notes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.coco_categories import CocoCategories, parse_categories
from pose_data.datasets.coco_points import CategoryPoints, check_fit
from pose_data.datasets.fault import Fault
from pose_data.datasets.yolo import AREA_OF_BOX
from pose_data.errors import DataError
from pose_data.poses import PoseTargets
from pose_data.skeleton import Skeleton


@dataclass(frozen=True)
class CocoKeypoints:
    """A COCO keypoint file as arrays.

    Args:
        image_files: N file names, in the order of the file.
        image_ids: (N,) int64.
        sizes: (N, 2) int64, (height, width) in pixels; zeros where the file doesn't say.
        offsets: (N + 1,) int64; the annotations of image i are rows offsets[i] to offsets[i + 1].
        targets: all T annotations, image by image, in pixels.
        annotation_ids: (T,) int64.
        categories: classes and keypoints.
        faults: annotations that were left out because they can't be used.
        notes: what was left out or made up by rule, with counts.
    """

    image_files: tuple[str, ...]
    image_ids: NDArray[np.int64]
    sizes: NDArray[np.int64]
    offsets: NDArray[np.int64]
    targets: PoseTargets
    annotation_ids: NDArray[np.int64]
    categories: CocoCategories
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    def targets_of(self, index: int) -> PoseTargets:
        """The annotations of one image."""
        return self.targets[int(self.offsets[index]) : int(self.offsets[index + 1])]


def read_coco_keypoints(
    path: Path,
    *,
    names: tuple[str, ...] = (),
    num_keypoints: int | None = None,
    skeleton: Skeleton | None = None,
) -> CocoKeypoints:
    """Read a COCO keypoint file.

    Where categories list keypoints of their own, those of every annotation are put, by name, to their places in one
    skeleton; points that the category doesn't have aren't labelled.

    Args:
        path: the JSON file.
        names: the categories to read, in the order of the classes; all that have keypoints by default.
        num_keypoints: K, for a file that doesn't name its keypoints.
        skeleton: K keypoints and which of them each class has; those of the file by default.

    Raises:
        DataError: no such file, another kind of file, names that aren't in it, or keypoints of a category that the
            skeleton or the class doesn't have. Single annotations that can't be used are in `faults`.
    """
    content = _read_json(path)
    categories = parse_categories(_list(content, "categories", path), source=path, names=names)
    if skeleton is not None:
        check_fit(skeleton, categories, path=path)
        categories = replace(categories, skeleton=skeleton)
    count = len(categories.skeleton) if categories.skeleton is not None else num_keypoints
    images = _list(content, "images", path)
    annotations = _list(content, "annotations", path)
    if count is None or (annotations and not any("keypoints" in a for a in annotations)):
        raise DataError(
            f"{path}: must hold keypoints; got boxes alone; give COCO's person_keypoints_*.json, not instances_*.json"
        )
    reader = _Annotations(path, _image_positions(images, path), categories, count)
    for annotation in annotations:
        reader.add(annotation)
    return reader.result(images)


def _read_json(path: Path) -> Mapping[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; correct the path of 'annotations'") from error
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); give the path of a COCO JSON file") from error
    except ValueError as error:
        raise DataError(f"{path}: must be JSON; got {error}; copy the file again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: must hold images, annotations and categories; got a list; is it a file of results?")
    return content


def _list(content: Mapping[str, object], key: str, path: Path) -> list[dict[str, object]]:
    value = content.get(key)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise DataError(f"{path}: must have a list '{key}', as COCO keypoint files do; got {str(value)[:40]}")
    return value


def _image_positions(images: Sequence[Mapping[str, object]], path: Path) -> dict[int, int]:
    positions: dict[int, int] = {}
    for i, image in enumerate(images):
        key = image.get("id")
        if not isinstance(key, int) or not isinstance(image.get("file_name"), str):
            raise DataError(f"{path}: an image must have a whole number 'id' and a 'file_name'; got {str(image)[:80]}")
        if key in positions:
            raise DataError(f"{path}: image ids must differ; got {key} twice")
        positions[key] = i
    return positions


class _Annotations:
    """Collects the usable annotations of one file, and what is wrong with the others."""

    def __init__(self, path: Path, positions: dict[int, int], categories: CocoCategories, count: int) -> None:
        self.path, self.positions, self.categories, self.count = path, positions, categories, count
        self.labels = {category: label for label, category in enumerate(categories.ids)}
        self.points = CategoryPoints(categories, count)
        self.rows: list[tuple[int, int, int, float, bool]] = []  # image, id, class, area, crowd
        self.boxes: list[list[float]] = []
        self.keypoints: list[list[float]] = []
        self.faults: list[Fault] = []
        self.rules: Counter[str] = Counter()

    def add(self, annotation: Mapping[str, object]) -> None:
        """Take an annotation, or note why it can't be taken."""
        if annotation.get("category_id") not in self.labels:
            self.rules["annotations of other categories were left out"] += 1
            return
        label = self.labels[int(str(annotation["category_id"]))]
        reason = self._why_not(annotation, self.points.count_of(label))
        keypoints = [] if reason else self.points.spread(_numbers(annotation["keypoints"]) or [], label)
        reason = reason or self.points.why_not(keypoints, label)
        if reason:
            self.faults.append(Fault(self.path, None, f"annotation {annotation.get('id')}: {reason}"))
            return
        box = [float(str(value)) for value in _numbers(annotation["bbox"]) or ()]
        if box[2] <= 0 or box[3] <= 0:
            self.rules["annotations whose box has no width or height were left out"] += 1
            return
        area = annotation.get("area")
        if area is None:
            self.rules[f"annotations without 'area' got {AREA_OF_BOX} of their box"] += 1
            area = box[2] * box[3] * AREA_OF_BOX
        image, key = self.positions[int(str(annotation["image_id"]))], annotation.get("id", len(self.rows) + 1)
        self.rows.append((image, int(str(key)), label, float(str(area)), bool(annotation.get("iscrowd", 0))))
        self.boxes.append(box)
        self.keypoints.append(keypoints)

    def result(self, images: Sequence[Mapping[str, object]]) -> CocoKeypoints:
        """Join what was taken, in the order of the images."""
        columns = list(zip(*self.rows, strict=True)) or [(), (), (), (), ()]
        image = np.array(columns[0], np.int64)
        order = np.argsort(image, kind="stable")
        counts = np.bincount(image, minlength=len(images)).astype(np.int64)
        return CocoKeypoints(
            image_files=tuple(str(entry["file_name"]) for entry in images),
            image_ids=np.array(list(self.positions), np.int64),
            sizes=np.array([(_length(e, "height"), _length(e, "width")) for e in images], np.int64).reshape(-1, 2),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            targets=self._targets(columns)[order],
            annotation_ids=np.array(columns[1], np.int64)[order],
            categories=self.categories,
            faults=tuple(self.faults),
            notes=tuple(f"{self.path}: {count} {rule}" for rule, count in self.rules.items()),
        )

    def _targets(self, columns: Sequence[tuple[object, ...]]) -> PoseTargets:
        groups = np.array(self.keypoints, np.float64).reshape(-1, self.count, 3)
        boxes = np.array(self.boxes, np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        visibility = groups[..., 2].astype(np.uint8)
        return PoseTargets(
            boxes=boxes.astype(np.float32),
            labels=np.array(columns[2], np.int64),
            keypoints=np.where(visibility[..., None] > 0, groups[..., :2], 0).astype(np.float32),
            visibility=visibility,
            areas=np.array(columns[3], np.float32),
            crowd=np.array(columns[4], np.bool_),
        )

    def _why_not(self, annotation: Mapping[str, object], count: int) -> str | None:
        if annotation.get("image_id") not in self.positions:
            return f"image_id must be the id of one of the images; got {annotation.get('image_id')}"
        box = _numbers(annotation.get("bbox"))
        if box is None or len(box) != 4:
            return f"bbox must be 4 numbers, x y width height; got {str(annotation.get('bbox'))[:60]}"
        points = _numbers(annotation.get("keypoints"))
        if points is None or len(points) != 3 * count:
            got = "none" if annotation.get("keypoints") is None else "others" if points is None else len(points)
            return f"keypoints must be {3 * count} numbers, x y v for each of {count}; got {got}"
        strange = [v for v in points[2::3] if v not in (0, 1, 2)]
        if strange:
            return f"visibility must be 0 (not labelled), 1 (hidden) or 2 (visible); got {strange[0]:g}"
        area = annotation.get("area")
        if area is not None and (_numbers([area]) is None or float(str(area)) < 0):
            return f"area must be a number of square pixels; got {str(area)[:40]}"
        return None


def _numbers(values: object) -> list[float] | None:
    if not isinstance(values, list):
        return None
    good = all(type(v) in (int, float) for v in values) and bool(np.isfinite(values).all())
    return values if good else None


def _length(image: Mapping[str, object], key: str) -> int:
    value = image.get(key)
    return value if isinstance(value, int) and value > 0 else 0
