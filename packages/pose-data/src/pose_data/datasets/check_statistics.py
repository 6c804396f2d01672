"""What the positions of keypoints say about which of them are a left and a right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pose_data.sides import other_side
from pose_data.skeleton import Skeleton

_ENOUGH = 20  # objects below which statistics say nothing
_RARE = 0.35  # share of objects in which a right pair never agrees so seldom with the others; chance is 0.5


def mirror_warnings(
    skeleton: Skeleton,
    *,
    boxes: NDArray[np.float32],
    keypoints: NDArray[np.float32],
    visibility: NDArray[np.uint8],
) -> list[str]:
    """Compare the mirror pairs of a skeleton with the labels.

    Args:
        skeleton: names and mirror pairs.
        boxes: (M, 4) xyxy pixels.
        keypoints: (M, K, 2) xy pixels.
        visibility: (M, K).
    """
    labelled = visibility > 0
    if skeleton.mirror:
        return list(_swapped_pairs(skeleton, keypoints[..., 0], labelled))
    if skeleton.mirror == ():
        return list(_hidden_pairs(skeleton, boxes, keypoints, labelled))
    return []


def _swapped_pairs(skeleton: Skeleton, x: NDArray[np.float32], labelled: NDArray[np.bool_]) -> Iterator[str]:
    """Find pairs whose left and right lie the other way round than those of the object's other pairs.

    Someone who faces the camera has every left on the right of the image, someone seen from behind has it
    on the left: whichever it is, it is the same for all pairs of that person, but for crossed limbs.
    """
    pairs = [pair for a, b in skeleton.mirror or () if (pair := _left_first(skeleton.names, a, b))]
    if len(pairs) < 2:
        return
    left, right = np.array(pairs).T
    sides = np.where(labelled[:, left] & labelled[:, right], np.sign(x[:, left] - x[:, right]), 0)
    for p, (a, b) in enumerate(pairs):
        others = np.sign(sides.sum(axis=1) - sides[:, p])
        counted = (others != 0) & (sides[:, p] != 0)
        if counted.sum() < _ENOUGH:
            continue
        agree = float((others == sides[:, p])[counted].mean())
        if agree < _RARE:
            yield (
                f"'{skeleton.names[a]}' and '{skeleton.names[b]}' lie the other way round than the other pairs in "
                f"{1 - agree:.0%} of {int(counted.sum())} objects; are their labels or names swapped?"
            )


def _left_first(names: tuple[str, ...], a: int, b: int) -> tuple[int, int] | None:
    """Order a pair by the sides in its names; None where they name none."""
    if other_side(names[a]) != names[b]:
        return None
    # The two names differ in left/right or l/r alone, and 'l' comes before 'r'.
    return (a, b) if names[a].lower() < names[b].lower() else (b, a)


def _hidden_pairs(
    skeleton: Skeleton, boxes: NDArray[np.float32], keypoints: NDArray[np.float32], labelled: NDArray[np.bool_]
) -> Iterator[str]:
    """Find points that lie at the same height on both sides of the box's middle, though none is said to be a pair."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    places = (keypoints - boxes[:, None, :2]) / size[:, None]
    for a in range(len(skeleton)):
        for b in range(a + 1, len(skeleton)):
            both = labelled[:, a] & labelled[:, b]
            if both.sum() < _ENOUGH:
                continue
            (ax, ay), (bx, by) = np.median(places[both, a], axis=0), np.median(places[both, b], axis=0)
            if abs(ax + bx - 1) < 0.1 and abs(ay - by) < 0.05 and abs(ax - bx) > 0.15:
                yield (
                    f"'{skeleton.names[a]}' and '{skeleton.names[b]}' lie like a left and a right, at {ax:.2f} and "
                    f"{bx:.2f} of the box's width and at the same height, and flip_idx leaves both where they are; "
                    "if they are one, let them trade places in flip_idx"
                )
