"""A contact sheet: many images on one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.errors import SettingsError

_PAPER = (32, 32, 36)


def contact_sheet(
    images: Sequence[NDArray[np.uint8]], *, columns: int = 4, tile: tuple[int, int] | None = None, gap: int = 4
) -> NDArray[np.uint8]:
    """Put images side by side, row by row, each in the middle of its tile.

    Args:
        images: (H, W, 3) uint8 RGB, of any sizes; larger ones are shrunk to their tile, smaller ones stay.
        columns: tiles in a row; fewer images than that make a narrower sheet.
        tile: (height, width) in pixels; by default that of the highest and of the widest image.
        gap: pixels between tiles and around them.

    Returns:
        (H, W, 3) uint8 RGB; a single dark pixel when there are no images.

    Raises:
        SettingsError: no columns, or a gap below 0.
    """
    if columns < 1 or gap < 0:
        raise SettingsError(f"contact sheet: columns must be at least 1 and gap at least 0; got {columns} and {gap}")
    if not images:
        return np.full((1, 1, 3), _PAPER, np.uint8)
    height, width = tile or (max(i.shape[0] for i in images), max(i.shape[1] for i in images))
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), _PAPER, np.uint8)
    for number, image in enumerate(images):
        shown = _shrunk(image, height, width)
        row, column = divmod(number, columns)
        y = gap + row * (height + gap) + (height - shown.shape[0]) // 2
        x = gap + column * (width + gap) + (width - shown.shape[1]) // 2
        sheet[y : y + shown.shape[0], x : x + shown.shape[1]] = shown
    return sheet


def _shrunk(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    scale = min(height / image.shape[0], width / image.shape[1])
    if scale >= 1:
        return image
    size = (max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
