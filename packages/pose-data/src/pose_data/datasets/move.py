"""Move people with the pixels of their images, and drop those of whom too little is left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pose_data.boxes import box_areas, clip_boxes
from pose_data.poses import PoseTargets

MIN_SIDE = 2.0  # pixels; what is left of a person at the border must be larger in both directions
MIN_AREA_SHARE = 0.10  # ... and show more than this part of its box
MAX_ASPECT = 100.0  # ... and be less of a splinter than this
_NEAR = 1e-3  # smallest depth in a perspective: what lies behind the viewer goes far outside


def move_targets(
    targets: PoseTargets, matrices: NDArray[np.float64], windows: NDArray[np.float64], size: int
) -> PoseTargets:
    """Move people by a matrix each, cut them at the border, and drop those of whom too little is left.

    A keypoint that leaves its window or the output gets visibility 0 and the nearest place on the border.

    Args:
        targets: M people.
        matrices: (M, 3, 3), from pixels of their images to pixels of the output.
        windows: (M, 4) xyxy pixels of their images; nothing outside of it is shown.
        size: S, side of the output in pixels.

    Returns:
        Those in pixels of the output whose visible box is thicker than `MIN_SIDE`, more than `MIN_AREA_SHARE` of
        what the window shows and no splinter. Areas grow with the matrix and shrink with the box.
    """
    windowed, keypoints, visibility = _clip_to_windows(targets, windows)
    corners = project(windowed[:, [[0, 1], [2, 1], [2, 3], [0, 3]]], matrices)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    clipped = clip_boxes(boxes, height=size, width=size)
    points = project(keypoints, matrices)
    outside = ((points < 0) | (points > size)).any(axis=2)
    magnification = _magnification(windowed, matrices)
    share = _ratio(box_areas(windowed), box_areas(targets.boxes.astype(np.float64)))
    share *= _ratio(box_areas(clipped), box_areas(boxes))
    moved = PoseTargets(
        boxes=clipped.astype(np.float32),
        labels=targets.labels,
        keypoints=np.clip(points, 0, size).astype(np.float32),
        visibility=np.where(outside, np.uint8(0), visibility),
        areas=(targets.areas * magnification * share).astype(np.float32),
        crowd=targets.crowd,
    )
    return moved[_is_worth_keeping(clipped, box_areas(windowed) * magnification)]


def project(points: NDArray[np.float64], matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points (M, P, 2) by a matrix each (M, 3, 3)."""
    mapped: NDArray[np.float64] = points @ matrices[:, :2, :2].swapaxes(1, 2) + matrices[:, None, :2, 2]
    if not matrices[:, 2, :2].any():
        return mapped
    depths = points @ matrices[:, 2, :2, None] + matrices[:, None, None, 2, 2]
    projected: NDArray[np.float64] = mapped / np.maximum(depths, _NEAR)
    return projected


def _clip_to_windows(
    targets: PoseTargets, windows: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    low, high = windows[:, :2], windows[:, 2:]
    boxes = np.clip(targets.boxes.astype(np.float64), np.tile(low, 2), np.tile(high, 2))
    points = targets.keypoints.astype(np.float64)
    outside = ((points < low[:, None]) | (points > high[:, None])).any(axis=2)
    visibility = np.where(outside, np.uint8(0), targets.visibility)
    return boxes, np.clip(points, low[:, None], high[:, None]), visibility


def _is_worth_keeping(boxes: NDArray[np.float64], full_areas: NDArray[np.float64]) -> NDArray[np.bool_]:
    sides = boxes[:, 2:] - boxes[:, :2]
    thin, long = sides.min(axis=1, initial=np.inf), sides.max(axis=1, initial=0)
    shown = _ratio(box_areas(boxes), full_areas)
    keep: NDArray[np.bool_] = (
        (full_areas > 0) & (thin > MIN_SIDE) & (shown > MIN_AREA_SHARE) & (long < MAX_ASPECT * thin)
    )
    return keep


def _magnification(boxes: NDArray[np.float64], matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Output area per image area at the centre of each box, (M,): the Jacobian of a homography is det / depth^3."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    depths = np.einsum("mj,mj->m", matrices[:, 2, :2], centres) + matrices[:, 2, 2]
    magnification: NDArray[np.float64] = np.abs(np.linalg.det(matrices)) / np.maximum(depths, _NEAR) ** 3
    return magnification


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide areas; nothing is 0 of nothing."""
    ratio: NDArray[np.float64] = np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0)
    return ratio
