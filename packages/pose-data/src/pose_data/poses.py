"""The two result types: poses that were found in an image, and poses that people annotated."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Index = slice | list[int] | NDArray[np.int64] | NDArray[np.bool_]
_T = TypeVar("_T", "Poses", "PoseTargets")


@dataclass(frozen=True)
class Poses:
    """People found in one image, best score first where a network found them.

    Args:
        boxes: (N, 4) float32, xyxy pixels of the image.
        scores: (N,) float32 in [0, 1].
        labels: (N,) int64 class indices.
        keypoints: (N, K, 2) float32, xy pixels of the image. A low score never alters a coordinate.
        keypoint_scores: (N, K) float32 in [0, 1]; 1 for networks that give none, 0 for points that the class lacks.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Index) -> Poses:
        return _take(self, index)

    @classmethod
    def empty(cls, num_keypoints: int) -> Poses:
        """Make the result of an image with nobody in it; K is kept."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            labels=np.zeros(0, np.int64),
            keypoints=np.zeros((0, num_keypoints, 2), np.float32),
            keypoint_scores=np.zeros((0, num_keypoints), np.float32),
        )


@dataclass(frozen=True)
class PoseTargets:
    """People annotated in one image.

    Args:
        boxes: (M, 4) float32, xyxy pixels of the image.
        labels: (M,) int64 class indices.
        keypoints: (M, K, 2) float32, xy pixels of the image.
        visibility: (M, K) uint8 as in COCO: 0 not labelled, 1 labelled but hidden, 2 visible.
        areas: (M,) float32, square pixels of the object itself (its segment), not of its box.
        crowd: (M,) bool; True marks a region of many people that counts neither for nor against.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    visibility: NDArray[np.uint8]
    areas: NDArray[np.float32]
    crowd: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Index) -> PoseTargets:
        return _take(self, index)

    @classmethod
    def empty(cls, num_keypoints: int) -> PoseTargets:
        """Make the annotation of an image with nobody in it; K is kept."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            labels=np.zeros(0, np.int64),
            keypoints=np.zeros((0, num_keypoints, 2), np.float32),
            visibility=np.zeros((0, num_keypoints), np.uint8),
            areas=np.zeros(0, np.float32),
            crowd=np.zeros(0, np.bool_),
        )


def concatenate(parts: list[_T]) -> _T:
    """Join results of one type (at least one of them) into one."""
    first = parts[0]
    return type(first)(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(first)))


def _take(poses: _T, index: Index) -> _T:
    if not isinstance(index, slice):
        index = np.asarray(index)
        if index.ndim != 1:
            raise IndexError(f"an index of poses must be a slice, a mask or a list of rows; got shape {index.shape}")
        if index.size == 0:
            index = index.astype(np.int64)
    return type(poses)(*(getattr(poses, f.name)[index] for f in fields(poses)))
