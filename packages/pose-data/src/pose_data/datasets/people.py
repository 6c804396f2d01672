"""The embedded data set: drawn articulated people with COCO's 17 keypoints and the truth about each of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.people_scene import Scene, make_scene, paint_ids, paint_scene, read_targets
from pose_data.datasets.sample import Sample
from pose_data.errors import SettingsError
from pose_data.poses import PoseTargets
from pose_data.skeleton import COCO_PERSON, Skeleton

_LEAST_SIZE = 32  # pixels; below that not even the largest person is more than a blot


class DrawnPeople:
    """Drawn people in memory; implements Samples.

    Image i depends on the seed, the size and i alone: not on the count, nor on the order in which images are
    asked for, nor on the machine. Labels are the same for every version of OpenCV; of the pixels, less than one
    in a thousand, on smoothed edges, was seen to differ between versions 4 and 5.

    Args:
        count: number of images.
        size: pixels, (height, width) or one number for both.
        seed: 0 or more; other seeds give other people.

    Raises:
        SettingsError: a count or seed below 0, or a size below 32.
    """

    def __init__(self, count: int, *, size: int | tuple[int, int] = 320, seed: int = 0) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        if count < 0 or seed < 0:
            raise SettingsError(f"drawn people: count and seed must be 0 or more; got {count} and {seed}")
        if min(height, width) < _LEAST_SIZE:
            raise SettingsError(f"drawn people: size must be at least {_LEAST_SIZE}; got {height} x {width}")
        self._count, self._size, self._seed = count, (height, width), seed

    @property
    def names(self) -> tuple[str, ...]:
        """The one class."""
        return ("person",)

    @property
    def skeleton(self) -> Skeleton:
        """COCO's."""
        return COCO_PERSON

    @property
    def keypoint_dims(self) -> int:
        """Visibility is known."""
        return 3

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        """Draw image `index`."""
        scene, paint = self._scene(index)
        image, ids = paint_scene(paint, scene)
        return Sample(image, read_targets(scene, ids), f"people-{self._seed}-{index:06d}")

    def targets(self, index: int) -> PoseTargets:
        """The labels of image `index`, without its colours."""
        scene, _ = self._scene(index)
        return read_targets(scene, paint_ids(scene))

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of image `index`, the same for all."""
        return self._size

    def owners(self, index: int) -> NDArray[np.uint8]:
        """Whose pixel is it: (H, W), 0 for nobody."""
        scene, _ = self._scene(index)
        return paint_ids(scene)

    def _scene(self, index: int) -> tuple[Scene, np.random.Generator]:
        """The scene, and the generator for its colours: labels must not depend on how much paint is used."""
        if not 0 <= index < self._count:
            raise IndexError(f"index must be from 0 to {self._count - 1}; got {index}")
        layout, paint = (np.random.Generator(np.random.PCG64([self._seed, index, stream])) for stream in (0, 1))
        height, width = self._size
        return make_scene(layout, height=height, width=width), paint
