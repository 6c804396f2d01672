"""How drawn people hold themselves: joint angles within human limits, turned into points in space.

Space is the image with a depth: x to the right, y down, z away from the viewer, in body heights. A body has
three axes of its own, (left, up, forward), so that left and right follow from the view and are never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEFT, UP, FORWARD = 0, 1, 2
NUM_DRAWS = 48  # uniform numbers that the pose of one person takes

# Ranges of the joint angles, degrees. A and B are the two legs or arms; which of them is left is drawn.
# trunk: lean forward, lean aside, twist | leg: flexion, abduction, knee | arm: flexion, abduction, elbow, roll
_HANGING = ((-20, 25), (4, 22), (5, 40), (-20, 50))
_SWUNG_FORWARD = ((15, 60), (3, 18), (20, 100), (-5, 50))
_SWUNG_BACK = ((-50, -5), (3, 18), (10, 95), (-5, 40))
_RAISED = ((110, 185), (0, 50), (0, 70), (-70, 70))
_ASIDE = ((-15, 40), (50, 115), (0, 110), (-95, 95))
_REACHING = ((45, 110), (-10, 40), (0, 90), (-40, 60))
_ON_HIP = ((-30, 5), (30, 50), (75, 105), (40, 75))
_STRAIGHT_LEG = ((-6, 10), (0, 13), (0, 10))
_TRUNK = ((-5, 8), (-6, 6), (-12, 12))
_POSTURES = (
    ("stand", 20, _TRUNK, _STRAIGHT_LEG, _STRAIGHT_LEG, _HANGING, _HANGING),
    ("stand, a hand on the hip", 6, _TRUNK, _STRAIGHT_LEG, ((-6, 22), (0, 14), (0, 30)), _ON_HIP, _HANGING),
    ("stand, hands busy", 8, _TRUNK, _STRAIGHT_LEG, _STRAIGHT_LEG, _REACHING, _REACHING),
    ("wave", 8, _TRUNK, _STRAIGHT_LEG, ((-6, 18), (0, 16), (0, 25)), _RAISED, _HANGING),
    ("cheer", 7, ((-10, 6), (-8, 8), (-12, 12)), _STRAIGHT_LEG, _STRAIGHT_LEG, _RAISED, _RAISED),
    ("walk", 16, ((0, 10), (-4, 4), (-12, 12)), ((12, 35), (0, 5), (2, 20)), ((-28, -8), (0, 5), (4, 40)), _SWUNG_BACK,
     _SWUNG_FORWARD),
    ("run", 10, ((8, 25), (-5, 5), (-18, 18)), ((35, 80), (0, 6), (40, 105)), ((-40, -10), (0, 6), (10, 95)),
     _SWUNG_BACK, ((20, 70), (3, 16), (70, 115), (0, 45))),
    ("sit", 10, ((-12, 20), (-8, 8), (-12, 12)), ((72, 98), (0, 20), (55, 105)), ((72, 98), (0, 20), (55, 105)),
     ((5, 50), (3, 25), (20, 90), (-10, 55)), _REACHING),
    ("bend", 5, ((35, 85), (-8, 8), (-20, 20)), ((0, 30), (0, 12), (0, 35)), ((-6, 20), (0, 12), (0, 25)), _REACHING,
     ((30, 110), (0, 30), (0, 50), (-20, 40))),
    ("squat", 4, ((15, 45), (-6, 6), (-12, 12)), ((70, 115), (5, 30), (90, 135)), ((70, 115), (5, 30), (90, 135)),
     _REACHING, _REACHING),
    ("star", 7, ((-8, 10), (-12, 12), (-15, 15)), ((-15, 30), (12, 40), (0, 40)), ((-15, 45), (12, 40), (0, 70)),
     _ASIDE, _RAISED),
    ("kick", 4, ((-18, 10), (-10, 10), (-18, 18)), ((45, 95), (0, 25), (0, 45)), ((-10, 10), (0, 8), (0, 25)), _ASIDE,
     _SWUNG_BACK),
    ("lie", 4, ((-6, 12), (-8, 8), (-15, 15)), ((-5, 55), (0, 20), (0, 85)), ((-5, 35), (0, 20), (0, 60)), _HANGING,
     _RAISED),
)  # fmt: skip
_CHANCES = np.cumsum([p[1] for p in _POSTURES]) / sum(p[1] for p in _POSTURES)
_RANGES = np.array([[r for group in p[2:] for r in group] for p in _POSTURES], np.float64)  # (postures, 17, 2)
_LIE = len(_POSTURES) - 1

# Lengths in body heights, from shoulder to hip and so on (Drillis and Contini's proportions, rounded).
_SHOULDER_HALF, _HIP_HALF = 0.108, 0.056
_TRUNK_LENGTH, _UPPER_ARM, _FOREARM, _HAND = 0.29, 0.168, 0.148, 0.042
_THIGH, _SHANK, _FOOT, _NECK = 0.238, 0.235, 0.095, 0.105
_HEAD_RADIUS = 0.066


@dataclass(frozen=True)
class Bodies:
    """N bodies in space, in pixels of the image; before `place` in body heights around the pelvis.

    Args:
        keypoints: (N, 17, 3), in the order of COCO_PERSON.
        hands: (N, 2, 3), tips of the left and of the right hand.
        toes: (N, 2, 3).
        head: (N, 3), centre of the skull.
        head_axes: (N, 3, 3); [:, :, LEFT] is where the left ear points, and so on.
        trunk_axes: (N, 3, 3), axes of the chest.
        pelvis_axes: (N, 3, 3).
        heights: (N,) body height.
        head_radii: (N,).
    """

    keypoints: Floats
    hands: Floats
    toes: Floats
    head: Floats
    head_axes: Floats
    trunk_axes: Floats
    pelvis_axes: Floats
    heights: Floats
    head_radii: Floats


def make_bodies(draws: Floats) -> Bodies:
    """Turn uniform numbers into bodies of height 1 with the pelvis at the origin.

    Args:
        draws: (N, NUM_DRAWS) in [0, 1).
    """
    posture = np.searchsorted(_CHANCES, draws[:, 0], side="right")
    ranges = _RANGES[posture]
    angles = np.deg2rad(ranges[..., 0] + (ranges[..., 1] - ranges[..., 0]) * draws[:, 1:18])
    trunk, legs, arms = angles[:, :3], angles[:, 3:9].reshape(-1, 2, 3), angles[:, 9:].reshape(-1, 2, 4)
    legs = np.where((draws[:, 18] < 0.5)[:, None, None], legs, legs[:, ::-1])
    arms = np.where((draws[:, 19] < 0.5)[:, None, None], arms, arms[:, ::-1])
    view = _view(draws[:, 20:26], lies=posture == _LIE)
    chest = view @ _turn(trunk[:, 0], UP, FORWARD) @ _turn(trunk[:, 1], UP, LEFT) @ _turn(trunk[:, 2], LEFT, FORWARD)
    look = np.deg2rad((draws[:, 26:29] - 0.5) * (110, 50, 30))
    upright = view @ _turn(0.5 * trunk[:, 0], UP, FORWARD)  # a head rights itself half of the way
    face = upright @ _turn(look[:, 0], LEFT, FORWARD) @ _turn(look[:, 1], UP, FORWARD) @ _turn(look[:, 2], UP, LEFT)
    return _assemble(view, chest, face, legs=legs, arms=arms, draws=draws[:, 29:])


def place(bodies: Bodies, *, heights: Floats, shifts: Floats) -> Bodies:
    """Scale unit bodies to heights (N,) in pixels and move their origin to shifts (N, 2)."""
    move = np.concatenate([shifts, np.zeros((len(shifts), 1))], axis=1)

    def to_image(points: Floats) -> Floats:
        shape = (-1,) + (1,) * (points.ndim - 1)
        moved: Floats = points * heights.reshape(shape) + move.reshape(-1, *(1,) * (points.ndim - 2), 3)
        return moved

    return Bodies(
        keypoints=to_image(bodies.keypoints),
        hands=to_image(bodies.hands),
        toes=to_image(bodies.toes),
        head=to_image(bodies.head),
        head_axes=bodies.head_axes,
        trunk_axes=bodies.trunk_axes,
        pelvis_axes=bodies.pelvis_axes,
        heights=bodies.heights * heights,
        head_radii=bodies.head_radii * heights,
    )


def _view(draws: Floats, *, lies: NDArray[np.bool_]) -> Floats:
    """Axes of the pelvis in space (N, 3, 3): mostly from the front, the back or a side, as people are seen."""
    quarter = np.array([0, 0, 0, 180, 180, 90, 270, 90, 270, 0])[(draws[:, 0] * 10).astype(np.int64)]
    yaw = np.deg2rad(np.where(draws[:, 1] < 0.3, 360 * draws[:, 2], quarter + 50 * (draws[:, 2] - 0.5)))
    pitch = np.deg2rad(-6 + 26 * draws[:, 3] ** 2)
    roll = np.deg2rad(14 * (draws[:, 4] - 0.5) + np.where(lies, np.where(draws[:, 5] < 0.5, 90, -90), 0))
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    left = np.stack([np.cos(yaw), zero, np.sin(yaw)], axis=-1)
    up = np.stack([zero, -one, zero], axis=-1)
    forward = np.stack([np.sin(yaw), zero, -np.cos(yaw)], axis=-1)
    axes = np.stack([left, up, forward], axis=-1)
    # Here 0, 1, 2 are x, y, z of the image: the camera looks down by `pitch` and is tilted by `roll`.
    seen: Floats = _turn(roll, 0, 1) @ _turn(pitch, 1, 2) @ axes
    return seen


def _turn(angles: Floats, a: int, b: int) -> Floats:
    """Rotation (N, 3, 3) that carries axis a towards axis b."""
    matrix = np.zeros((len(angles), 3, 3))
    matrix[:] = np.eye(3)
    cos, sin = np.cos(angles), np.sin(angles)
    matrix[:, a, a] = matrix[:, b, b] = cos
    matrix[:, b, a], matrix[:, a, b] = sin, -sin
    return matrix


def _assemble(view: Floats, chest: Floats, face: Floats, *, legs: Floats, arms: Floats, draws: Floats) -> Bodies:
    count = len(view)
    side = np.zeros((count, 2, 3))
    side[:, 0, LEFT], side[:, 1, LEFT] = 1, -1
    build = 0.9 + 0.2 * draws[:, 0:1, None]
    up = np.array([0.0, 1.0, 0.0])
    hips = _to_space(view, _HIP_HALF * side)
    shoulders = _to_space(chest, (_SHOULDER_HALF * side) * build + _TRUNK_LENGTH * up)
    thigh, shank = _leg_directions(legs, side)
    knees = hips + _THIGH * _to_space(view, thigh)
    ankles = knees + _SHANK * _to_space(view, shank)
    toes = ankles + _to_space(view, _foot_directions(shank, side))
    upper, lower = _arm_directions(arms, side)
    elbows = shoulders + _UPPER_ARM * _to_space(chest, upper)
    wrists = elbows + _FOREARM * _to_space(chest, lower)
    hands = wrists + _HAND * _to_space(chest, lower)
    radii = _HEAD_RADIUS * (0.95 + 0.5 * draws[:, 1] ** 3)  # children have large heads
    neck = _to_space(chest, np.broadcast_to(_TRUNK_LENGTH * up, (count, 1, 3)))
    head = neck + _to_space(face, np.broadcast_to(up, (count, 1, 3))) * (_NECK - _HEAD_RADIUS + radii)[:, None, None]
    face_points = head + radii[:, None, None] * _to_space(face, np.broadcast_to(_FACE, (count, 5, 3)))
    points = np.concatenate([face_points, shoulders, elbows, wrists, hips, knees, ankles], axis=1)
    return Bodies(points, hands, toes, head[:, 0], face, chest, view, np.ones(count), radii)


# nose, eyes, ears on a head of radius 1: left, up, forward
_FACE = np.array(
    [[0, -0.2, 1.02], [0.37, 0.1, 0.9], [-0.37, 0.1, 0.9], [0.98, -0.08, -0.05], [-0.98, -0.08, -0.05]], np.float64
)


def _to_space(axes: Floats, vectors: Floats) -> Floats:
    """Vectors (N, P, 3) in (left, up, forward) to image axes."""
    turned: Floats = np.einsum("nij,npj->npi", axes, vectors)
    return turned


def _swing(flexion: Floats, abduction: Floats, side: Floats) -> Floats:
    """Direction (N, 2, 3) of a limb that hangs down at 0, points forward at 90 degrees of flexion."""
    direction = np.sin(abduction)[..., None] * side
    direction[..., UP] -= np.cos(abduction) * np.cos(flexion)
    direction[..., FORWARD] += np.cos(abduction) * np.sin(flexion)
    return direction


def _leg_directions(legs: Floats, side: Floats) -> tuple[Floats, Floats]:
    flexion, abduction, knee = legs[..., 0], legs[..., 1], legs[..., 2]
    return _swing(flexion, abduction, side), _swing(flexion - knee, 0.5 * abduction, side)


def _foot_directions(shank: Floats, side: Floats) -> Floats:
    """A foot stands at a right angle to its shank, a little turned out."""
    ahead = np.zeros_like(shank)
    ahead[..., FORWARD] = 1
    ahead = ahead - (ahead * shank).sum(-1, keepdims=True) * shank
    behind_up = np.linalg.norm(ahead, axis=-1, keepdims=True)
    toe: Floats = _FOOT * (ahead / np.maximum(behind_up, 0.3) + 0.25 * side + 0.25 * shank)
    return toe


def _arm_directions(arms: Floats, side: Floats) -> tuple[Floats, Floats]:
    flexion, abduction, elbow, roll = (arms[..., i] for i in range(4))
    upper = _swing(flexion, abduction, side)
    bend = np.zeros_like(upper)
    bend[..., UP], bend[..., FORWARD] = np.sin(flexion), np.cos(flexion)
    inward = np.cross(upper, bend)
    inward = inward * np.sign(-(side * inward).sum(-1, keepdims=True) + 1e-9)
    across = np.cos(roll)[..., None] * bend + np.sin(roll)[..., None] * inward
    return upper, np.cos(elbow)[..., None] * upper + np.sin(elbow)[..., None] * across
