"""The images that an evaluator has collected: arrays in, columns out."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pose_eval.exceptions import EvalError
from pose_eval.problem import (
    Bools,
    Detections,
    Floats,
    Ints,
    Problem,
    Truths,
    box_areas,
    corners_to_boxes,
    keypoint_extents,
)

Numbers = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int64] | NDArray[np.uint8]


class FoundPoses(Protocol):
    """Anything with these fields, such as `pose_data.Poses`.

    boxes (N, 4) xyxy image pixels, scores (N,), labels (N,) class indices, keypoints (N, K, 2) xy image pixels; where
    it has keypoint_scores (N, K) as well, their calibration can be reported.
    """

    @property
    def boxes(self) -> Numbers: ...  # noqa: D102
    @property
    def scores(self) -> Numbers: ...  # noqa: D102
    @property
    def labels(self) -> Numbers: ...  # noqa: D102
    @property
    def keypoints(self) -> Numbers: ...  # noqa: D102


class AnnotatedPoses(Protocol):
    """Anything with these fields, such as `pose_data.PoseTargets`.

    boxes (M, 4) xyxy image pixels, labels (M,), keypoints (M, K, 2) xy image pixels, visibility (M, K) 0/1/2 as in
    COCO, areas (M,) px² of the object itself, crowd (M,) bool.
    """

    @property
    def boxes(self) -> Numbers: ...  # noqa: D102
    @property
    def labels(self) -> Numbers: ...  # noqa: D102
    @property
    def keypoints(self) -> Numbers: ...  # noqa: D102
    @property
    def visibility(self) -> Numbers: ...  # noqa: D102
    @property
    def areas(self) -> Numbers: ...  # noqa: D102
    @property
    def crowd(self) -> Bools: ...  # noqa: D102


@dataclass(frozen=True)
class ImageSet:
    """Some images in a row, with everything that was found and annotated in them.

    Args:
        names: (I,) text; "" for an image without a name.
        found: (I,) number of detections of each image.
        boxes: (N, 4) xyxy image pixels.
        scores: (N,).
        labels: (N,).
        keypoints: (N, K, 2) xy image pixels.
        keypoint_scores: (N, K).
        annotated: (I,) number of annotations of each image.
        truth_boxes: (M, 4) xyxy image pixels.
        truth_labels: (M,).
        truth_keypoints: (M, K, 2) xy image pixels.
        labelled: (M, K).
        areas: (M,) px².
        crowd: (M,).
    """

    names: NDArray[np.str_]
    found: Ints
    boxes: Floats
    scores: Floats
    labels: Ints
    keypoints: Floats
    keypoint_scores: Floats
    annotated: Ints
    truth_boxes: Floats
    truth_labels: Ints
    truth_keypoints: Floats
    labelled: Bools
    areas: Floats
    crowd: Bools

    def __len__(self) -> int:
        return len(self.names)

    def choose(self, images: Bools) -> ImageSet:
        """Keep the images of a mask, (I,)."""
        found, annotated = np.repeat(images, self.found), np.repeat(images, self.annotated)
        rows = {"names": images, "found": images, "annotated": images}
        rows |= dict.fromkeys(("boxes", "scores", "labels", "keypoints", "keypoint_scores"), found)
        return ImageSet(**{f.name: getattr(self, f.name)[rows.get(f.name, annotated)] for f in fields(self)})


def one_image(poses: FoundPoses, targets: AnnotatedPoses, *, name: str, place: str) -> ImageSet:
    """Check the arrays of one image and take them over.

    Raises:
        EvalError: a field is missing, has a wrong shape or holds a number that isn't finite; the text begins with
            `place`.
    """
    found = {key: _field(poses, key, place, "found") for key in ("boxes", "scores", "labels", "keypoints")}
    if hasattr(poses, "keypoint_scores"):
        found["keypoint_scores"] = _field(poses, "keypoint_scores", place, "found")
    keys = ("boxes", "labels", "keypoints", "visibility", "areas", "crowd")
    annotated = {key: _field(targets, key, place, "annotated") for key in keys}
    for what, columns in (("found", found), ("annotated", annotated)):
        points = columns["keypoints"].shape[1] if columns["keypoints"].ndim == 3 else -1
        count = len(columns["boxes"])
        shapes: dict[str, tuple[int, ...]] = {"boxes": (count, 4), "keypoints": (count, points, 2)}
        shapes |= dict.fromkeys(("visibility", "keypoint_scores"), (count, points))
        for key, column in columns.items():
            if column.shape != shapes.get(key, (count,)):
                expected = shapes.get(key, (count,)) if points >= 0 else "arrays, keypoints (N, K, 2)"
                raise EvalError(
                    f"{place}: {what} {key} must be {expected}; got {column.shape}; there is one row per person, "
                    "also when there is nobody"
                )
    return ImageSet(
        names=np.array([name]),
        found=np.array([len(found["boxes"])]),
        **{key: found[key] for key in ("boxes", "scores", "keypoints")},
        labels=found["labels"].astype(np.int64),
        keypoint_scores=found.get("keypoint_scores", np.ones(found["keypoints"].shape[:2])),
        annotated=np.array([len(annotated["boxes"])]),
        truth_boxes=annotated["boxes"],
        truth_labels=annotated["labels"].astype(np.int64),
        truth_keypoints=annotated["keypoints"],
        labelled=annotated["visibility"] > 0,
        areas=annotated["areas"],
        crowd=annotated["crowd"] != 0,
    )


def join(parts: list[ImageSet]) -> ImageSet:
    """Put sets (at least one) one after the other."""
    return ImageSet(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(ImageSet)))


def to_problem(images: ImageSet, *, num_classes: int, by_keypoints: bool, class_points: Bools | None = None) -> Problem:
    """Turn images into the columns of an evaluation.

    Images are sorted by name if all have one, so that ties don't depend on the order in which they came.

    Args:
        images: what was collected.
        num_classes: C.
        by_keypoints: people without a labelled keypoint are ignored, and a detection's size is that of its keypoints.
        class_points: (C, K) which class has which points; None when every class has all.
    """
    order = np.argsort(images.names, kind="stable") if np.all(images.names != "") else np.arange(len(images))
    places = np.empty(len(images), np.int64)
    places[order] = np.arange(len(images))
    boxes = corners_to_boxes(images.boxes)
    keypoints = images.keypoints
    if class_points is not None:
        keypoints = _without_lacking(keypoints, class_points[images.labels])
    extents = keypoint_extents(keypoints)
    return Problem(
        image_ids=images.names[order] if np.all(images.names != "") else np.arange(len(images)),
        category_ids=np.arange(num_classes),
        truths=Truths(
            images=np.repeat(places, images.annotated),
            categories=images.truth_labels,
            ids=np.arange(1, len(images.areas) + 1),
            boxes=corners_to_boxes(images.truth_boxes),
            areas=images.areas,
            crowd=images.crowd,
            ignored=images.crowd | ~images.labelled.any(axis=1) if by_keypoints else images.crowd,
            keypoints=images.truth_keypoints,
            labelled=images.labelled,
            own=None if class_points is None else class_points[images.truth_labels],
        ),
        detections=Detections(
            images=np.repeat(places, images.found),
            categories=images.labels,
            scores=images.scores,
            boxes=boxes,
            areas=box_areas(corners_to_boxes(extents) if by_keypoints else boxes),
            keypoints=keypoints,
            extents=extents,
            keypoint_scores=images.keypoint_scores,
        ),
    )


def _without_lacking(keypoints: Floats, own: Bools) -> Floats:
    """Put points that the class doesn't have, (N, K), on the first that it has: they add nothing to the extent."""
    first = keypoints[np.arange(len(own)), own.argmax(axis=1)]
    return np.where(own[..., None], keypoints, first[:, None])


def pack(images: ImageSet) -> bytes:
    """Write a set into bytes, without anything that could be executed."""
    packed = io.BytesIO()
    np.savez(packed, **{field.name: getattr(images, field.name) for field in fields(images)})
    return packed.getvalue()


def unpack(content: bytes) -> ImageSet:
    """Read what `pack` wrote.

    Raises:
        EvalError: the bytes are something else.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as columns:
            return ImageSet(**{field.name: columns[field.name] for field in fields(ImageSet)})
    except (ValueError, KeyError, OSError, EOFError, AttributeError, TypeError) as error:
        raise EvalError(f"packed results must come from PoseEvaluator.to_bytes; got {error}; pack them anew") from error


def _field(poses: object, key: str, place: str, what: str) -> Floats:
    try:
        column = np.asarray(getattr(poses, key), np.float64)
    except AttributeError as error:
        raise EvalError(
            f"{place}: {what} people must have '{key}'; got {type(poses).__name__} without it; "
            "give an object with the fields of pose_data.Poses and PoseTargets"
        ) from error
    except (TypeError, ValueError) as error:
        raise EvalError(f"{place}: {what} {key} must be an array of numbers; got {error}; convert it first") from error
    if not np.isfinite(column).all():
        row = int(np.flatnonzero(~np.isfinite(column.reshape(len(column), -1)).all(axis=1))[0])
        seen = column[row][~np.isfinite(column[row])].flat[0]
        raise EvalError(
            f"{place}: {what} {key} must be finite; got {seen} in row {row}; "
            "a network that gives NaN has diverged: leave such rows out only if you know why"
        )
    return column
