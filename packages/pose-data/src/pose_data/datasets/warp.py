"""Move images and their people through one matrix: scale, shift, rotation, shear and perspective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.move import move_targets, project
from pose_data.poses import PoseTargets, concatenate
from pose_data.predict.letterbox import BORDER

_SUBPIXEL_BITS = 4  # fractional bits of polygon corners in cv2


@dataclass(frozen=True)
class Piece:
    """An image on its way into a larger one.

    Coordinates are continuous: the image covers [0, W] x [0, H], its first pixel has its centre at (0.5, 0.5).

    Args:
        image: (H, W, 3) uint8.
        targets: its people, in pixels of that image.
        matrix: (3, 3) float64, from pixels of that image to pixels of the output.
        window: xyxy whole pixels of that image; nothing outside of it is shown.
    """

    image: NDArray[np.uint8]
    targets: PoseTargets
    matrix: NDArray[np.float64]
    window: tuple[int, int, int, int]


def affine(
    image: NDArray[np.uint8],
    targets: PoseTargets,
    *,
    size: int,
    degrees: float,
    translate: float,
    scale: float,
    shear: float,
    perspective: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.uint8], PoseTargets]:
    """Map an image, its centre first, into a square by a matrix drawn at random.

    Args:
        image: (H, W, 3) uint8: a plain image or the canvas of a mosaic.
        targets: in pixels of the image.
        size: S, side of the output in pixels.
        degrees: the rotation is drawn from [-degrees, degrees].
        translate: the image's centre falls within (0.5 -+ translate) S of the output.
        scale: the scale is drawn from [1 - scale, 1 + scale].
        shear: degrees, for each axis from [-shear, shear].
        perspective: per pixel, for each axis from [-perspective, perspective].
        generator: draws all of it.

    Returns:
        The (S, S, 3) output, grey where there is no image, and its people.
    """
    height, width = image.shape[:2]
    matrix = draw_matrix(
        (height, width),
        size=size,
        degrees=degrees,
        translate=translate,
        scale=scale,
        shear=shear,
        perspective=perspective,
        generator=generator,
    )
    return render([Piece(image, targets, matrix, (0, 0, width, height))], size)


def draw_matrix(
    source: tuple[float, float],
    *,
    size: int,
    degrees: float,
    translate: float,
    scale: float,
    shear: float,
    perspective: float,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw a (3, 3) matrix: centre, perspective, rotation with scale, shear, translation, in this order.

    Args:
        source: (height, width) of what is mapped; the rest is as in `affine`.
    """
    centre, depth, turn, slant, shift = (np.eye(3) for _ in range(5))
    centre[:2, 2] = -source[1] / 2, -source[0] / 2
    depth[2, :2] = generator.uniform(-perspective, perspective, 2)
    angle = math.radians(generator.uniform(-degrees, degrees))
    factor = generator.uniform(1 - scale, 1 + scale)
    cosine, sine = factor * math.cos(angle), factor * math.sin(angle)
    turn[:2, :2] = [[cosine, sine], [-sine, cosine]]
    slant[[0, 1], [1, 0]] = np.tan(np.radians(generator.uniform(-shear, shear, 2)))
    shift[:2, 2] = generator.uniform(0.5 - translate, 0.5 + translate, 2) * size
    matrix: NDArray[np.float64] = shift @ slant @ turn @ depth @ centre
    return matrix


def render(pieces: Sequence[Piece], size: int) -> tuple[NDArray[np.uint8], PoseTargets]:
    """Draw pieces into one grey square and move their people along.

    A piece that is only scaled and shifted is resized into whole pixels of the output, and its matrix
    moved by less than a pixel to be exactly what was drawn; the others are warped.

    Args:
        pieces: at least one.
        size: S, side of the output in pixels.

    Returns:
        The (S, S, 3) output, and the people of all pieces in pixels of it, as `move_targets` keeps them.
    """
    canvas = np.full((size, size, 3), BORDER, np.uint8)
    matrices = [_draw_scaled(canvas, p) if _is_upright(p.matrix) else _draw_warped(canvas, p) for p in pieces]
    counts = [len(piece.targets) for piece in pieces]
    windows = np.array([piece.window for piece in pieces], np.float64)
    targets = move_targets(
        concatenate([piece.targets for piece in pieces]),
        np.repeat(np.stack(matrices), counts, axis=0),
        np.repeat(windows, counts, axis=0),
        size,
    )
    return canvas, targets


def _is_upright(matrix: NDArray[np.float64]) -> bool:
    """Tell whether a matrix only scales (without mirroring) and shifts."""
    return bool(
        matrix[0, 1] == matrix[1, 0] == matrix[2, 0] == matrix[2, 1] == 0 and min(matrix[0, 0], matrix[1, 1]) > 0
    )


def _draw_scaled(canvas: NDArray[np.uint8], piece: Piece) -> NDArray[np.float64]:
    """Draw an upright piece; return the matrix of what was drawn."""
    left, top, right, bottom = piece.window
    size = canvas.shape[0]
    x = _snap(piece.matrix[0, 0], piece.matrix[0, 2], low=left, high=right, size=size)
    y = _snap(piece.matrix[1, 1], piece.matrix[1, 2], low=top, high=bottom, size=size)
    if x is None or y is None:
        return piece.matrix
    inside = canvas[y.to_low : y.to_high, x.to_low : x.to_high]
    part = piece.image[y.low : y.high, x.low : x.high]
    cv2.resize(part, (inside.shape[1], inside.shape[0]), dst=inside, interpolation=cv2.INTER_LINEAR)
    return np.array([[x.scale, 0, x.shift], [0, y.scale, y.shift], [0, 0, 1]])


@dataclass(frozen=True)
class _Span:
    """Whole pixels low..high of an image that become whole pixels to_low..to_high, along one axis."""

    low: int
    high: int
    to_low: int
    to_high: int

    @property
    def scale(self) -> float:
        return (self.to_high - self.to_low) / (self.high - self.low)

    @property
    def shift(self) -> float:
        return self.to_low - self.scale * self.low


def _snap(scale: float, shift: float, *, low: int, high: int, size: int) -> _Span | None:
    """Find the visible part of low..high under x -> scale x + shift; None when there is none.

    An end that the output cuts off gives way in the image, an end that it shows gives way in the
    output, each by at most half a pixel.
    """
    to_low, to_high = round(scale * low + shift), round(scale * high + shift)
    first, last = low, high
    if to_low < 0:
        to_low, first = 0, round(-shift / scale)
    if to_high > size:
        to_high, last = size, round((size - shift) / scale)
    if to_high <= to_low or high <= low:
        return None
    if last <= first:  # enlarged so much that the output shows less than a pixel of the image
        first = min(max(low, math.floor((to_low - shift) / scale)), high - 1)
        last = first + 1
    return _Span(first, last, to_low, to_high)


def _draw_warped(canvas: NDArray[np.uint8], piece: Piece) -> NDArray[np.float64]:
    """Draw a piece of any matrix within the outline of its window; return the matrix."""
    left, top, right, bottom = piece.window
    size = canvas.shape[0]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    outline = project(corners[None], piece.matrix[None])[0]
    low = np.clip(np.floor(outline.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(outline.max(axis=0)), 0, size).astype(int)
    width, height = (high - low).tolist()
    if min(width, height, right - left, bottom - top) <= 0:
        return piece.matrix
    # a rim of one pixel keeps the grey out; cv2's own border of that kind is twice as slow
    rimmed = cv2.copyMakeBorder(piece.image[top:bottom, left:right], *(1, 1, 1, 1), cv2.BORDER_REPLICATE)
    # cv2 counts from pixel centres, the matrix from pixel corners
    matrix = _shift(-low[0] - 0.5, -low[1] - 0.5) @ piece.matrix @ _shift(left - 0.5, top - 0.5)
    drawn = _warp(rimmed, matrix, (width, height))
    cv2.copyTo(drawn, _polygon(outline - low, (width, height)), canvas[low[1] : high[1], low[0] : high[0]])
    return piece.matrix


def _warp(image: cv2.typing.MatLike, matrix: NDArray[np.float64], size: tuple[int, int]) -> cv2.typing.MatLike:
    if matrix[2, :2].any():
        return cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(BORDER,) * 3)
    return cv2.warpAffine(image, matrix[:2], size, flags=cv2.INTER_LINEAR, borderValue=(BORDER,) * 3)


def _polygon(outline: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Mask (height, width) the inside of a convex outline (P, 2)."""
    mask = np.zeros((size[1], size[0]), np.uint8)
    limit = 64 * max(size)  # keeps the far corners of a perspective within the 32 bits of cv2
    corners = np.clip(outline - 0.5, -limit, limit) * 2**_SUBPIXEL_BITS
    cv2.fillConvexPoly(mask, np.rint(corners).astype(np.int32), 255, shift=_SUBPIXEL_BITS)
    return mask


def _shift(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)
