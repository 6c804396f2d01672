"""Drawing poses: boxes, limbs coloured by side, and points by score, for any skeleton."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.poses import Poses, PoseTargets
from pose_data.skeleton import Skeleton

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

# Left, right and neither: blue, orange and pale yellow stay apart for colour-blind eyes too.
_LEFT: Colour = (56, 152, 255)
_RIGHT: Colour = (255, 122, 26)
_CENTRE: Colour = (250, 236, 130)
_SHADE: Colour = (16, 16, 20)  # around light strokes, so that they show on any background
_GREY: Colour = (150, 150, 150)  # crowds, and people without an id
_CLASSES: tuple[Colour, ...] = (
    (120, 230, 130), (240, 110, 180), (110, 220, 235), (245, 200, 70), (180, 140, 255), (255, 145, 125),
    (160, 200, 80), (95, 160, 220), (225, 170, 215), (200, 160, 110),
)  # fmt: skip
_GOLDEN = 0.618034  # of the hue circle between an id and the next: neighbours differ, and no hue comes back soon
_SHIFT = 4  # bits of the fraction in coordinates handed to OpenCV
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FAR = 8192.0  # pixels; what a network puts farther away is drawn at this distance


def draw_poses(
    image: Image,
    poses: Poses,
    skeleton: Skeleton,
    *,
    names: Sequence[str] = (),
    keypoint_threshold: float = 0.25,
    ids: NDArray[np.int64] | None = None,
) -> Image:
    """Draw the people that were found.

    Args:
        image: (H, W, 3) uint8 RGB; it stays as it is.
        poses: in pixels of the image.
        skeleton: of the poses.
        names: C class names, for the labels; without them a label is the score alone.
        keypoint_threshold: points with a lower score aren't drawn, nor limbs that end in one; points that score 0
            never are.
        ids: (N,) of `PoseTracker.update`; they are in the labels, and box and limbs of each person have a colour of
            their own. Who has no id is grey.

    Returns:
        (H, W, 3) uint8 RGB, a new image. Surer points are larger and brighter; the surest person is on top.
    """
    canvas: Image = np.array(image, np.uint8, order="C")
    look = _Look(skeleton)
    for i in np.argsort(poses.scores, kind="stable").tolist():
        certain = poses.keypoint_scores[i]
        strengths = np.where((certain >= keypoint_threshold) & (certain > 0), certain, -1.0)
        pen = _make_pen(canvas, poses.boxes[i])
        label = int(poses.labels[i])
        words, colour = [_name(names, label), f"{poses.scores[i]:.2f}"], _class_colour(label)
        if ids is not None:
            words, colour = [_id_name(int(ids[i])), *words], id_colour(int(ids[i]))
            look = _Look(skeleton, limbs=colour)
        _draw_box(canvas, poses.boxes[i], colour, pen)
        _draw_points(canvas, poses.keypoints[i], strengths, np.ones(len(skeleton), np.bool_), look=look, pen=pen)
        _draw_label(canvas, poses.boxes[i], " ".join(filter(None, words)), colour, pen)
    return canvas


def draw_targets(image: Image, targets: PoseTargets, skeleton: Skeleton, *, names: Sequence[str] = ()) -> Image:
    """Draw the people that were annotated.

    Args:
        image: (H, W, 3) uint8 RGB; it stays as it is.
        targets: in pixels of the image.
        skeleton: of the targets.
        names: C class names, for the labels; without them there are none.

    Returns:
        (H, W, 3) uint8 RGB, a new image. Visible points are filled, hidden ones are rings.
    """
    canvas: Image = np.array(image, np.uint8, order="C")
    look = _Look(skeleton)
    for i in np.argsort(-targets.areas, kind="stable").tolist():
        label, crowd = int(targets.labels[i]), bool(targets.crowd[i])
        colour = _GREY if crowd else _class_colour(label)
        seen = targets.visibility[i]
        pen = _make_pen(canvas, targets.boxes[i])
        _draw_box(canvas, targets.boxes[i], colour, pen)
        strengths = np.where(seen > 0, 1.0, -1.0)
        _draw_points(canvas, targets.keypoints[i], strengths, seen == 2, look=look, pen=pen)
        text = f"{_name(names, label)} (crowd)".strip() if crowd else _name(names, label)
        _draw_label(canvas, targets.boxes[i], text, colour, pen)
    return canvas


@dataclass(frozen=True)
class _Pen:
    """Stroke sizes, in pixels: for a small person in a large image thin, but never invisible."""

    line: int
    edge: int  # dark rim on each side of a stroke; a small person would drown in it
    radius: float
    font: float


class _Look:
    """The colours of a skeleton's points and limbs."""

    def __init__(self, skeleton: Skeleton, *, limbs: Colour | None = None) -> None:
        self.sides = keypoint_sides(skeleton)
        self.points = [_side_colour(side) for side in self.sides.tolist()]
        both = [(a, b, int(self.sides[a] + self.sides[b])) for a, b in skeleton.edges]
        self.limbs = [(a, b, limbs or _side_colour(side)) for a, b, side in both]


def keypoint_sides(skeleton: Skeleton) -> NDArray[np.int64]:
    """Side of each point: (K,) 1 for left, -1 for right, 0 for neither.

    Names decide; mirror pairs whose names tell no side get one each, the first of the pair the left.
    """
    sides = np.array([_named_side(name) for name in skeleton.names], np.int64)
    for a, b in skeleton.mirror or ():
        if sides[a] == 0 and sides[b] == 0:
            sides[a], sides[b] = 1, -1
        elif sides[a] == 0 or sides[b] == 0:
            sides[a], sides[b] = sides[a] - sides[b], sides[b] - sides[a]
    return sides


def _named_side(name: str) -> int:
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    return int(bool(words & {"left", "l"})) - int(bool(words & {"right", "r"}))


def _side_colour(side: int) -> Colour:
    return _LEFT if side > 0 else _RIGHT if side < 0 else _CENTRE


def _class_colour(label: int) -> Colour:
    return _CLASSES[label % len(_CLASSES)]


def id_colour(track_id: int) -> Colour:
    """The colour of a person who is followed; grey for -1."""
    if track_id < 0:
        return _GREY
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(track_id * _GOLDEN % 1.0, 0.65, 1.0))
    return red, green, blue


def _id_name(track_id: int) -> str:
    return f"#{track_id}" if track_id >= 0 else ""


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if 0 <= label < len(names) else ""


def _make_pen(canvas: Image, box: NDArray[np.float32]) -> _Pen:
    height, width = canvas.shape[:2]
    low, high = np.clip(box[:2], 0, (width, height)), np.clip(box[2:], 0, (width, height))
    size = float(np.sqrt(np.prod(np.maximum(np.nan_to_num(high - low), 1.0))))
    finest = max(1.0, 0.0016 * max(height, width))
    line = min(max(0.018 * size, finest), 4 * finest)
    edge = int(size > 60 * finest)
    radius = 1.15 * line + 0.8 if edge else 1.3 * line
    return _Pen(line=max(1, round(line)), edge=edge, radius=radius, font=min(max(0.3 * finest, 0.34), 1.2))


def _draw_box(canvas: Image, box: NDArray[np.float32], colour: Colour, pen: _Pen) -> None:
    thickness = max(1, round(0.6 * pen.line))
    if np.isfinite(box).all():
        low, high = (_fixed(corner) for corner in (box[:2], box[2:]))
        cv2.rectangle(canvas, low, high, colour, thickness, cv2.LINE_AA, _SHIFT)


def _draw_points(
    canvas: Image,
    points: NDArray[np.float32],
    strengths: NDArray[np.float64] | NDArray[np.float32],
    filled: NDArray[np.bool_],
    *,
    look: _Look,
    pen: _Pen,
) -> None:
    """Draw limbs and points (K, 2); a strength (K,) below 0 leaves a point out, 1 is the brightest."""
    shown = (strengths >= 0) & np.isfinite(points).all(axis=1)
    places = [_fixed(point) for point in np.nan_to_num(points)]
    levels = np.clip(strengths, 0, 1).tolist()
    limbs = [(a, b, colour) for a, b, colour in look.limbs if shown[a] and shown[b]]
    for a, b, _ in limbs if pen.edge else ():
        cv2.line(canvas, places[a], places[b], _SHADE, pen.line + 2 * pen.edge, cv2.LINE_AA, _SHIFT)
    for a, b, colour in limbs:
        faded = _faded(colour, min(levels[a], levels[b]))
        cv2.line(canvas, places[a], places[b], faded, pen.line, cv2.LINE_AA, _SHIFT)
    for k in np.flatnonzero(shown).tolist():
        radius = pen.radius * (0.6 + 0.4 * levels[k])
        _draw_point(canvas, places[k], radius, _faded(look.points[k], levels[k]), edge=pen.edge, filled=bool(filled[k]))


def _draw_point(
    canvas: Image, place: tuple[int, int], radius: float, colour: Colour, *, edge: int, filled: bool
) -> None:
    outer, inner = (round(r * (1 << _SHIFT)) for r in (radius + edge, radius if filled else 0.55 * radius))
    first, second = (_SHADE, colour) if filled else (colour, _SHADE)
    cv2.circle(canvas, place, outer, first, -1, cv2.LINE_AA, _SHIFT)
    cv2.circle(canvas, place, inner, second, -1, cv2.LINE_AA, _SHIFT)


def _draw_label(canvas: Image, box: NDArray[np.float32], text: str, colour: Colour, pen: _Pen) -> None:
    """Write on a plate above the box, or inside it where there is no room above."""
    if not text or not np.isfinite(box).all():
        return
    height, width = canvas.shape[:2]
    thickness = max(1, round(1.4 * pen.font))
    (wide, high), below = cv2.getTextSize(text, _FONT, pen.font, thickness)
    plate_high = high + below + 2
    x = round(min(max(float(box[0]), 0.0), max(width - wide - 4, 0)))
    top = round(min(max(float(box[1]) - plate_high, 0.0), max(height - plate_high, 0)))
    cv2.rectangle(canvas, (x, top), (x + wide + 3, top + plate_high), colour, -1)
    cv2.putText(canvas, text, (x + 2, top + high + 2), _FONT, pen.font, _SHADE, thickness, cv2.LINE_AA)


def _faded(colour: Colour, level: float) -> Colour:
    red, green, blue = (round(c * (0.4 + 0.6 * level)) for c in colour)
    return red, green, blue


def _fixed(point: NDArray[np.float32]) -> tuple[int, int]:
    """A position in pixels to the integers that OpenCV draws with; its pixels have their centre at whole numbers."""
    x, y = ((np.clip(point, -_FAR, _FAR) - 0.5) * (1 << _SHIFT)).round().astype(int).tolist()
    return x, y
