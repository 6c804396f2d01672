"""What is evaluated: every annotation and every detection of a data set, as columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Ids = NDArray[np.int64] | NDArray[np.str_]

_CHUNK = 512  # people at a time: the working arrays stay inside the processor's cache


@dataclass(frozen=True)
class Truths:
    """Annotated people (or objects) of all images, one row each.

    Rows of one image stand in the order of the file: where two match equally well, the later one wins.

    Args:
        images: (M,) row of the image in `Problem.image_ids`.
        categories: (M,) row of the category in `Problem.category_ids`.
        ids: (M,) annotation ids, used in messages and for the quirk of id 0.
        boxes: (M, 4) xywh image pixels: left, top, width, height, as COCO writes them.
        areas: (M,) px² of the object itself, not of its box.
        crowd: (M,) a region of many people, which any number of detections may match.
        ignored: (M,) counts neither for nor against: crowds, and for keypoints people without a labelled point.
        keypoints: (M, K, 2) xy image pixels; K is 0 where only boxes are known.
        labelled: (M, K) the point was annotated (COCO's v > 0).
        own: (M, K) objects of this class have the point; None where all classes have all points.
    """

    images: Ints
    categories: Ints
    ids: Ints
    boxes: Floats
    areas: Floats
    crowd: Bools
    ignored: Bools
    keypoints: Floats
    labelled: Bools
    own: Bools | None = None

    def __len__(self) -> int:
        return len(self.images)

    def choose(self, rows: Ints | Bools) -> Truths:
        """Keep rows by number or mask, in the order given."""
        columns = [getattr(self, field.name) for field in fields(self)]
        chosen: list[Any] = [None if column is None else column[rows] for column in columns]
        return Truths(*chosen)


@dataclass(frozen=True)
class Detections:
    """Found people (or objects) of all images, one row each, in the order of the file.

    Args:
        images: (N,) row of the image in `Problem.image_ids`.
        categories: (N,) row of the category in `Problem.category_ids`.
        scores: (N,) any scale, more is better.
        boxes: (N, 4) xywh image pixels.
        areas: (N,) px²; decides whether an unmatched detection lies outside an area range.
        keypoints: (N, K, 2) xy image pixels; K is 0 where only boxes are known. A point that the class doesn't have
            lies on one that it has.
        extents: (N, 4) x0 y0 x1 y1 around all keypoints, as `keypoint_extents` finds it; not read where K is 0.
        keypoint_scores: (N, K) how sure each keypoint is; only its calibration is measured, COCO's numbers ignore it.
    """

    images: Ints
    categories: Ints
    scores: Floats
    boxes: Floats
    areas: Floats
    keypoints: Floats
    extents: Floats
    keypoint_scores: Floats

    def __len__(self) -> int:
        return len(self.images)

    def choose(self, rows: Ints | Bools) -> Detections:
        """Keep rows by number or mask, in the order given."""
        return Detections(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Problem:
    """Truth and detections of one data set.

    Args:
        image_ids: (I,) sorted; images without anything count as well.
        category_ids: (C,) sorted.
        truths: what was annotated.
        detections: what was found.
    """

    image_ids: Ids
    category_ids: Ids
    truths: Truths
    detections: Detections


def keypoint_extents(keypoints: Floats) -> Floats:
    """Find the upright box around all keypoints of each person, whatever their scores.

    Args:
        keypoints: (N, K, 2) xy.

    Returns:
        (N, 4) x0 y0 x1 y1; zeros if K is 0.
    """
    people, points = keypoints.shape[:2]
    extents = np.zeros((people, 4))
    for start in range(0, people if points else 0, _CHUNK):
        chunk = keypoints[start : start + _CHUNK]
        # Folding over the first axis has long inner loops: with the copy it takes a fifth of the time of axis=1.
        columns = np.ascontiguousarray(chunk.reshape(len(chunk), 2 * points).T).reshape(points, 2, len(chunk))
        extents[start : start + _CHUNK, :2] = columns.min(axis=0).T
        extents[start : start + _CHUNK, 2:] = columns.max(axis=0).T
    return extents


def corners_to_boxes(corners: Floats) -> Floats:
    """Turn (N, 4) x0 y0 x1 y1 into x y width height."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def box_areas(boxes: Floats) -> Floats:
    """Multiply width by height of (N, 4) xywh boxes."""
    return np.asarray(boxes[:, 2] * boxes[:, 3])
