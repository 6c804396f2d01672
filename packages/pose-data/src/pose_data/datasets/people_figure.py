"""Painting a drawn person part by part, clothes and all, from the farthest to the nearest.

Every part goes into a colour image and, as a number, into an id buffer, from which the true visibility of
every keypoint is read afterwards.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.people_looks import pattern
from pose_data.datasets.people_parts import (
    FEATURES,
    PART_DISCS,
    PART_IDS,
    PARTS,
    SHIFT,
    Figures,
    Ints,
    Part,
    disc_polygons,
    fixed,
)
from pose_data.datasets.people_pose import FORWARD, LEFT, UP

PARTS_PER_PERSON = 32  # person p owns the ids 32 p to 32 p + 31, p from 1; 0 is background
_LAYERS = 3  # outline, fill, light
_LEAST_LIT = 70  # pixels; on a smaller body light and shade don't show

Canvas = NDArray[np.uint8]


def paint_figure(figures: Figures, index: int, *, ids: Canvas, image: Canvas | None) -> None:
    """Paint person `index` over what is there already, into the ids and, where one is given, the image."""
    worn = figures.looks.worn[index]
    shown = _LAYERS if figures.bodies.heights[index] > _LEAST_LIT else _LAYERS - 1
    body = figures.layers[index, :shown]
    for number in figures.order[index].tolist():
        part = PARTS[number]
        if part.name in _OPTIONAL and part.name not in worn:
            continue
        layers = body.take(PART_DISCS[number], axis=1).reshape(shown, -1, 2)
        polygons = layers.take(cv2.convexHull(layers[0], returnPoints=False)[:, 0], axis=1)
        code = PARTS_PER_PERSON * (index + 1) + number + 1
        cv2.fillConvexPoly(ids, polygons[0], code, cv2.LINE_8, SHIFT)
        if image is not None:
            colours = figures.looks.colours[index][part.cloth]
            for polygon, colour in zip(polygons, colours, strict=False):  # a small body shows no light
                cv2.fillConvexPoly(image, polygon, colour, cv2.LINE_AA, SHIFT)
            _paint_details(figures, index, part, code=code, ids=ids, image=image)


def _paint_details(figures: Figures, index: int, part: Part, *, code: int, ids: Canvas, image: Canvas) -> None:
    if part.name == "skull":
        _paint_face(figures, index, image)
    elif part.name == "torso":
        _paint_pattern(figures, index, code=code, ids=ids, image=image)
        _paint_front(figures, index, image)
    elif part.name in _SHORT_PIECES:
        _paint_short_piece(figures, index, part.name, image)


def _paint_face(figures: Figures, index: int, image: Canvas) -> None:
    looks, mask = figures.looks, figures.face_mask[index]
    if np.count_nonzero(mask) > 2:
        _fill_hull(image, figures.face[index][mask], looks.colours[index]["skin"][1])
    for number in np.flatnonzero(figures.feature_mask[index]).tolist():
        feature = FEATURES[number]
        colour = looks.iris[index] if feature.name == "iris" else feature.colour
        _fill_hull(image, figures.features[index, number].reshape(-1, 2), colour)
    if "hat" in looks.worn[index] and np.count_nonzero(figures.dome_mask[index]) > 2:
        _fill_hull(image, figures.dome[index][figures.dome_mask[index]], looks.colours[index]["hat"][1])


def _paint_pattern(figures: Figures, index: int, *, code: int, ids: Canvas, image: Canvas) -> None:
    kind = figures.looks.pattern[index]
    if kind < 0:
        return
    discs = figures.discs[index, PART_DISCS[PART_IDS["torso"] - 1]]
    height, width = ids.shape
    low = np.floor((discs[:, :2] - discs[:, 3:]).min(axis=0) - 2)
    high = np.ceil((discs[:, :2] + discs[:, 3:]).max(axis=0) + 2)
    x0, y0 = np.clip(low, 0, (width, height)).astype(np.int64).tolist()
    x1, y1 = np.clip(high, 0, (width, height)).astype(np.int64).tolist()
    if x1 <= x0 or y1 <= y0:
        return
    marks = pattern(kind, height=y1 - y0, width=x1 - x0, cell=0.03 * float(figures.bodies.heights[index]))
    region = image[y0:y1, x0:x1]
    region[(ids[y0:y1, x0:x1] == code) & (marks > 0)] = figures.looks.pattern_colour[index]


def _paint_front(figures: Figures, index: int, image: Canvas) -> None:
    """Collar, buttons and a badge over the heart: only the front of a shirt has them."""
    axes = figures.bodies.trunk_axes[index]
    if axes[2, FORWARD] > -0.3:
        return
    height = figures.bodies.heights[index]
    middle = figures.discs[index, PART_DISCS[PART_IDS["torso"] - 1], :3]
    chest, waist = middle[:2].mean(axis=0), middle[2:].mean(axis=0)
    looks = figures.looks
    colours = looks.colours[index]
    top = chest + height * (0.058 * axes[:, UP] + 0.03 * axes[:, FORWARD])
    tip = chest + height * (-0.012 * axes[:, UP] + 0.06 * axes[:, FORWARD])
    corner = 0.034 * height * axes[:, LEFT]
    _fill_hull(image, fixed(np.stack([top + corner, tip, top - corner])[:, :2]), colours["skin"][1])
    front = 0.062 * height * axes[:, FORWARD]
    if "badge" in looks.worn[index]:
        heart = chest + front + height * (0.05 * axes[:, LEFT] - 0.03 * axes[:, UP])
        square = np.stack([heart + height * 0.019 * (a * axes[:, LEFT] + b * axes[:, UP]) for a, b in _SQUARE])
        _fill_hull(image, fixed(square[:, :2]), looks.pattern_colour[index])
    if "buttons" in looks.worn[index]:
        for step in (0.1, 0.4, 0.7, 1.0):
            button = chest + front - height * 0.02 * axes[:, UP] + step * (waist - chest)
            spot = disc_polygons(button[None, :2], np.array([max(0.0085 * height, 0.5)]))[0]
            _fill_hull(image, spot, looks.pattern_colour[index])


_SQUARE = ((-1, -1), (-1, 1), (1, 1), (1, -1))


def _paint_short_piece(figures: Figures, index: int, name: str, image: Canvas) -> None:
    """A short sleeve or the leg of shorts: cloth over the upper end of a bare limb."""
    garment, cloth, reach = _SHORT_PIECES[name]
    if garment not in figures.looks.worn[index]:
        return
    upper, lower = figures.discs[index, PART_DISCS[PART_IDS[name] - 1]]
    end = upper + reach * (lower - upper)
    both = np.stack([upper, end])
    for grown, colour in ((1.12, 0), (0.98, 1)):
        points = disc_polygons(both[:, :2], both[:, 3] * grown).reshape(-1, 2)
        _fill_hull(image, points, figures.looks.colours[index][cloth][colour])


_SHORT_PIECES = {
    f"{side}_{limb}": piece
    for side in ("left", "right")
    for limb, piece in (("upper_arm", ("short_sleeves", "shirt", 0.55)), ("thigh", ("shorts", "trousers", 0.68)))
}
_OPTIONAL = {"skirt", "mane", "brim", "pack", "left_lock", "right_lock"}


def _fill(image: Canvas, polygon: Ints, colour: tuple[int, int, int]) -> None:
    cv2.fillConvexPoly(image, polygon, colour, cv2.LINE_AA, SHIFT)


def _fill_hull(image: Canvas, points: Ints, colour: tuple[int, int, int]) -> None:
    _fill(image, np.asarray(cv2.convexHull(points), np.int32), colour)
