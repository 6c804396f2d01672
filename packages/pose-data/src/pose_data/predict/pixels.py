"""Any array that someone may call an image, as the one kind that everything here works on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.errors import DataError

_WANTED = "an (H, W, 3) uint8 array, RGB"


def as_rgb(image: NDArray[np.uint8], *, name: str = "image") -> NDArray[np.uint8]:
    """Return an image as RGB: grey gets three equal channels, transparency is dropped, RGB is handed on itself.

    Args:
        image: (H, W), (H, W, 1), (H, W, 2) grey with alpha, (H, W, 3) RGB or (H, W, 4) RGB with alpha, uint8.
        name: what errors call it.

    Raises:
        DataError: another shape or type, or no pixels.
    """
    if not isinstance(image, np.ndarray):
        raise DataError(f"{name} must be {_WANTED}; got {type(image).__name__}; convert it with numpy.asarray first")
    if image.dtype != np.uint8:
        raise DataError(f"{name} must be {_WANTED}; got {image.dtype}; {_way_out(image)}")
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or not 1 <= image.shape[2] <= 4:
        raise DataError(f"{name} must be {_WANTED}; got shape {image.shape}{_shape_hint(image)}")
    if image.size == 0:
        raise DataError(f"{name} must be {_WANTED}; got shape {image.shape}, which has no pixels")
    if image.shape[2] == 3:
        return image
    if image.shape[2] == 4:
        return np.ascontiguousarray(image[..., :3])
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image[..., 0]), cv2.COLOR_GRAY2RGB), np.uint8)


def _way_out(image: NDArray[np.generic]) -> str:
    if np.issubdtype(image.dtype, np.floating):
        return "scale it to 0..255 and convert it with .astype('uint8')"
    if image.dtype == np.uint16:
        return "divide it by 257 and convert it with .astype('uint8')"
    return "convert it with .astype('uint8')"


def _shape_hint(image: NDArray[np.uint8]) -> str:
    if image.ndim == 3 and image.shape[0] in (1, 3, 4):
        return "; channels come last here, use image.transpose(1, 2, 0)"
    if image.ndim == 4:
        return "; give a batch as a list of images"
    return ""
