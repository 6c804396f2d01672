"""Where the keypoints that a COCO category lists stand among those of all categories."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pose_data.datasets.coco_categories import CocoCategories
from pose_data.errors import DataError
from pose_data.skeleton import Skeleton


class CategoryPoints:
    """The places of every category's keypoints in one skeleton.

    Args:
        categories: with that skeleton.
        count: K, where the skeleton isn't known.
    """

    def __init__(self, categories: CocoCategories, count: int) -> None:
        self.categories, self.count = categories, count
        skeleton, listed = categories.skeleton, categories.points
        self._has = None if skeleton is None else skeleton.class_points
        self._places: list[list[int]] | None = None
        if skeleton is not None and listed is not None:
            self._places = [[skeleton.names.index(point) for point in points] for points in listed.values()]

    def count_of(self, label: int) -> int:
        """How many keypoints annotations of a class list."""
        return self.count if self._places is None else len(self._places[label])

    def spread(self, numbers: list[float], label: int) -> list[float]:
        """Put the x, y, v of a class's points to their places among all K; the others are zeros."""
        if self._places is None:
            return numbers
        spread = [0.0] * (3 * self.count)
        for i, k in enumerate(self._places[label]):
            spread[3 * k : 3 * k + 3] = numbers[3 * i : 3 * i + 3]
        return spread

    def why_not(self, spread: list[float], label: int) -> str | None:
        """Name a labelled point among all K that the class doesn't have."""
        skeleton = self.categories.skeleton
        if self._has is None or skeleton is None:
            return None
        strange = np.flatnonzero((np.array(spread[2::3]) > 0) & ~self._has[label]).tolist()
        if not strange:
            return None
        return (
            f"'{skeleton.names[strange[0]]}' must not be labelled, for class '{self.categories.names[label]}' doesn't "
            "have it; write 0 0 0, or add the point to the class in 'skeleton: classes'"
        )


def check_fit(skeleton: Skeleton, categories: CocoCategories, *, path: Path) -> None:
    """Check that a skeleton, and each class of it, has the points that the categories of a file list.

    Raises:
        DataError: it hasn't.
    """
    if categories.points is None:
        count = len(skeleton if categories.skeleton is None else categories.skeleton)
        if count != len(skeleton):
            raise DataError(f"{path}: must have {len(skeleton)} keypoints as the data YAML says; got {count}")
        return
    if skeleton.classes is None and any(set(own) != set(skeleton.names) for own in categories.points.values()):
        raise DataError(
            f"{path}: its categories have keypoints of their own, and the data YAML must say so; got keypoint names "
            "without 'skeleton: classes'; add it, or leave keypoint names to the file"
        )
    for label, (name, points) in enumerate(categories.points.items()):
        own = skeleton.names if skeleton.classes is None else [skeleton.names[k] for k in skeleton.classes[label]]
        strange = [point for point in points if point not in own]
        if strange:
            raise DataError(
                f"{path}: category '{name}' must have no keypoints but those that the data YAML gives to the class, "
                f"{', '.join(own)}; got '{strange[0]}'; correct 'skeleton: classes', or leave it out"
            )
