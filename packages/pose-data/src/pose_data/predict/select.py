"""Keep the people that a network is sure of, each of them once: threshold and greedy suppression."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pose_data.boxes import xyxy_from_cxcywh
from pose_data.errors import CheckpointError, SettingsError
from pose_data.poses import Poses

MAX_CANDIDATES = 30_000  # anchors of one image that take part; the published validation's limit
_BLOCK = 128  # candidates that are compared with each other at once

_Rows = NDArray[np.int64]


def select(
    raw: NDArray[np.float32],
    *,
    num_classes: int,
    keypoint_dims: int,
    conf: float,
    iou: float,
    max_det: int = 300,
    max_candidates: int = MAX_CANDIDATES,
    classes: Iterable[int] | None = None,
    agnostic: bool = False,
    class_points: NDArray[np.bool_] | None = None,
) -> list[Poses]:
    """Turn the raw output of a network into people.

    Every anchor stands for its best class. Anchors are taken best score first (equal scores: lower index
    first); one that overlaps an earlier one of its class by more than `iou` is the same person and is dropped.

    Args:
        raw: (B, 4 + C + D K, A) float32: boxes cxcywh pixels of the input, C scores, then x, y (pixels of
            the input) and, with D = 3, a score for each keypoint.
        num_classes: C.
        keypoint_dims: D, 2 or 3.
        conf: people must score more than this.
        iou: overlap from which on two boxes are one person.
        max_det: people to keep per image, the best ones.
        max_candidates: anchors of one image to look at, the best ones.
        classes: keep only anchors whose best class is one of these; None keeps all.
        agnostic: let people of different classes suppress each other too.
        class_points: (C, K) which class has which points; the others score 0. None when every class has all.

    Returns:
        One Poses per image, best score first, in pixels of the input. An anchor with a number in it that
        isn't finite is never kept.

    Raises:
        SettingsError: a threshold is not in [0, 1] or a limit not positive.
        CheckpointError: the output has another number of rows than these classes and keypoints.
    """
    _check(raw, num_classes, keypoint_dims, conf=conf, iou=iou, max_det=max_det, max_candidates=max_candidates)
    wanted = None if classes is None else np.array(sorted(set(classes)), np.int64)
    found = []
    for image in raw:
        scores, labels = _best_class(image[4 : 4 + num_classes])
        chosen = _candidates(scores, labels, conf=conf, wanted=wanted, limit=max_candidates)
        rows = image[:, chosen]
        if not np.isfinite(rows).all():
            whole = np.isfinite(rows).all(axis=0)
            rows, chosen = rows[:, whole], chosen[whole]
        boxes = xyxy_from_cxcywh(rows[:4].T)
        groups = None if agnostic or num_classes == 1 else labels[chosen]
        keep = suppress(boxes, iou=iou, groups=groups, limit=max_det)
        points, anchors = rows[4 + num_classes :, keep], chosen[keep]
        poses = _make_poses(boxes[keep], scores[anchors], labels[anchors], points, keypoint_dims)
        found.append(poses if class_points is None else _without_lacking(poses, class_points))
    return found


def suppress(boxes: NDArray[np.float32], *, iou: float, groups: _Rows | None = None, limit: int | None = None) -> _Rows:
    """Find what greedy non-maximum suppression keeps, without going through boxes one by one.

    A block of boxes is compared with all that were kept before, then with itself. Within the block the
    greedy answer is the one fixed point of "a box is kept unless a kept earlier box covers it", which is
    reached from any start because each round settles at least the next undecided box.

    Args:
        boxes: (N, 4) xyxy, best first.
        iou: a box that overlaps a kept one by more than this is dropped.
        groups: (N,) only boxes of one group suppress each other; None is one group.
        limit: stop when this many are kept.

    Returns:
        Indices of the kept boxes, ascending: exactly those of the plain greedy loop.
    """
    columns = _Columns(boxes, groups)
    kept: _Rows = np.zeros(0, np.int64)
    limit = len(boxes) if limit is None else limit
    for start in range(0, len(boxes), _BLOCK):
        if len(kept) >= limit:
            break
        block = np.arange(start, min(start + _BLOCK, len(boxes)))
        if len(kept):
            block = block[~columns.cover(kept, block, iou).any(axis=0)]
        kept = np.concatenate([kept, block[_settle(np.triu(columns.cover(block, block, iou), 1))]])
    return kept[:limit]


class _Columns:
    """Box coordinates in columns of their own, which NumPy compares several times faster than rows."""

    def __init__(self, boxes: NDArray[np.float32], groups: _Rows | None) -> None:
        self.left, self.top, self.right, self.bottom = np.ascontiguousarray(boxes.T)
        self.areas = np.maximum(self.right - self.left, 0) * np.maximum(self.bottom - self.top, 0)
        self.groups = groups

    def cover(self, a: _Rows, b: _Rows, iou: float) -> NDArray[np.bool_]:
        """Tell which boxes of a cover which of b by more than iou, (len(a), len(b))."""
        shared = np.minimum(self.right[a, None], self.right[b])
        shared -= np.maximum(self.left[a, None], self.left[b])
        np.maximum(shared, 0, out=shared)
        heights = np.minimum(self.bottom[a, None], self.bottom[b])
        heights -= np.maximum(self.top[a, None], self.top[b])
        np.maximum(heights, 0, out=heights)
        shared *= heights
        union = np.add(self.areas[a, None], self.areas[b], out=heights)
        union -= shared
        np.maximum(union, np.finfo(union.dtype).tiny, out=union)
        shared /= union
        covers: NDArray[np.bool_] = shared > np.float32(iou)
        if self.groups is not None:
            covers &= self.groups[a, None] == self.groups[b]
        return covers


def _settle(covers: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Resolve (n, n) "row i covers the later column j" into what is kept, (n,)."""
    keep = _uncovered(covers)
    while True:
        settled = _uncovered(covers[keep])
        if (settled == keep).all():
            return settled
        keep = settled


def _uncovered(covers: NDArray[np.bool_]) -> NDArray[np.bool_]:
    covered: NDArray[np.bool_] = np.logical_or.reduce(covers, axis=0)
    return ~covered


def _best_class(class_scores: NDArray[np.float32]) -> tuple[NDArray[np.float32], _Rows]:
    """Score and index of the best class of each anchor, (A,) each; of equal ones the first."""
    if len(class_scores) == 1:
        return class_scores[0], np.zeros(class_scores.shape[1], np.int64)
    labels = class_scores.argmax(axis=0)
    scores: NDArray[np.float32] = np.take_along_axis(class_scores, labels[None], axis=0)[0]
    return scores, labels


def _candidates(scores: NDArray[np.float32], labels: _Rows, *, conf: float, wanted: _Rows | None, limit: int) -> _Rows:
    """Anchors above the threshold and of a wanted class, best first; NaN is above nothing."""
    above = scores > np.float32(conf)
    if wanted is not None:
        above &= np.isin(labels, wanted)
    chosen = np.flatnonzero(above)
    return chosen[np.argsort(-scores[chosen], kind="stable")[:limit]]


def _make_poses(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: _Rows,
    points: NDArray[np.float32],
    keypoint_dims: int,
) -> Poses:
    """Split the (D K, N) keypoint rows of N people into positions and scores."""
    people = points.T.reshape(len(boxes), len(points) // keypoint_dims, keypoint_dims)
    certain = np.ones(people.shape[:2], np.float32)
    keypoint_scores = np.ascontiguousarray(people[..., 2]) if keypoint_dims == 3 else certain
    return Poses(boxes, scores, labels, np.ascontiguousarray(people[..., :2]), keypoint_scores)


def _without_lacking(poses: Poses, class_points: NDArray[np.bool_]) -> Poses:
    return replace(poses, keypoint_scores=poses.keypoint_scores * class_points[poses.labels])


def _check(
    raw: NDArray[np.float32],
    num_classes: int,
    keypoint_dims: int,
    *,
    conf: float,
    iou: float,
    max_det: int,
    max_candidates: int,
) -> None:
    check_thresholds(conf=conf, iou=iou, max_det=max_det)
    if max_candidates < 1:
        raise SettingsError(f"max_candidates must be at least 1; got {max_candidates}")
    if keypoint_dims not in (2, 3):
        raise SettingsError(f"keypoint_dims must be 2 or 3; got {keypoint_dims}")
    if raw.ndim != 3 or raw.shape[1] < 4 + num_classes or (raw.shape[1] - 4 - num_classes) % keypoint_dims:
        raise CheckpointError(
            f"a network's output must be (B, 4 + {num_classes} + {keypoint_dims} K, A); got {raw.shape}; "
            "its model card and its weights don't belong together"
        )


def check_thresholds(*, conf: float, iou: float, max_det: int) -> None:
    """Refuse thresholds outside [0, 1] and a limit below 1.

    Raises:
        SettingsError: naming the one that is wrong.
    """
    for name, value in (("conf", conf), ("iou", iou)):
        if not 0 <= value <= 1:
            raise SettingsError(f"{name} must be from 0 to 1; got {value}")
    if max_det < 1:
        raise SettingsError(f"max_det must be at least 1; got {max_det}")
