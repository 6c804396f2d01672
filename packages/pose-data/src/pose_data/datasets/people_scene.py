"""A drawn scene: people and things put into a picture, and the truth about them read from what was painted."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.people_backdrop import finish, make_objects, paint_backdrop, paint_object
from pose_data.datasets.people_figure import PARTS_PER_PERSON, paint_figure
from pose_data.datasets.people_looks import NUM_DRAWS as LOOKS_DRAWS
from pose_data.datasets.people_looks import make_looks
from pose_data.datasets.people_parts import PART_IDS, SHIFT, Figures, make_figures
from pose_data.datasets.people_pose import FORWARD, LEFT, Bodies, Floats, make_bodies, place
from pose_data.datasets.people_pose import NUM_DRAWS as POSE_DRAWS
from pose_data.poses import PoseTargets
from pose_data.skeleton import COCO_PERSON

MAX_PEOPLE = 6
_CROWDS = np.cumsum([0.04, 0.28, 0.25, 0.18, 0.12, 0.08, 0.05])  # chance of 0, 1, ... 6 people
_OBJECT_ID = 255
_LEAST_AREA = 30  # visible pixels; a person with fewer is left out of the labels
_OBJECTS_BEHIND = 0.3  # chance of each thing to stand among the people instead of before all of them

# The parts whose surface shows a keypoint; a point under anything else is hidden.
_TRUNK = ("torso", "pelvis", "skirt")
_SURFACES = (
    ("nose", "skull", "jaw"),
    *(("skull", "nose", "jaw"),) * 2,
    ("left_ear", "skull"),
    ("right_ear", "skull"),
    *((f"{s}_upper_arm", "torso", "neck") for s in ("left", "right")),
    *((f"{s}_upper_arm", f"{s}_forearm") for s in ("left", "right")),
    *((f"{s}_forearm", f"{s}_hand") for s in ("left", "right")),
    *((f"{s}_thigh", *_TRUNK) for s in ("left", "right")),
    *((f"{s}_thigh", f"{s}_shank", "skirt") for s in ("left", "right")),
    *((f"{s}_shank", f"{s}_foot") for s in ("left", "right")),
)


def _surface_table() -> NDArray[np.bool_]:
    table = np.zeros((len(_SURFACES), PARTS_PER_PERSON), np.bool_)
    for point, parts in enumerate(_SURFACES):
        table[point, [PART_IDS[part] for part in parts]] = True
    return table


_SHOWS = _surface_table()  # (17, parts)


@dataclass(frozen=True)
class Scene:
    """People and things before they are painted.

    Args:
        figures: N people, or None when there is nobody.
        objects: outlines of things, in 1/16 pixels.
        events: what is painted, from back to front: a person's number, or -1 - the number of a thing.
        height: pixels.
        width: pixels.
    """

    figures: Figures | None
    objects: list[NDArray[np.int32]]
    events: list[int]
    height: int
    width: int


def make_scene(random: np.random.Generator, *, height: int, width: int) -> Scene:
    """Draw people and where they stand."""
    count = int(np.searchsorted(_CROWDS, random.random(), side="right"))
    objects = make_objects(random, height=height, width=width)
    figures, events = None, []
    if count:
        bodies = _place_people(random, make_bodies(random.random((count, POSE_DRAWS))), height=height, width=width)
        figures = make_figures(bodies, make_looks(random.random((count, LOOKS_DRAWS))))
        nearness = bodies.heights * (0.8 + 0.4 * random.random(count))
        events = np.argsort(nearness, kind="stable").tolist()
    for number in range(len(objects)):
        behind = random.random() < _OBJECTS_BEHIND
        events.insert(int(random.integers(0, len(events) + 1)) if behind else len(events), -1 - number)
    return Scene(figures, objects, events, height, width)


def paint_scene(random: np.random.Generator, scene: Scene) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint a scene: the (H, W, 3) RGB image and the (H, W) ids of whose part each pixel shows."""
    ids = np.zeros((scene.height, scene.width), np.uint8)
    image = paint_backdrop(random, height=scene.height, width=scene.width)
    for event in scene.events:
        if scene.figures is not None and event >= 0:
            paint_figure(scene.figures, event, ids=ids, image=image)
        else:
            _cover(ids, scene.objects[-1 - event])
            paint_object(random, scene.objects[-1 - event], image)
    return finish(random, image), ids


def paint_ids(scene: Scene) -> NDArray[np.uint8]:
    """The ids of `paint_scene` alone, several times faster."""
    ids = np.zeros((scene.height, scene.width), np.uint8)
    for event in scene.events:
        if scene.figures is not None and event >= 0:
            paint_figure(scene.figures, event, ids=ids, image=None)
        else:
            _cover(ids, scene.objects[-1 - event])
    return ids


def read_targets(scene: Scene, ids: NDArray[np.uint8]) -> PoseTargets:
    """Read boxes, areas and visibility from the painted ids.

    Returns:
        Boxes of the visible pixels of every person, their count as area, and keypoints with visibility
        2 on the person's own surface, 1 in the image but covered, 0 (and at 0, 0) outside of it.
    """
    if scene.figures is None:
        return PoseTargets.empty(len(COCO_PERSON))
    owners = ids // PARTS_PER_PERSON
    count = len(scene.figures.discs)
    boxes, areas = np.zeros((count, 4), np.float32), np.zeros(count, np.float32)
    for person in range(count):
        mask = (owners == person + 1).astype(np.uint8)
        areas[person] = cv2.countNonZero(mask)
        x, y, w, h = cv2.boundingRect(mask)
        boxes[person] = (x, y, x + w, y + h)
    visibility = _visibility(scene.figures.bodies, ids)
    keypoints = np.where(visibility[..., None] > 0, scene.figures.bodies.keypoints[..., :2], 0)
    found = PoseTargets(
        boxes=boxes,
        labels=np.zeros(count, np.int64),
        keypoints=keypoints.astype(np.float32),
        visibility=visibility,
        areas=areas,
        crowd=np.zeros(count, np.bool_),
    )
    return found[areas >= _LEAST_AREA]


def _cover(ids: NDArray[np.uint8], outline: NDArray[np.int32]) -> None:
    cv2.fillConvexPoly(ids, outline, _OBJECT_ID, cv2.LINE_8, SHIFT)


def _visibility(bodies: Bodies, ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = ids.shape
    columns, rows = (np.floor(bodies.keypoints[..., axis]).astype(np.int64) for axis in (0, 1))
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    seen = ids[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)].astype(np.int64)
    owner, part = seen // PARTS_PER_PERSON, seen % PARTS_PER_PERSON
    own = owner == np.arange(1, len(owner) + 1)[:, None]
    shown = own & _SHOWS[np.arange(len(COCO_PERSON)), part] & _faces_viewer(bodies)
    visibility: NDArray[np.uint8] = np.where(inside, np.where(shown, 2, 1), 0).astype(np.uint8)
    return visibility


def _faces_viewer(bodies: Bodies) -> NDArray[np.bool_]:
    """Whether the body itself lets a point be seen: no eye through the head, no far shoulder through the chest."""
    faces = np.ones(bodies.keypoints.shape[:2], np.bool_)
    depth = (bodies.keypoints[..., 2] - bodies.head[:, None, 2]) / bodies.head_radii[:, None]
    faces[:, 0] = bodies.head_axes[:, 2, FORWARD] < 0.25
    faces[:, 1:3] = depth[:, 1:3] < -0.1
    faces[:, 3:5] = depth[:, 3:5] < 0.3
    for points, axes in ((slice(5, 7), bodies.trunk_axes), (slice(11, 13), bodies.pelvis_axes)):
        # 0.8: seen turned by more than 53 degrees, the far one is behind the body.
        faces[:, points] = np.stack([axes[:, 2, LEFT], -axes[:, 2, LEFT]], axis=1) < 0.8
    return faces


def _place_people(random: np.random.Generator, bodies: Bodies, *, height: int, width: int) -> Bodies:
    """Choose sizes and places, with some care that nobody disappears behind another."""
    count, size = len(bodies.heights), min(height, width)
    largest = 1.45 if count < 3 else 0.95
    heights = size * 0.15 * (largest / 0.15) ** random.random(count)
    everything = np.concatenate([bodies.keypoints, bodies.hands, bodies.toes, bodies.head[:, None]], axis=1)
    low = everything[..., :2].min(axis=1) * heights[:, None]
    high = everything[..., :2].max(axis=1) * heights[:, None]
    centre, extent = (low + high) / 2, high - low
    tries = random.random((count, 4, 2))
    tries[..., 1] = (tries[..., 1] + np.sqrt(tries[..., 1])) / 2  # more people on the ground than in the air
    # The middle of a body larger than the image stays inside; a small body may be cut at the border.
    margin = np.clip(extent / 2, 0, 0.42 * np.array([width, height]))[:, None] * 0.75
    middles = margin + tries * (np.array([width, height]) - 2 * margin)
    shifts = _least_covered(middles, extent) - centre
    return place(bodies, heights=heights, shifts=shifts)


def _least_covered(middles: Floats, extent: Floats) -> Floats:
    """For each person in turn, the one of the tried places (N, T, 2) that overlaps the earlier people least."""
    chosen = np.empty((len(middles), 2))
    for person, tried in enumerate(middles):
        reach = (extent[person] + extent[:person]) / 2
        gap = reach - np.abs(tried[:, None] - chosen[:person])
        shared = np.minimum(np.maximum(gap, 0), np.minimum(extent[person], extent[:person])).prod(axis=-1)
        least = np.minimum(extent[person].prod(), extent[:person].prod(axis=-1))
        covered = (shared / np.maximum(least, 1)).sum(axis=-1)
        chosen[person] = tried[int(np.argmin(np.maximum(covered, 0.2)))]
    return chosen
