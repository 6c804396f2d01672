"""The names of keypoints, which of them mirror each other, which are joined, and how exact they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pose_data.errors import SettingsError

_SIDE = re.compile(r"(^|[^a-z])(left|right|l|r)([^a-z]|$)")


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of every object; each class of objects has all of them, or its own.

    Args:
        names: K distinct names, in the order of every keypoint array.
        mirror: pairs of indices that trade places in a mirror, such as the two eyes. Empty when no
            point has a partner; None when nobody has said, and then nothing can be flipped.
        edges: pairs of indices that are joined by a limb.
        sigmas: K OKS sigmas, the standard deviation of an annotator relative to the square root of the
            object's area (COCO keypoint evaluation). None when nobody has said.
        classes: for each class the indices of the points that it has, rising; None when every class has all.

    Raises:
        SettingsError: an index out of range, a point in two pairs, a left or right point that is said
            to mirror itself, sigmas that aren't K positive numbers, or a class with half of a mirror pair.
    """

    names: tuple[str, ...]
    mirror: tuple[tuple[int, int], ...] | None = None
    edges: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] | None = None
    classes: tuple[tuple[int, ...], ...] | None = None

    def __post_init__(self) -> None:
        self._check_names()
        self._check_edges()
        self._check_mirror()
        self._check_sigmas()
        self._check_classes()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def flip_idx(self) -> NDArray[np.int64] | None:
        """For each point the index of its partner in the mirror, (K,); None when unknown."""
        if self.mirror is None:
            return None
        order = np.arange(len(self.names), dtype=np.int64)
        for a, b in self.mirror:
            order[a], order[b] = b, a
        return order

    @property
    def class_points(self) -> NDArray[np.bool_] | None:
        """Which class has which points, (C, K); None when every class has all."""
        if self.classes is None:
            return None
        has = np.zeros((len(self.classes), len(self)), np.bool_)
        for label, points in enumerate(self.classes):
            has[label, list(points)] = True
        return has

    def lone_point(self, points: Sequence[int]) -> tuple[int, int] | None:
        """Find one of some points whose mirror partner isn't among them: the point and its partner."""
        pairs = (pair for a, b in self.mirror or () for pair in ((a, b), (b, a)))
        return next(((a, b) for a, b in pairs if a in points and b not in points), None)

    def require_sigmas(self) -> NDArray[np.float64]:
        """Return the (K,) sigmas, or say how to get them.

        Raises:
            SettingsError: the skeleton has none.
        """
        if self.sigmas is None:
            raise SettingsError(
                f"skeleton: no OKS sigmas for these {len(self)} keypoints, and there is no honest default; "
                f"add 'kpt_oks_sigmas: [{len(self)} numbers]' to the data YAML "
                "(COCO's own run from 0.025 for an eye to 0.107 for a hip)"
            )
        return np.asarray(self.sigmas, dtype=np.float64)

    def _check_names(self) -> None:
        if not self.names:
            raise SettingsError("skeleton: names must hold at least one keypoint; got none")
        for name in self.names:
            if self.names.count(name) > 1:
                raise SettingsError(f"skeleton: keypoint names must differ; got '{name}' twice")

    def _check_edges(self) -> None:
        for a, b in self.edges:
            if not (0 <= a < len(self) and 0 <= b < len(self)) or a == b:
                raise SettingsError(f"skeleton: an edge must join two of {len(self)} keypoints; got ({a}, {b})")

    def _check_mirror(self) -> None:
        if self.mirror is None:
            return
        seen: set[int] = set()
        for a, b in self.mirror:
            if not (0 <= a < len(self) and 0 <= b < len(self)) or a == b or {a, b} & seen:
                raise SettingsError(
                    f"skeleton: a mirror pair must name two of {len(self)} keypoints, each in one pair; got ({a}, {b})"
                )
            seen |= {a, b}
        for i, name in enumerate(self.names):
            if i not in seen and _SIDE.search(name.lower()):
                raise SettingsError(
                    f"skeleton: '{name}' has a side in its name but no mirror partner; "
                    "add the pair to 'mirror' (or to flip_idx), or rename the point"
                )

    def _check_sigmas(self) -> None:
        if self.sigmas is None:
            return
        values = np.asarray(self.sigmas, dtype=np.float64)
        if values.shape != (len(self),) or not (np.isfinite(values).all() and (values > 0).all()):
            raise SettingsError(
                f"skeleton: sigmas must be {len(self)} positive numbers; got {len(self.sigmas)}: {list(self.sigmas)}"
            )

    def _check_classes(self) -> None:
        for label, points in enumerate(self.classes or ()):
            if not points or list(points) != sorted({*range(len(self))} & {*points}):
                raise SettingsError(
                    f"skeleton: each class must have rising indices of {len(self)} keypoints, at least one; "
                    f"got {list(points)} for class {label}"
                )
            lone = self.lone_point(points)
            if lone is not None:
                point, partner = (self.names[k] for k in lone)
                raise SettingsError(
                    f"skeleton: each class must have both points of a mirror pair, or neither; got '{point}' without "
                    f"'{partner}' for class {label}"
                )


def make_skeleton(
    names: tuple[str, ...],
    *,
    flip_idx: tuple[int, ...] | None = None,
    edges: tuple[tuple[int, int], ...] = (),
    sigmas: tuple[float, ...] | None = None,
) -> Skeleton:
    """Make a skeleton from the permutation that other tools call flip_idx.

    Args:
        flip_idx: K indices; point i becomes point flip_idx[i] in a mirror.

    Raises:
        SettingsError: flip_idx is not a permutation of K indices that is its own inverse.
    """
    if flip_idx is None:
        return Skeleton(names, None, edges, sigmas)
    count = len(names)
    if len(flip_idx) != count:
        raise SettingsError(f"flip_idx must have one index per keypoint, {count}; got {len(flip_idx)}")
    for i, j in enumerate(flip_idx):
        if not 0 <= j < count:
            raise SettingsError(f"flip_idx must hold indices from 0 to {count - 1}; got {j} at position {i}")
        if flip_idx[j] != i:
            raise SettingsError(
                f"flip_idx must be its own inverse (if {i} becomes {j}, {j} becomes {i}); "
                f"got {j} at position {i} and {flip_idx[j]} at position {j}"
            )
    pairs = tuple((i, j) for i, j in enumerate(flip_idx) if i < j)
    return Skeleton(names, pairs, edges, sigmas)


def _pairs(names: tuple[str, ...], *pairs: tuple[str, str]) -> tuple[tuple[int, int], ...]:
    return tuple((names.index(a), names.index(b)) for a, b in pairs)


_COCO_NAMES = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)
_PARTS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_COCO_EDGES = _pairs(
    _COCO_NAMES,
    *(("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("right_ankle", "right_knee")),
    *(("right_knee", "right_hip"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip")),
    *(("right_shoulder", "right_hip"), ("left_shoulder", "right_shoulder"), ("left_shoulder", "left_elbow")),
    *(("right_shoulder", "right_elbow"), ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist")),
    *(("left_eye", "right_eye"), ("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear")),
    *(("right_eye", "right_ear"), ("left_ear", "left_shoulder"), ("right_ear", "right_shoulder")),
)

# Lin et al., "Microsoft COCO", and the keypoint evaluation page of cocodataset.org. Tenths, divided as
# the reference evaluation divides them, so that the sigmas agree to the last bit.
_COCO_SIGMAS = tuple(
    float(s)
    for s in np.array(
        [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]
    )
    / 10.0
)

COCO_PERSON = Skeleton(
    names=_COCO_NAMES,
    mirror=_pairs(_COCO_NAMES, *((f"left_{part}", f"right_{part}") for part in _PARTS)),
    edges=_COCO_EDGES,
    sigmas=_COCO_SIGMAS,
)
