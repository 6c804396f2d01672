"""Images that are no larger than a network needs them."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.poses import PoseTargets
from pose_data.predict.letterbox import Letterbox


def shrink(image: NDArray[np.uint8], targets: PoseTargets, size: int) -> tuple[NDArray[np.uint8], PoseTargets]:
    """Make the longest side of a larger image S pixels, as validation does too; leave a smaller one alone.

    Args:
        image: (H, W, 3) uint8.
        targets: in pixels of the image.
        size: S.
    """
    place = shrunk_place((image.shape[0], image.shape[1]), size)
    if place.resized == place.image_size:
        return image, targets
    return resize_to(image, place.resized), place.to_input(targets)


def shrunk_place(image_size: tuple[int, int], size: int) -> Letterbox:
    """Say where an image of (height, width) pixels lies after its longest side was made no more than `size`."""
    ratio = min(size / max(image_size), 1.0)
    height, width = (min(math.ceil(side * ratio), size) if ratio < 1 else side for side in image_size)
    return Letterbox(image_size, (height, width), (height, width), (0, 0))


def resize_to(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale an image (H, W, 3) to (height, width); one of that size is returned itself."""
    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.uint8)
