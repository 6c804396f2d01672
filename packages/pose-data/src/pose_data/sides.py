"""Left and right in the names of keypoints."""

from __future__ import annotations

import re

_SWAP = {"left": "right", "right": "left", "l": "r", "r": "l"}
_SIDE = re.compile(
    r"(?<![A-Za-z])(?:left|right|l|r)(?![A-Za-z])"  # left_eye, eye-L, r.hand
    r"|(?:left|right)(?=[A-Z])"  # leftEye
    r"|(?<![A-Za-z])(?:Left|Right)(?=[A-Z])"  # LeftEye
    r"|(?<=[a-z])(?:Left|Right)(?![a-z])",  # eyeLeft
)
_SIDE_ANY_CASE = re.compile(r"(?<![A-Za-z])(?:left|right|l|r)(?![A-Za-z])", re.IGNORECASE)


def mirror_pairs(names: tuple[str, ...]) -> tuple[tuple[int, int], ...] | None:
    """Pair the points whose names differ in their side alone, such as left_eye and right_eye.

    Args:
        names: K keypoint names.

    Returns:
        Pairs of indices; None where no name has a side, or where one that has lacks its partner: names then
        don't say what trades places in a mirror.
    """
    partners = [other_side(name) for name in names]
    pairs = []
    for i, partner in enumerate(partners):
        if partner is None:
            continue
        if partner not in names:
            return None
        if i < names.index(partner):
            pairs.append((i, names.index(partner)))
    return tuple(pairs) or None


def other_side(name: str) -> str | None:
    """Name the same point on the other side; None when the name has no side."""
    match = _SIDE.search(name) or _SIDE_ANY_CASE.search(name)
    if match is None:
        return None
    return name[: match.start()] + _swapped(match.group()) + name[match.end() :]


def _swapped(side: str) -> str:
    other = _SWAP[side.lower()]
    if side.isupper():
        return other.upper()
    return other.capitalize() if side[0].isupper() else other
