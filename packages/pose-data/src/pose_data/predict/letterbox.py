"""Fit an image into a network's input without changing its shape, and bring the answer back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.errors import SettingsError
from pose_data.poses import Poses, PoseTargets

BORDER = 114  # the grey around an image that published weights were trained with
_ODD_PIXEL = 0.1  # an odd pixel of padding goes to the right and to the bottom

_P = TypeVar("_P", Poses, PoseTargets)
_F = TypeVar("_F", np.float32, np.float64)


@dataclass(frozen=True)
class Letterbox:
    """Where an image lies in the input of a network.

    Coordinates are continuous: the image covers [0, W] x [0, H] and the centre of its first pixel is
    (0.5, 0.5). That is how `cv2.resize` samples too, so that x_input = x_image * scale + left is exact.

    Args:
        image_size: (height, width) of the image.
        input_size: (height, width) of the input.
        resized: (height, width) of the image inside the input.
        pad: (left, top) pixels of border before it.
    """

    image_size: tuple[int, int]
    input_size: tuple[int, int]
    resized: tuple[int, int]
    pad: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """(x, y) input pixels per image pixel; the two differ by the rounding to whole pixels."""
        return self.resized[1] / self.image_size[1], self.resized[0] / self.image_size[0]

    def points_to_input(self, points: NDArray[_F]) -> NDArray[_F]:
        """Map (..., 2) xy pixels of the image to pixels of the input."""
        moved: NDArray[_F] = (points * np.array(self.scale) + np.array(self.pad)).astype(points.dtype)
        return moved

    def points_to_image(self, points: NDArray[_F]) -> NDArray[_F]:
        """Map (..., 2) xy pixels of the input to pixels of the image."""
        moved: NDArray[_F] = ((points - np.array(self.pad)) / np.array(self.scale)).astype(points.dtype)
        return moved

    def boxes_to_input(self, boxes: NDArray[_F]) -> NDArray[_F]:
        """Map (..., 4) xyxy pixels of the image to pixels of the input."""
        return self.points_to_input(boxes.reshape(*boxes.shape[:-1], 2, 2)).reshape(boxes.shape)

    def boxes_to_image(self, boxes: NDArray[_F]) -> NDArray[_F]:
        """Map (..., 4) xyxy pixels of the input to pixels of the image."""
        return self.points_to_image(boxes.reshape(*boxes.shape[:-1], 2, 2)).reshape(boxes.shape)

    def to_input(self, people: _P) -> _P:
        """Move found or annotated people from the image into the input; areas are scaled with them."""
        boxes, keypoints = self.boxes_to_input(people.boxes), self.points_to_input(people.keypoints)
        return _moved(people, boxes, keypoints, self.scale[0] * self.scale[1])

    def to_image(self, people: _P) -> _P:
        """Move found or annotated people from the input back into the image."""
        boxes, keypoints = self.boxes_to_image(people.boxes), self.points_to_image(people.keypoints)
        return _moved(people, boxes, keypoints, 1 / (self.scale[0] * self.scale[1]))


def letterbox(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    *,
    max_scale: float = math.inf,
    out: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.uint8], Letterbox]:
    """Resize an image to fit a size and centre it on a grey border.

    Args:
        image: (H, W, 3) uint8.
        size: (height, width) of the input.
        max_scale: the image is never enlarged by more than this.
        out: (height, width, 3) uint8 to be written into, such as one image of a batch.

    Returns:
        The (height, width, 3) input and where the image lies in it. Without `out`, an image that has
        the size already is returned itself, not a copy.
    """
    place = make_letterbox((image.shape[0], image.shape[1]), size, max_scale=max_scale)
    if out is None:
        if place.resized == place.image_size == place.input_size:
            return image, place
        out = np.empty((*size, 3), np.uint8)
    (height, width), (left, top) = place.resized, place.pad
    inside = out[top : top + height, left : left + width]
    if place.resized == place.image_size:
        inside[:] = image
    else:
        inside[:] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    _paint_border(out, place)
    return out, place


def make_letterbox(
    image_size: tuple[int, int], input_size: tuple[int, int], *, max_scale: float = math.inf
) -> Letterbox:
    """Say where an image would lie in an input, without touching a pixel.

    Args:
        image_size: (height, width) of the image.
        input_size: (height, width) of the input.
        max_scale: the image is never enlarged by more than this.
    """
    scale = min(input_size[0] / image_size[0], input_size[1] / image_size[1], max_scale)
    height, width = _resized(image_size, scale)
    left = round((input_size[1] - width) / 2 - _ODD_PIXEL)
    top = round((input_size[0] - height) / 2 - _ODD_PIXEL)
    return Letterbox(image_size, input_size, (height, width), (left, top))


def letterbox_shape(
    image_size: tuple[int, int], imgsz: tuple[int, int], *, stride: int, slack: float = 0.0
) -> tuple[int, int]:
    """Find the smallest input for an image: its scaled size, padded to whole strides only.

    Args:
        image_size: (height, width) of the image.
        imgsz: (height, width) that the image is scaled to fit, multiples of the stride.
        stride: of the network's coarsest level, pixels.
        slack: strides of border to have at least on top of the scaled size. The published validation
            of YOLOv8 uses 0.5, which makes 512 x 672 of a 480 x 640 image.

    Returns:
        (height, width), multiples of the stride.
    """
    scale = min(imgsz[0] / image_size[0], imgsz[1] / image_size[1])
    height, width = _resized(image_size, scale)
    return math.ceil(height / stride + slack) * stride, math.ceil(width / stride + slack) * stride


def check_imgsz(imgsz: int | tuple[int, int], *, stride: int) -> tuple[int, int]:
    """Return an input size as (height, width), or say which multiples of the stride are nearest.

    Raises:
        SettingsError: it is no side and no (height, width), or a side is not a positive multiple of the stride.
    """
    size = _read_size(imgsz)
    for side in size:
        if side < stride or side % stride:
            near = max(stride, round(side / stride) * stride)
            raise SettingsError(f"imgsz must be a multiple of the stride {stride}; got {side}; use {near}")
    return size


def _read_size(imgsz: object) -> tuple[int, int]:
    sides = tuple(imgsz) if isinstance(imgsz, (tuple, list)) else (imgsz, imgsz)
    if len(sides) != 2 or not all(isinstance(side, Integral) and not isinstance(side, bool) for side in sides):
        raise SettingsError(
            f"imgsz must be a side, or (height, width), in whole pixels; got {imgsz!r}; write 640 or (480, 640)"
        )
    return int(sides[0]), int(sides[1])


def _resized(image_size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Round the scaled size; a very long image keeps at least one pixel of its short side."""
    return max(1, round(image_size[0] * scale)), max(1, round(image_size[1] * scale))


def _paint_border(canvas: NDArray[np.uint8], place: Letterbox) -> None:
    (height, width), (left, top) = place.resized, place.pad
    canvas[:top] = BORDER
    canvas[top + height :] = BORDER
    canvas[top : top + height, :left] = BORDER
    canvas[top : top + height, left + width :] = BORDER


def _moved(people: _P, boxes: NDArray[np.float32], keypoints: NDArray[np.float32], area_scale: float) -> _P:
    if isinstance(people, PoseTargets):
        areas = (people.areas * area_scale).astype(np.float32)
        return replace(people, boxes=boxes, keypoints=keypoints, areas=areas)
    return replace(people, boxes=boxes, keypoints=keypoints)
