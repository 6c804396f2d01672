"""From COCO's records to columns: which rows count, in which order, with which area."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np

from pose_eval.exceptions import EvalError, EvalWarning
from pose_eval.json_files import read_json, read_result_columns, read_truth_columns
from pose_eval.problem import (
    Bools,
    Detections,
    Floats,
    Ids,
    Ints,
    Problem,
    Truths,
    box_areas,
    corners_to_boxes,
    keypoint_extents,
)
from pose_eval.records import Points, Record, Records
from pose_eval.rules import Rules

Identity: TypeAlias = int | str
GroundTruth: TypeAlias = str | Path | Mapping[str, object]
Results: TypeAlias = str | Path | Sequence[Record]

_AREA = "write the object's own area in px², or give box_area_factor (.53 of the box is usual) where there is none"
_ID = "every annotation needs a number of its own"
_POINTS = "write x, y, v for each keypoint of the skeleton, 0 0 0 where it isn't labelled"
_RESULT = 'a result is {"image_id", "category_id", "keypoints" or "bbox", "score"}'


@dataclass(frozen=True)
class TruthFile:
    """The three lists of a COCO ground truth.

    Args:
        images: with `id`.
        annotations: one per person or object.
        categories: with `id` and `name`; empty if the file names none.
    """

    images: Records
    annotations: Records
    categories: Records

    @property
    def num_keypoints(self) -> int | None:
        """K of the first annotation with keypoints; None if there is none."""
        columns = self.annotations.columns
        if columns is not None and columns.points is not None:
            return int(columns.points.thirds.shape[1])
        lists = (item.get("keypoints") for item in self.annotations.items)
        return next((len(values) // 3 for values in lists if isinstance(values, Sequence)), None)


def open_truth(ground_truth: GroundTruth) -> TruthFile:
    """Read a ground truth file, or take the dict that it would hold.

    Raises:
        EvalError: it is not a COCO ground truth.
    """
    annotations = None
    if isinstance(ground_truth, (str, Path)):
        source = str(ground_truth)
        content, annotations = read_truth_columns(Path(ground_truth))
    else:
        source, content = "ground truth", ground_truth
    if not isinstance(content, Mapping):
        raise EvalError(
            f"{source} must be an object with 'images', 'annotations' and 'categories'; got {type(content).__name__}; "
            "the ground truth comes first, the detections second"
        )
    lists = {}
    for key, kind in (("images", "image"), ("annotations", "annotation"), ("categories", "category")):
        items = content.get(key, [] if key == "categories" else None)
        if not isinstance(items, Sequence) or isinstance(items, str):
            raise EvalError(
                f"{source} must hold a list '{key}'; got {type(items).__name__}; is it a COCO ground truth?"
            )
        lists[key] = Records(items, source, kind)
    return TruthFile(**lists | ({"annotations": annotations} if annotations is not None else {}))


def open_results(detections: Results, *, plain: bool = False) -> Records:
    """Read a results file, or take the list that it would hold.

    Args:
        detections: the file or the list.
        plain: the records themselves are wanted, not only their columns.

    Raises:
        EvalError: it is not a list of records.
    """
    source, content = "detections", cast(object, detections)
    if isinstance(detections, (str, Path)):
        known = None if plain else read_result_columns(Path(detections))
        if known is not None:
            return known
        source, content = str(detections), read_json(Path(detections))
    if isinstance(content, Mapping) or not isinstance(content, Sequence):
        raise EvalError(
            f"{source} must be a list of results; got {type(content).__name__}; "
            "COCO results have no 'images' or 'annotations' around them"
        )
    return Records(content, source, "detection")


def read_problem(
    truth: TruthFile,
    results: Records,
    rules: Rules,
    *,
    image_ids: Sequence[Identity] | None = None,
    category_ids: Sequence[Identity] | None = None,
    box_area_factor: float | None = None,
) -> Problem:
    """Turn records into columns, as pycocotools' loaders and `COCOeval._prepare` understand them.

    Args:
        truth: the ground truth.
        results: the detections.
        rules: keypoints or boxes, how many keypoints, and whether to be strict.
        image_ids: only these images; None takes all that the ground truth lists.
        category_ids: only these categories.
        box_area_factor: area of an annotation without one, as a share of its box; None makes that an error.

    Raises:
        EvalError: a record is incomplete or wrong.
    """
    images = _identities(truth.images.values("id", way_out="every image needs an id"), truth.images)
    known = _category_ids(truth)
    _check_results(results, images=set(images), categories=set(known), source=truth.annotations.source)
    image_rows = _rows(images if image_ids is None else list(image_ids))
    category_rows = _rows(known if category_ids is None else list(category_ids))
    return Problem(
        image_ids=_id_array(image_rows),
        category_ids=_id_array(category_rows),
        truths=_truths(truth.annotations, rules, image_rows, category_rows, box_area_factor),
        detections=_detections(results, rules, image_rows, category_rows),
    )


def _identities(values: list[object], records: Records) -> list[Identity]:
    kinds = set(map(type, values))
    texts = {kind for kind in kinds if issubclass(kind, str)}
    wrong = {kind for kind in kinds - texts if not issubclass(kind, (int, float, np.integer, np.floating))}
    if wrong:
        row = next(row for row, value in enumerate(values) if type(value) in wrong)
        raise EvalError(f"{records.name(row)}: an id must be a number or a text; got {values[row]!r}; correct the id")
    if texts and kinds - texts:
        raise EvalError(f"{records.source}: ids of one kind must be all numbers or all texts; got both; choose one")
    return cast(list[Identity], values)


def _category_ids(truth: TruthFile) -> list[Identity]:
    if len(truth.categories):
        return _identities(truth.categories.values("id", way_out="every category needs an id"), truth.categories)
    used = truth.annotations.values("category_id", way_out="name the category of each annotation")
    return _identities(list(dict.fromkeys(used)), truth.annotations)


def _rows(ids: list[Identity]) -> dict[Identity, int]:
    return {identity: row for row, identity in enumerate(sorted(set(ids)))}


def _id_array(rows: dict[Identity, int]) -> Ids:
    return cast(Ids, np.array(list(rows))) if rows else np.zeros(0, np.int64)


def _check_results(results: Records, *, images: set[Identity], categories: set[Identity], source: str) -> None:
    for key, known in (("image_id", images), ("category_id", categories)):
        values = _ids(results, key, _RESULT)
        unknown = np.flatnonzero(_looked_up(values, _rows(list(known))) < 0)
        if len(unknown):
            row = int(unknown[0])
            what = key.removesuffix("_id")
            raise EvalError(
                f"{results.name(row)}: '{key}' must be one of {source}; got {results.items[row][key]!r}; "
                f"evaluate against the ground truth with this {what}, or take its results out"
            )


def _places(records: Records, images: dict[Identity, int], categories: dict[Identity, int]) -> tuple[Ints, Ints]:
    """Find the image's and the category's row of each record: (N,) each, -1 for one that isn't evaluated."""
    return (
        _looked_up(_ids(records, "image_id", "name the image of each annotation"), images),
        _looked_up(_ids(records, "category_id", "name the category of each annotation"), categories),
    )


def _ids(records: Records, key: str, way_out: str) -> list[Identity] | Ints:
    known = records.column(key)
    if known is not None:
        return cast(Ints, known)  # ids are read as whole numbers
    return _identities(records.values(key, way_out=way_out), records)


def _looked_up(ids: list[Identity] | Ints, rows: dict[Identity, int]) -> Ints:
    """Find the row of each id: (N,), -1 for an unknown one."""
    known, wanted = _id_array(rows), np.array(ids) if len(ids) else np.zeros(0, np.int64)
    if not len(known) or known.dtype.kind != "i" or wanted.dtype.kind != "i":
        return np.fromiter((rows.get(identity, -1) for identity in ids), np.int64, len(ids))
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[places] == wanted, places, -1)


def _truths(
    annotations: Records,
    rules: Rules,
    images: dict[Identity, int],
    categories: dict[Identity, int],
    box_area_factor: float | None,
) -> Truths:
    image_rows, category_rows = _places(annotations, images, categories)
    used = np.flatnonzero((image_rows >= 0) & (category_rows >= 0))
    ids = annotations.numbers("id", way_out=_ID).astype(np.int64)
    used = _without_duplicates(ids, used, image_rows, annotations, strict=rules.strict)
    used = used[(image_rows[used] >= 0) & (category_rows[used] >= 0)]
    kept = annotations.take(used.tolist())
    crowd = _crowd(kept, strict=rules.strict)
    keypoints, labelled = _truth_points(kept, rules)
    boxes = kept.lists("bbox", 4, way_out="write left, top, width, height in pixels")
    return Truths(
        images=image_rows[used],
        categories=category_rows[used],
        ids=ids[used],
        boxes=boxes,
        areas=_areas(kept, boxes, box_area_factor),
        crowd=crowd,
        ignored=crowd | _unlabelled(kept, labelled, rules) if rules.iou_type == "keypoints" else crowd,
        keypoints=keypoints,
        labelled=labelled,
    )


def _areas(annotations: Records, boxes: Floats, factor: float | None) -> Floats:
    if factor is None:
        areas = annotations.numbers("area", way_out=_AREA)
    else:
        given = annotations.optional("area")
        default = (factor * box_areas(boxes)).tolist()
        filled = [{"area": own if area is None else area} for area, own in zip(given, default, strict=True)]
        areas = Records(filled, annotations.source, annotations.kind).numbers("area", way_out=_AREA)
    if (areas < 0).any():
        row = int(np.flatnonzero(areas < 0)[0])
        raise EvalError(f"{annotations.name(row)}: 'area' must be 0 or more; got {areas[row]}; {_AREA}")
    return areas


def _without_duplicates(ids: Ints, used: Ints, images: Ints, annotations: Records, *, strict: bool) -> Ints:
    """Keep annotations whose ids repeat apart; strict lets the last of them stand in for all, as pycocotools does."""
    ordered = np.sort(ids)
    if not (ordered[1:] == ordered[:-1]).any():
        return used
    if not strict:
        values, counts = np.unique(ids[used], return_counts=True)
        for identity in values[counts > 1][:1]:
            warnings.warn(
                f"{annotations.source}: annotation id {identity} must be used once; got several; each counts "
                "for itself, pycocotools takes the last for all: number the annotations anew",
                EvalWarning,
                stacklevel=2,
            )
        return used
    last = {int(identity): row for row, identity in enumerate(ids)}
    in_order = used[np.argsort(images[used], kind="stable")]
    return np.array([last[int(ids[row])] for row in in_order], np.int64)


def _crowd(annotations: Records, *, strict: bool) -> Bools:
    if strict:
        return np.asarray(annotations.numbers("iscrowd", way_out="write 0, or 1 for a region of many people") != 0)
    return np.array([bool(value) for value in annotations.optional("iscrowd")], np.bool_)


def _truth_points(annotations: Records, rules: Rules) -> tuple[Floats, Bools]:
    if rules.sigmas is None:
        return np.zeros((len(annotations), 0, 2)), np.zeros((len(annotations), 0), np.bool_)
    count = len(rules.sigmas)
    points = annotations.points(count, way_out=f"{_POINTS}; there are {count} sigmas")
    return points.places, np.asarray(points.thirds > 0)


def _unlabelled(annotations: Records, labelled: Bools, rules: Rules) -> Bools:
    if rules.strict:
        return np.asarray(annotations.numbers("num_keypoints", way_out="count the points with v > 0") == 0)
    counted = np.count_nonzero(labelled, axis=1)
    given = annotations.optional("num_keypoints")
    return np.array(
        [not (own if value is None else value) for value, own in zip(given, counted, strict=True)], np.bool_
    )


def _detections(
    results: Records, rules: Rules, images: dict[Identity, int], categories: dict[Identity, int]
) -> Detections:
    image_rows, category_rows = _places(results, images, categories)
    used = np.flatnonzero((image_rows >= 0) & (category_rows >= 0))
    # pycocotools looks at the first result only: if it has a box, all boxes and areas are taken from the file.
    boxed = results.has_list("bbox")
    if len(used) < len(results):
        results = results.take(used.tolist())
    count = len(rules.sigmas) if rules.sigmas is not None else 0
    points = _result_points(results, count) if count or not boxed else Points.make(len(results), 0)
    extents = keypoint_extents(points.places)
    boxes = results.lists("bbox", 4, way_out=_RESULT) if boxed else corners_to_boxes(extents)
    return Detections(
        images=image_rows[used],
        categories=category_rows[used],
        scores=results.numbers("score", way_out=_RESULT),
        boxes=boxes,
        areas=box_areas(boxes),
        keypoints=points.places if count else np.zeros((len(results), 0, 2)),
        extents=extents,
        keypoint_scores=points.thirds if count else np.zeros((len(results), 0)),
    )


def _result_points(results: Records, count: int) -> Points:
    if not len(results):
        return Points.make(0, count)
    if not count and results.columns is not None and results.columns.points is not None:
        return results.columns.points
    if not count:
        first = results.items[0].get("keypoints")
        count = len(first) // 3 if isinstance(first, (Sequence, np.ndarray)) else 0
        if not count:
            raise EvalError(f"{results.name(0)} must have 'bbox' or 'keypoints'; got neither; {_RESULT}")
    return results.points(count, way_out=f"write x, y, score for each of the {count} keypoints")
