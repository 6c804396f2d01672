"""Plain arrays of one image, made into what an evaluator takes; what is left out has its meaning here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pose_eval.problem import Bools, Floats, Ints, keypoint_extents


@dataclass(frozen=True)
class FoundPeople:
    """People found in one image: the fields of `FoundPoses`.

    Args:
        boxes: (N, 4) xyxy image pixels.
        scores: (N,).
        labels: (N,).
        keypoints: (N, K, 2) xy image pixels.
        keypoint_scores: (N, K).
    """

    boxes: Floats
    scores: Floats
    labels: Ints
    keypoints: Floats
    keypoint_scores: Floats


@dataclass(frozen=True)
class AnnotatedPeople:
    """People annotated in one image: the fields of `AnnotatedPoses`.

    Args:
        boxes: (M, 4) xyxy image pixels.
        labels: (M,).
        keypoints: (M, K, 2) xy image pixels.
        visibility: (M, K) 0 not labelled, 1 hidden, 2 visible.
        areas: (M,) px².
        crowd: (M,).
    """

    boxes: Floats
    labels: Ints
    keypoints: Floats
    visibility: Ints
    areas: Floats
    crowd: Bools


def found_people(
    keypoints: ArrayLike,
    scores: ArrayLike,
    *,
    boxes: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    keypoint_scores: ArrayLike | None = None,
) -> FoundPeople:
    """Put arrays of found people together.

    Args:
        keypoints: (N, K, 2) xy image pixels, or (N, K, 3) with a score for each keypoint.
        scores: (N,).
        boxes: (N, 4) xyxy image pixels; None takes the extent of the keypoints.
        labels: (N,) class indices; None is class 0.
        keypoint_scores: (N, K); None takes those beside the keypoints, or 1.
    """
    points = np.asarray(keypoints, np.float64)
    if keypoint_scores is None:
        keypoint_scores = points[..., 2] if points.shape[-1] == 3 else np.ones(points.shape[:2])
    points = np.ascontiguousarray(points[..., :2])
    return FoundPeople(
        boxes=keypoint_extents(points) if boxes is None else np.asarray(boxes, np.float64).reshape(-1, 4),
        scores=np.asarray(scores, np.float64),
        labels=np.zeros(len(points), np.int64) if labels is None else np.asarray(labels, np.int64),
        keypoints=points,
        keypoint_scores=np.asarray(keypoint_scores, np.float64),
    )


def annotated_people(
    keypoints: ArrayLike,
    visibility: ArrayLike,
    areas: ArrayLike,
    *,
    boxes: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    crowd: ArrayLike | None = None,
) -> AnnotatedPeople:
    """Put arrays of annotated people together.

    Args:
        keypoints: (M, K, 2) xy image pixels.
        visibility: (M, K) 0 not labelled, 1 hidden, 2 visible.
        areas: (M,) px² of the object itself; with boxes only, COCO's own data suggest box width * height * 0.53.
        boxes: (M, 4) xyxy image pixels; None takes the extent of all keypoints.
        labels: (M,) class indices; None is class 0.
        crowd: (M,); None is no crowd.
    """
    points = np.asarray(keypoints, np.float64)
    return AnnotatedPeople(
        boxes=keypoint_extents(points) if boxes is None else np.asarray(boxes, np.float64).reshape(-1, 4),
        labels=np.zeros(len(points), np.int64) if labels is None else np.asarray(labels, np.int64),
        keypoints=points,
        visibility=np.asarray(visibility, np.int64),
        areas=np.asarray(areas, np.float64),
        crowd=np.zeros(len(points), np.bool_) if crowd is None else np.asarray(crowd, np.bool_),
    )
