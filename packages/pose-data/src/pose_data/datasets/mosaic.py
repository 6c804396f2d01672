"""Four images around one point: many people, many sizes and many borders in one training image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.shrink import shrink
from pose_data.datasets.warp import Piece, render
from pose_data.poses import PoseTargets

TILES = 4


def mosaic(
    samples: Sequence[tuple[NDArray[np.uint8], PoseTargets]], size: int, *, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], PoseTargets]:
    """Put four images, their longest side made S, around a random point of a canvas twice as large.

    The mosaic of YOLOv4 (Bochkovskiy et al., section 3.3).

    Args:
        samples: four images (H, W, 3) uint8 with their people: top left, top right, bottom left, bottom right.
        size: S in pixels.
        generator: draws the point, within [S / 2, 3 S / 2] along each axis.

    Returns:
        The (2 S, 2 S, 3) canvas, grey where no image is, and its people.
    """
    return render(mosaic_pieces(samples, size, generator=generator), 2 * size)


def mosaic_pieces(
    samples: Sequence[tuple[NDArray[np.uint8], PoseTargets]], size: int, *, generator: np.random.Generator
) -> list[Piece]:
    """Lay out a mosaic without drawing it, so that it can be drawn through one more matrix at once.

    Returns:
        Four pieces on the (2 S, 2 S) canvas; the arguments are those of `mosaic`.
    """
    if len(samples) != TILES:
        raise ValueError(f"a mosaic must have {TILES} images; got {len(samples)}")
    x, y = generator.uniform(0.5 * size, 1.5 * size, 2)
    return [
        _piece(*shrink(image, targets, size), size, (x, y), right=bool(place % 2), bottom=place >= TILES // 2)
        for place, (image, targets) in enumerate(samples)
    ]


def _piece(
    image: NDArray[np.uint8],
    targets: PoseTargets,
    size: int,
    centre: tuple[float, float],
    *,
    right: bool,
    bottom: bool,
) -> Piece:
    """Scale an image to size and move one of its corners to the centre of the mosaic."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    left, x_shift, x_end = _axis(width, scale, centre[0], 2 * size, after=right)
    top, y_shift, y_end = _axis(height, scale, centre[1], 2 * size, after=bottom)
    matrix = np.array([[scale, 0, x_shift], [0, scale, y_shift], [0, 0, 1]])
    return Piece(image, targets, matrix, (left, top, x_end, y_end))


def _axis(length: int, scale: float, centre: float, limit: int, *, after: bool) -> tuple[int, float, int]:
    """Place one side after or before the centre; return its first pixel in view, its shift and its last."""
    if after:
        return 0, centre, min(length, round((limit - centre) / scale))
    return max(0, length - round(centre / scale)), centre - length * scale, length
