"""What a data set hands out, whether it is read from files or drawn in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pose_data.poses import PoseTargets
from pose_data.skeleton import Skeleton


@dataclass(frozen=True)
class Sample:
    """One annotated image.

    Args:
        image: (H, W, 3) uint8 RGB.
        targets: in pixels of that image.
        name: the file it came from, or what it is called.
    """

    image: NDArray[np.uint8]
    targets: PoseTargets
    name: str


class Samples(Protocol):
    """A data set: annotated images by index."""

    @property
    def names(self) -> tuple[str, ...]:
        """C class names."""
        ...

    @property
    def skeleton(self) -> Skeleton:
        """The K keypoints of every object."""
        ...

    @property
    def keypoint_dims(self) -> int:
        """3 when visibility is labelled, 2 when it isn't."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Read one image and its labels."""
        ...

    def targets(self, index: int) -> PoseTargets:
        """The labels of one image alone, without reading its pixels."""
        ...
