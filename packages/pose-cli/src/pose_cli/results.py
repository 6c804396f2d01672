"""What was found in one image, with the image and the time it took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import Frame, Poses, Predictor, Skeleton, StageTimes, draw_poses


@dataclass(frozen=True)
class Result:
    """People found in one image of a source.

    Args:
        poses: what was found, in pixels of the image.
        image: (H, W, 3) uint8 RGB, as it was read.
        name: what the image is called.
        path: its file; None for arrays and URLs.
        times: milliseconds of each stage.
        names: C class names.
        skeleton: the K keypoints.
        keypoint_dims: 3 when the network scores each keypoint, 2 when it doesn't.
    """

    poses: Poses
    image: NDArray[np.uint8]
    name: str
    path: Path | None
    times: StageTimes
    names: tuple[str, ...]
    skeleton: Skeleton
    keypoint_dims: int

    def __len__(self) -> int:
        return len(self.poses)

    def draw(self, *, keypoint_threshold: float = 0.25) -> NDArray[np.uint8]:
        """Draw the people on a copy of the image.

        Args:
            keypoint_threshold: points with a lower score are left out of the drawing.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        return draw_poses(
            self.image, self.poses, self.skeleton, names=self.names, keypoint_threshold=keypoint_threshold
        )

    def summary(self) -> str:
        """How many of each class, such as "3 person"."""
        if not len(self.poses):
            return "nobody"
        classes, counts = np.unique(self.poses.labels, return_counts=True)
        return ", ".join(f"{count} {self.names[label]}" for label, count in zip(classes, counts, strict=True))

    def line(self, number: int) -> str:
        """What is printed of the image, such as "1 a.jpg 640x480: 3 person; preprocess 1.0 ms, ..."."""
        height, width = self.image.shape[:2]
        times = self.times
        stages = f"preprocess {times.preprocess:.1f} ms, network {times.network:.1f} ms, select {times.select:.1f} ms"
        return f"{number} {self.name} {width}x{height}: {self.summary()}; {stages}"


def find_people(predictor: Predictor, frames: Iterable[Frame]) -> Iterator[Result]:
    """Run a predictor over the images of a source, one after another."""
    card = predictor.card
    for frame in frames:
        found, times = predictor.timed([frame.image])
        yield Result(
            found[0], frame.image, frame.name, frame.path, times, card.names, card.skeleton, card.keypoint_dims
        )
