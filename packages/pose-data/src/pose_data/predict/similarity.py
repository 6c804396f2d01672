"""How alike two sets of people are, pair by pair: keypoints by OKS, boxes by IoU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pose_data.boxes import box_areas, iou_matrix
from pose_data.poses import Poses

_Floats = NDArray[np.float64]


def pose_similarity(a: Poses, b: Poses, *, sigmas: _Floats, oks: float) -> _Floats:
    """Compare everybody of a (N) with everybody of b (M).

    OKS is COCO's (https://cocodataset.org/#keypoints-eval), sum of w exp(-d² / (2 s² (2 sigma)²)) over sum of w, but
    for what annotations have and predictions don't: s² is the mean area of the two boxes, and w is the product of the
    two scores of a point in place of its visibility. A pair without a point that both have counts by its boxes.

    Args:
        a: N people, coordinates in pixels.
        b: M people, in the same pixels.
        sigmas: (K,).
        oks: share of OKS, 0 to 1; the rest is the IoU of the boxes.

    Returns:
        (N, M) in [0, 1]; 0 for people of different classes.
    """
    overlap = iou_matrix(a.boxes.astype(np.float64), b.boxes.astype(np.float64))
    (points_a, weights_a), (points_b, weights_b) = _weighed_points(a), _weighed_points(b)
    squared = ((points_a[:, None] - points_b[None]) ** 2).sum(axis=3)
    weights = weights_a[:, None] * weights_b[None]
    areas = (box_areas(a.boxes.astype(np.float64))[:, None] + box_areas(b.boxes.astype(np.float64))[None]) / 2
    near = np.exp(-squared / np.maximum(2 * areas[..., None] * (2 * sigmas) ** 2, np.finfo(np.float64).tiny))
    total = weights.sum(axis=2)
    keypoints = np.divide((weights * near).sum(axis=2), total, out=overlap.copy(), where=total > 0)
    mixed = oks * keypoints + (1 - oks) * overlap
    return np.where(a.labels[:, None] == b.labels[None], mixed, 0.0)


def displacements(before: Poses, after: Poses) -> _Floats:
    """How far N people moved from one result to the other: (N, 2) xy pixels.

    The mean over the keypoints, weighted by their scores in both: limbs swing about it, and a box that is half hidden,
    whose centre jumps, hardly moves it. People without a point that both have move as the centres of their boxes.
    """
    (points_before, weights_before), (points_after, weights_after) = _weighed_points(before), _weighed_points(after)
    weights = weights_before * weights_after
    total = weights.sum(axis=1)
    centres = (after.boxes.astype(np.float64) - before.boxes).reshape(-1, 2, 2).mean(axis=1)
    summed = (weights[..., None] * (points_after - points_before)).sum(axis=1)
    moved: _Floats = np.divide(summed, total[:, None], out=centres, where=total[:, None] > 0)
    return moved


def _weighed_points(poses: Poses) -> tuple[_Floats, _Floats]:
    """Keypoints (N, K, 2) and their scores (N, K) as weights; what isn't finite weighs nothing."""
    finite = np.isfinite(poses.keypoints).all(axis=2) & np.isfinite(poses.keypoint_scores)
    points = np.where(finite[..., None], poses.keypoints.astype(np.float64), 0.0)
    return points, np.where(finite, np.clip(poses.keypoint_scores.astype(np.float64), 0.0, 1.0), 0.0)
