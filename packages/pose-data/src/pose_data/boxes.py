"""Boxes: from one format to another, overlap, and area."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_F = TypeVar("_F", np.float32, np.float64)


def xyxy_from_cxcywh(boxes_cxcywh: NDArray[_F]) -> NDArray[_F]:
    """Turn (..., 4) centre and size into corners, in the same units."""
    centre, half = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def cxcywh_from_xyxy(boxes: NDArray[_F]) -> NDArray[_F]:
    """Turn (..., 4) corners into centre and size, in the same units."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def box_areas(boxes: NDArray[_F]) -> NDArray[_F]:
    """Area of (..., 4) xyxy boxes, in squared units; a box turned inside out has none."""
    size = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    areas: NDArray[_F] = size[..., 0] * size[..., 1]
    return areas


def clip_boxes(boxes: NDArray[_F], *, height: int, width: int) -> NDArray[_F]:
    """Cut (..., 4) xyxy pixel boxes at the border of an image."""
    limit = np.array([width, height, width, height], dtype=boxes.dtype)
    clipped: NDArray[_F] = np.clip(boxes, 0, limit)
    return clipped


def iou_matrix(a: NDArray[_F], b: NDArray[_F]) -> NDArray[_F]:
    """Intersection over union of every box of a (N, 4) with every box of b (M, 4), xyxy: (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    size = np.maximum(high - low, 0)
    shared: NDArray[_F] = size[..., 0] * size[..., 1]
    union = box_areas(a)[:, None] + box_areas(b)[None, :] - shared
    overlap: NDArray[_F] = shared / np.maximum(union, np.finfo(shared.dtype).tiny)
    return overlap
