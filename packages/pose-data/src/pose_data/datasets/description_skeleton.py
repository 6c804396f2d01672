"""The skeleton of a data set, from the several keys that may describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pose_data.class_points import name_hint, with_classes
from pose_data.datasets.coco_categories import CocoCategories
from pose_data.errors import SettingsError
from pose_data.sides import mirror_pairs
from pose_data.skeleton import COCO_PERSON, Skeleton, make_skeleton

_Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class SkeletonKeys:
    """The `skeleton` block of a data YAML.

    Args:
        names: K keypoint names.
        mirror: pairs of names (or indices) that trade places in a mirror.
        edges: pairs of names (or indices) that are joined by a limb.
        sigmas: K OKS sigmas, or one for each name.
        classes: the keypoint names of each class, by the name of the class; without it every class has all.
    """

    names: tuple[str, ...] = ()
    mirror: tuple[tuple[str, str], ...] | None = None
    edges: tuple[tuple[str, str], ...] | None = None
    sigmas: tuple[float, ...] | Mapping[str, float] | None = None
    classes: Mapping[str, tuple[str, ...]] | None = None


def make_described_skeleton(
    block: SkeletonKeys | None,
    public: SkeletonKeys,
    *,
    class_names: tuple[str, ...],
    flip_idx: tuple[int, ...] | None,
    shape: tuple[int, int] | None,
    coco: CocoCategories | None,
) -> tuple[Skeleton, int]:
    """Make the skeleton, and say how many numbers a keypoint has.

    Args:
        block: the `skeleton` block, if there is one.
        public: kpt_names and kpt_oks_sigmas.
        class_names: C names.
        flip_idx: other tools' key for the mirror.
        shape: kpt_shape.
        coco: the categories of a COCO file, for what the YAML leaves out.

    Raises:
        SettingsError: keys that disagree, or too few of them.
    """
    block = block or SkeletonKeys()
    names = _agreed("names", block.names or None, "kpt_names", public.names or None)
    known = coco.skeleton if coco is not None else None
    if names is None and known is not None:
        names = known.names
    count, dims = _shape(shape, names)
    flip_idx = flip_idx or None
    if names is None:
        is_coco = flip_idx is not None and flip_idx == _flip_idx(COCO_PERSON)
        names = COCO_PERSON.names if is_coco else tuple(f"point_{i}" for i in range(count))
    if names == COCO_PERSON.names:
        known = COCO_PERSON
    elif known is not None and known.names != names:
        known = None
    mirror = _mirror(block, names, flip_idx)
    edges = None if block.edges is None else _by_name(block.edges, names, "edges")
    sigmas = _sigmas(block, public, names)
    skeleton = Skeleton(
        names,
        mirror if mirror is not None else known.mirror if known is not None else mirror_pairs(names),
        edges if edges is not None else known.edges if known is not None else (),
        sigmas if sigmas is not None else known.sigmas if known is not None else None,
    )
    if block.classes is not None:
        skeleton = with_classes(skeleton, block.classes, names=class_names, what="skeleton: classes")
    elif coco is not None and coco.points is not None:
        skeleton = with_classes(skeleton, coco.points, names=class_names, what="the categories of the COCO file")
    return skeleton, dims


def _flip_idx(skeleton: Skeleton) -> tuple[int, ...]:
    order = skeleton.flip_idx
    return () if order is None else tuple(order.tolist())


def _shape(shape: tuple[int, int] | None, names: tuple[str, ...] | None) -> tuple[int, int]:
    if shape is None:
        if names is None:
            raise SettingsError("must say how many keypoints there are; add 'kpt_shape: [K, 3]'")
        return len(names), 3
    count, dims = shape
    if count < 1 or dims not in (2, 3):
        raise SettingsError(f"kpt_shape must be [K, 2] or [K, 3] with K at least 1; got [{count}, {dims}]")
    if names is not None and len(names) != count:
        raise SettingsError(f"kpt_shape must have one point per keypoint name, {len(names)}; got [{count}, {dims}]")
    return count, dims


def _agreed(
    key: str, ours: tuple[str, ...] | None, public_key: str, theirs: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    if ours is not None and theirs is not None and ours != theirs:
        raise SettingsError(f"skeleton: {key} and {public_key} must agree; they differ; keep one of them")
    return ours if ours is not None else theirs


def _mirror(block: SkeletonKeys, names: tuple[str, ...], flip_idx: tuple[int, ...] | None) -> _Pairs | None:
    ours = None if block.mirror is None else _by_name(block.mirror, names, "mirror")
    if flip_idx is None:
        return ours
    theirs = make_skeleton(names, flip_idx=flip_idx).mirror
    if ours is not None and theirs is not None and {frozenset(p) for p in ours} != {frozenset(p) for p in theirs}:
        raise SettingsError("skeleton: mirror and flip_idx must agree; they differ; keep one of them")
    return theirs


def _by_name(pairs: tuple[tuple[str, str], ...], names: tuple[str, ...], key: str) -> _Pairs:
    return tuple((_index(a, names, key), _index(b, names, key)) for a, b in pairs)


def _index(name: str, names: tuple[str, ...], key: str) -> int:
    if name in names:
        return names.index(name)
    if name.isdecimal():
        return int(name)
    raise SettingsError(f"skeleton: {key} must name keypoints; got '{name}'; {name_hint(name, names)}")


def _sigmas(block: SkeletonKeys, public: SkeletonKeys, names: tuple[str, ...]) -> tuple[float, ...] | None:
    ours = block.sigmas
    if isinstance(ours, Mapping):
        missing = [name for name in names if name not in ours]
        strange = [name for name in ours if name not in names]
        if missing or strange:
            wrong = f"none for '{missing[0]}'" if missing else f"one for '{strange[0]}', which is no keypoint"
            raise SettingsError(f"skeleton: sigmas must have one number for each keypoint name; got {wrong}")
        ours = tuple(ours[name] for name in names)
    theirs = public.sigmas
    if ours is not None and theirs is not None and ours != theirs:
        raise SettingsError("skeleton: sigmas and kpt_oks_sigmas must agree; they differ; keep one of them")
    if ours is not None:
        return ours
    return theirs if theirs is None or not isinstance(theirs, Mapping) else tuple(theirs.values())
