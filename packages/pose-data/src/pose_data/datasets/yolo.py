"""YOLO pose label text: one file per image, one row per object.

A row is `class cx cy w h` followed by K groups of `x y` or `x y v`, separated by white space; positions and
sizes are fractions of the image. v is 0 (not labelled), 1 (labelled, hidden) or 2 (visible). Without v, a
point is visible, except one at exactly (0, 0) or at a negative position, which is how such files say "not
labelled". Points may leave the image by a hundredth of its size (rounding, and hands that work at the
border) and are then put on the border; where v is 0 the position means nothing and isn't looked at. Boxes
must have their centre in the image and are cut at its border. The same row twice counts once.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pose_data.boxes import box_areas, cxcywh_from_xyxy
from pose_data.datasets.fault import list_faults
from pose_data.datasets.label_rows import LabelForm, LabelRows, parse_labels
from pose_data.errors import DataError
from pose_data.files import atomic_path
from pose_data.poses import PoseTargets

AREA_OF_BOX = 0.53
"""A person's area as a share of the box: label text has no place for areas, and OKS needs one.

The figure that OKS is commonly computed with where there are boxes and no segments.
"""


def read_labels(path: Path, form: LabelForm, *, size: tuple[int, int]) -> PoseTargets:
    """Read the label file of one image.

    Args:
        path: the label file; one that is missing or empty means that nobody is in the image.
        form: what its rows must look like.
        size: (height, width) of the image, in pixels.

    Returns:
        The annotated objects in pixels of the image; areas are `AREA_OF_BOX` times the box.

    Raises:
        DataError: rows that can't be used, each of them as file:line with its reason.
    """
    rows = parse_labels([path], [read_label_text(path)], form)
    if rows.faults:
        raise DataError(f"{path}: {len(rows.faults)} bad rows\n{list_faults(rows.faults)}")
    return targets_of_rows(rows, np.tile(np.array([size]), (len(rows.labels), 1)))


def write_labels(path: Path, targets: PoseTargets, *, size: tuple[int, int], keypoint_dims: int = 3) -> None:
    """Write the label file of one image; areas and crowd marks have no place in it.

    Args:
        path: the file to write.
        targets: in pixels of the image.
        size: (height, width) of the image, in pixels.
        keypoint_dims: 3 to write visibility; with 2, a point that isn't labelled is written as 0 0.

    Raises:
        PoseError: the file can't be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(format_labels(targets, size=size, keypoint_dims=keypoint_dims), encoding="utf-8")


def format_labels(targets: PoseTargets, *, size: tuple[int, int], keypoint_dims: int = 3) -> str:
    """Write targets as label text, with nine digits: enough to get the float32 pixels back (see `write_labels`)."""
    scale = np.array([size[1], size[0]], np.float64)  # xy
    boxes = cxcywh_from_xyxy(targets.boxes.astype(np.float64)) / np.tile(scale, 2)
    groups = np.zeros((len(targets), targets.keypoints.shape[1], keypoint_dims))
    groups[..., :2] = np.where(targets.visibility[..., None] > 0, targets.keypoints / scale, 0)
    if keypoint_dims == 3:
        groups[..., 2] = targets.visibility
    numbers = np.concatenate([boxes, groups.reshape(len(targets), groups.shape[1] * keypoint_dims)], axis=1)
    rows = (
        f"{label} " + " ".join(f"{x:.9g}" for x in row)
        for label, row in zip(targets.labels.tolist(), numbers.tolist(), strict=True)
    )
    return "".join(row + "\n" for row in rows)


def read_label_text(path: Path) -> str | None:
    """Read a label file; None where there is none.

    Text that isn't UTF-8 comes back with marks in place of the strange bytes, which no parser takes for numbers.
    """
    try:
        return path.read_bytes().decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); correct its rights, or remove it") from error


def targets_of_rows(rows: LabelRows, sizes: NDArray[np.int64]) -> PoseTargets:
    """Turn rows into targets in pixels.

    Args:
        rows: R rows.
        sizes: (R, 2), (height, width) of the image of each row.
    """
    scale = sizes[:, ::-1].astype(np.float64)  # xy
    boxes = rows.boxes * np.tile(scale, 2)
    return PoseTargets(
        boxes=boxes.astype(np.float32),
        labels=rows.labels,
        keypoints=(rows.keypoints * scale[:, None]).astype(np.float32),
        visibility=rows.visibility,
        areas=(box_areas(boxes) * AREA_OF_BOX).astype(np.float32),
        crowd=np.zeros(len(boxes), np.bool_),
    )
