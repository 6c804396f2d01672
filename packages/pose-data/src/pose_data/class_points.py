"""Which class of objects has which keypoints, from lists of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pose_data.errors import SettingsError
from pose_data.settings import nearest_key
from pose_data.skeleton import Skeleton


def with_classes(
    skeleton: Skeleton, points: Mapping[str, Sequence[str]], *, names: tuple[str, ...], what: str
) -> Skeleton:
    """Say which class has which points of a skeleton.

    Args:
        skeleton: all K points.
        points: for each class, by its name, the names of its points in any order.
        names: C class names.
        what: what `points` is, for messages.

    Returns:
        The skeleton with `classes`, which is None where every class has all points.

    Raises:
        SettingsError: a class or a point that doesn't exist, a class that is left out, a point given twice or to no
            class, or one side of a mirror pair without the other.
    """
    for name in points:
        if name not in names:
            raise SettingsError(f"{what} must name classes; got '{name}'; {name_hint(name, names)}")
    classes = tuple(_indices(points.get(name, ()), skeleton, name=name, what=what) for name in names)
    for k, point in enumerate(skeleton.names):
        if not any(k in indices for indices in classes):
            raise SettingsError(
                f"{what} must give every keypoint to a class; got none that has '{point}'; "
                "add it to a class, or take it out of the keypoints"
            )
    every = tuple(range(len(skeleton)))
    return replace(skeleton, classes=None if all(indices == every for indices in classes) else classes)


def _indices(points: Sequence[str], skeleton: Skeleton, *, name: str, what: str) -> tuple[int, ...]:
    """Find the points of one class, rising."""
    if not points:
        raise SettingsError(
            f"{what} must list the keypoints of every class, at least one; got none for '{name}'; add '{name}: [...]'"
        )
    for point in points:
        if point not in skeleton.names:
            hint = name_hint(point, skeleton.names)
            raise SettingsError(f"{what} must name keypoints; got '{point}' for '{name}'; {hint}")
        if points.count(point) > 1:
            raise SettingsError(f"{what} must name a keypoint once; got '{point}' twice for '{name}'; drop one")
    indices = tuple(sorted(skeleton.names.index(point) for point in points))
    lone = skeleton.lone_point(indices)
    if lone is not None:
        point, partner = (skeleton.names[k] for k in lone)
        raise SettingsError(
            f"{what} must give both points of a mirror pair to a class, or neither; got '{point}' without '{partner}' "
            f"for '{name}'; add '{partner}', whose v is 0 where it isn't labelled, or drop '{point}'"
        )
    return indices


def name_hint(name: str, known: tuple[str, ...]) -> str:
    """Say which name a mistyped one most likely means, or which there are."""
    near = nearest_key(name, known)
    return f"did you mean '{near}'?" if near else f"the names are {', '.join(known)}"
