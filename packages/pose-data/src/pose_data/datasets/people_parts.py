"""What a drawn person is made of: rounded parts, each the outline of a few discs, like two for a forearm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.people_looks import Looks
from pose_data.datasets.people_pose import FORWARD, LEFT, UP, Bodies, Floats

SHIFT = 4  # bits of the fraction in coordinates handed to OpenCV
_CORNERS = 16  # of the polygon that stands for a disc

Ints = NDArray[np.int32]


class Part(NamedTuple):
    """One part of a body: its discs, what it wears, and how much nearer than its discs it is painted."""

    name: str
    discs: tuple[str, ...]
    cloth: str
    nearer: float = 0.0  # body heights


def _both(name: str, discs: tuple[str, ...], cloth: str, nearer: float = 0.0) -> tuple[Part, ...]:
    return tuple(Part(f"{s}_{name}", tuple(f"{s}_{d}" for d in discs), cloth, nearer) for s in ("left", "right"))


PARTS = (
    *_both("upper_arm", ("shoulder", "elbow"), "upper_arm", 0.004),
    *_both("forearm", ("elbow", "wrist"), "forearm", 0.012),
    *_both("hand", ("wrist", "hand"), "skin", 0.013),
    *_both("thigh", ("hip", "knee"), "thigh"),
    *_both("shank", ("knee", "ankle"), "shank"),
    *_both("foot", ("heel", "toe"), "shoe", 0.012),
    *_both("ear", ("ear",), "skin", 0.02),
    *_both("lock", ("lock_top", "lock_end"), "hair", 0.022),
    Part("torso", ("left_chest", "right_chest", "left_waist", "right_waist"), "shirt"),
    Part("pelvis", ("left_waist", "right_waist", "left_seat", "right_seat"), "trousers", -0.002),
    Part("skirt", ("left_waist", "right_waist", "left_hem", "right_hem"), "trousers", 0.095),
    Part("neck", ("neck", "throat"), "skin", -0.01),
    Part("jaw", ("jaw",), "skin", 0.0),
    Part("skull", ("skull",), "hair", 0.001),
    Part("nose", ("nose",), "skin", 0.03),
    Part("mane", ("skull", "mane"), "hair"),
    Part("brim", ("left_brow", "right_brow", "brim"), "hat", 0.035),
    Part("pack", ("left_pack_top", "right_pack_top", "left_pack", "right_pack"), "pack"),
)
PART_IDS = {part.name: number for number, part in enumerate(PARTS, start=1)}


@dataclass(frozen=True)
class Figures:
    """N people, ready to be painted.

    Args:
        order: (N, P), part indices of each person from the farthest to the nearest.
        layers: (N, 3, D, corners, 2) int32, the discs in 1/16 pixels: a little enlarged for the outline,
            as they are, and smaller and moved towards the light.
        face: (N, corners, 2) int32, points that span the skin of the face, and `face_mask` those seen.
        dome: (N, corners, 2) int32, points that span the crown of a hat, and `dome_mask` those seen.
        features: (N, F, 2, corners, 2) int32, two discs that span each feature of the face, and
            `feature_mask` (N, F) those seen.
        discs: (N, D, 4), x, y, z and radius in pixels.
        bodies: where the people are.
        looks: what they wear.
    """

    order: NDArray[np.int64]
    layers: Ints
    face: Ints
    face_mask: NDArray[np.bool_]
    dome: Ints
    dome_mask: NDArray[np.bool_]
    features: Ints
    feature_mask: NDArray[np.bool_]
    discs: Floats
    bodies: Bodies
    looks: Looks


def make_figures(bodies: Bodies, looks: Looks) -> Figures:
    """Give bodies their flesh and put the parts in painting order."""
    named = _discs(bodies, looks)
    discs = np.stack([named[name] for name in _DISC_NAMES], axis=1)
    depth = discs[:, _FOUR_DISCS, 2].mean(axis=2) - _NEARER * bodies.heights[:, None]
    line = np.clip(0.006 * bodies.heights, 0.35, 1.6) * looks.line
    light = looks.light[:, None, :] * discs[..., 3:]
    face, face_mask = _cap(bodies, tilt=looks.hairline[:, 0], opening=looks.hairline[:, 1], scale=0.97)
    dome, dome_mask = _cap(bodies, tilt=np.full(len(discs), 1.72), opening=np.full(len(discs), 1.25), scale=1.07)
    centres = discs[..., :2]
    radii = np.stack([discs[..., 3] + line[:, None], discs[..., 3], 0.5 * discs[..., 3]], axis=1)
    features, feature_mask = _face_features(bodies)
    return Figures(
        order=np.argsort(-depth, axis=1, kind="stable"),
        layers=disc_polygons(np.stack([centres, centres, centres + 0.36 * light], axis=1), radii),
        face=face,
        face_mask=face_mask,
        dome=dome,
        dome_mask=dome_mask,
        features=features,
        feature_mask=feature_mask,
        discs=discs,
        bodies=bodies,
        looks=looks,
    )


class Feature(NamedTuple):
    """A mark on the face: a stroke between two points, or a spot where they are the same."""

    name: str
    ends: tuple[tuple[float, float, float], tuple[float, float, float]]  # left, up, forward, in head radii
    radius: float  # head radii
    colour: tuple[int, int, int]
    least_radius: float  # pixels; a smaller head doesn't show it


def _eye_features(side: int) -> tuple[Feature, ...]:
    eye, iris = (0.37 * side, 0.1, 0.9), (0.37 * side, 0.1, 0.92)
    brow = ((0.2 * side, 0.4, 0.9), (0.54 * side, 0.38, 0.76))
    return (
        Feature("white", (eye, eye), 0.19, (245, 245, 240), 5.0),
        Feature("iris", (iris, iris), 0.11, (30, 25, 25), 0.0),
        Feature("brow", brow, 0.05, (45, 32, 26), 6.0),
    )


_MOUTH = Feature("mouth", ((0.2, -0.62, 0.72), (-0.2, -0.62, 0.72)), 0.06, (150, 50, 50), 3.0)
FEATURES = (_MOUTH, *_eye_features(1), *_eye_features(-1))
_FEATURE_POINTS = np.array([feature.ends for feature in FEATURES])
_FEATURE_RADII = np.array([feature.radius for feature in FEATURES])
_FEATURE_LEAST = np.array([feature.least_radius for feature in FEATURES])


def _discs(bodies: Bodies, looks: Looks) -> dict[str, Floats]:
    """Centre and radius (N, 4) of every disc by name."""
    found = _middle_discs(bodies, looks)
    for s, side in enumerate(("left", "right")):
        for discs in (_limb_discs(bodies, looks, s), _trunk_discs(bodies, looks, s), _head_discs(bodies, s)):
            found |= {f"{side}_{name}": disc for name, disc in discs.items()}
    return found


def _limb_discs(bodies: Bodies, looks: Looks, s: int) -> dict[str, Floats]:
    """Arm and leg of the left side, s = 0, or of the right, s = 1."""
    height, girth = bodies.heights, bodies.heights * looks.girth
    shoulder, elbow, wrist, hip, knee, ankle = (bodies.keypoints[:, k + s] for k in (5, 7, 9, 11, 13, 15))
    toe = bodies.toes[:, s]
    heel = ankle + 0.18 * (toe - ankle) - _along(0.022 * height, toe - ankle)
    return {
        "shoulder": _disc(shoulder, 0.036 * girth),
        "elbow": _disc(elbow, 0.027 * girth),
        "wrist": _disc(wrist, 0.0195 * girth),
        "hand": _disc(bodies.hands[:, s], 0.024 * height),
        "hip": _disc(hip, 0.054 * girth),
        "knee": _disc(knee, 0.037 * girth),
        "ankle": _disc(ankle, 0.024 * girth),
        "heel": _disc(heel, 0.026 * height),
        "toe": _disc(toe, 0.021 * height),
        "hem": _disc(hip + looks.hem[:, None] * (knee - hip), 0.075 * girth),
    }


def _trunk_discs(bodies: Bodies, looks: Looks, s: int) -> dict[str, Floats]:
    height, girth = bodies.heights, bodies.heights * looks.girth
    trunk, pelvis = bodies.trunk_axes, bodies.pelvis_axes
    neck, base, hip = _neck(bodies), bodies.keypoints[:, 11:13].mean(axis=1), bodies.keypoints[:, 11 + s]
    beside, beside_hip = (1 - 2 * s) * trunk[..., LEFT], (1 - 2 * s) * pelvis[..., LEFT]
    chest = neck + _scaled(height, 0.056, beside) - _scaled(height, 0.045, trunk[..., UP])
    waist = base + _scaled(height, 0.04, beside) + _scaled(height, 0.075, trunk[..., UP])
    pack = neck + _scaled(height, 0.045, beside) - _scaled(height, 0.1, trunk[..., FORWARD])
    return {
        "chest": _disc(chest, 0.06 * girth),
        "waist": _disc(waist, 0.06 * girth),
        "seat": _disc(hip - _scaled(height, 0.005, beside_hip), 0.058 * girth),
        "pack_top": _disc(pack - _scaled(height, 0.03, trunk[..., UP]), 0.045 * height),
        "pack": _disc(pack - _scaled(height, 0.17, trunk[..., UP]), 0.055 * height),
    }


def _head_discs(bodies: Bodies, s: int) -> dict[str, Floats]:
    """Ear, lock of hair and corner of the brim on one side."""
    head, axes = bodies.head_radii, bodies.head_axes
    across = (1 - 2 * s) * axes[..., LEFT]
    lock_end = bodies.head + _scaled(head, 0.85, across) - _scaled(head, 1.5, axes[..., UP])
    brow = bodies.head + _scaled(head, 0.55, across) + _scaled(head, 0.6, axes[..., FORWARD])
    return {
        "ear": _disc(bodies.keypoints[:, 3 + s], 0.2 * head),
        "lock_top": _disc(bodies.head + _scaled(head, 0.82, across), 0.3 * head),
        "lock_end": _disc(lock_end - _scaled(head, 0.1, axes[..., FORWARD]), 0.3 * head),
        "brow": _disc(brow + _scaled(head, 0.5, axes[..., UP]), 0.22 * head),
    }


def _middle_discs(bodies: Bodies, looks: Looks) -> dict[str, Floats]:
    """What a body has once."""
    girth, head, axes = bodies.heights * looks.girth, bodies.head_radii, bodies.head_axes
    up, forward = axes[..., UP], axes[..., FORWARD]
    jaw = bodies.head - _scaled(head, 0.5, up) + _scaled(head, 0.2, forward)
    mane = bodies.head - _scaled(head, looks.mane, up) - _scaled(head, 0.55, forward)
    brim = bodies.head + _scaled(head, 1.35, forward) + _scaled(head, 0.42, up)
    return {
        "neck": _disc(_neck(bodies), 0.034 * girth),
        "throat": _disc(bodies.head - _scaled(head, 0.5, up), 0.031 * girth),
        "skull": _disc(bodies.head, head),
        "jaw": _disc(jaw, 0.72 * head),
        "nose": _disc(bodies.keypoints[:, 0], 0.14 * head),
        "mane": _disc(mane, 0.85 * head),
        "brim": _disc(brim, 0.3 * head),
    }


def _neck(bodies: Bodies) -> Floats:
    middle: Floats = bodies.keypoints[:, 5:7].mean(axis=1)
    return middle


def _disc(centre: Floats, radius: Floats) -> Floats:
    return np.concatenate([centre, radius[:, None]], axis=1)


def _scaled(size: Floats, factor: float | Floats, direction: Floats) -> Floats:
    scaled: Floats = (size * factor)[:, None] * direction
    return scaled


def _along(length: Floats, direction: Floats) -> Floats:
    norm = np.linalg.norm(direction, axis=1, keepdims=True)
    along: Floats = length[:, None] * direction / np.maximum(norm, 1e-9)
    return along


_DISC_NAMES = tuple(dict.fromkeys(disc for part in PARTS for disc in part.discs))
PART_DISCS = tuple(np.array([_DISC_NAMES.index(disc) for disc in part.discs]) for part in PARTS)
_FOUR_DISCS = np.stack([np.resize(index, 4) for index in PART_DISCS])  # a short list repeats: same mean
_NEARER = np.array([part.nearer for part in PARTS])
_ANGLES = np.arange(_CORNERS) * (2 * np.pi / _CORNERS)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_RIM = 20
_RIM_ANGLES = np.arange(_RIM) * (2 * np.pi / _RIM)


def _cap(bodies: Bodies, *, tilt: Floats, opening: Floats, scale: float) -> tuple[Ints, NDArray[np.bool_]]:
    """Points that span what is seen of a round cap on the skull, and which of them count.

    Args:
        tilt: (N,) radians from straight down to the middle of the cap, towards the front.
        opening: (N,) radians from the middle of the cap to its rim.
        scale: radius of the cap in radii of the head.
    """
    axes = bodies.head_axes
    tilt, opening = tilt[:, None], opening[:, None]
    middle = np.sin(tilt) * axes[..., FORWARD] - np.cos(tilt) * axes[..., UP]
    beside = np.cos(tilt) * axes[..., FORWARD] + np.sin(tilt) * axes[..., UP]
    around = np.cos(_RIM_ANGLES)[:, None] * axes[:, None, :, LEFT] + np.sin(_RIM_ANGLES)[:, None] * beside[:, None]
    rim = np.cos(opening)[..., None] * middle[:, None] + np.sin(opening)[..., None] * around
    border = np.zeros((len(axes), _RIM, 3))
    border[..., 0], border[..., 1] = np.cos(_RIM_ANGLES), np.sin(_RIM_ANGLES)
    inside = (border * middle[:, None]).sum(-1) > np.cos(opening)
    points = np.concatenate([rim, border], axis=1)[..., :2] * (scale * bodies.head_radii)[:, None, None]
    return fixed(points + bodies.head[:, None, :2]), np.concatenate([rim[..., 2] < 0, inside], axis=1)


def _face_features(bodies: Bodies) -> tuple[Ints, NDArray[np.bool_]]:
    """The two discs (N, F, 2, corners, 2) that span each feature, and (N, F) whether it is seen."""
    turned = np.einsum("nij,fpj->nfpi", bodies.head_axes, _FEATURE_POINTS)
    radii = bodies.head_radii[:, None]
    seen = (turned[..., 2].mean(axis=2) < -0.12) & (radii > _FEATURE_LEAST)
    spread = np.maximum(radii * _FEATURE_RADII, 0.5)[..., None]
    centres = bodies.head[:, None, None, :2] + radii[..., None, None] * turned[..., :2]
    return disc_polygons(centres, np.repeat(spread, 2, axis=2)), seen


def disc_polygons(centres: Floats, radii: Floats) -> Ints:
    """Corners (..., corners, 2) of discs with centres (..., 2) and radii (...), in 1/16 pixels."""
    return fixed(centres[..., None, :] + radii[..., None, None] * _CIRCLE)


def fixed(points: Floats) -> Ints:
    """Points in pixels to the integers that OpenCV draws with; its pixels have their centre at whole numbers."""
    return np.rint((points - 0.5) * (1 << SHIFT)).astype(np.int32)
