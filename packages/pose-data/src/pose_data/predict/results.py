"""People that were found, in the forms that others read: label text, rows for JSON, COCO results, crops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from pose_data.boxes import cxcywh_from_xyxy
from pose_data.poses import Poses

JSON_DIGITS = 5  # after the decimal point
COCO_BOX_DIGITS = 3


class BoxRow(TypedDict):
    """Corners of a box, pixels of the image."""

    x1: float
    y1: float
    x2: float
    y2: float


class KeypointsRow(TypedDict):
    """K keypoints, pixels of the image, and the score of each."""

    x: list[float]
    y: list[float]
    visible: list[float]


PersonRow = TypedDict(
    "PersonRow", {"name": str, "class": int, "confidence": float, "box": BoxRow, "keypoints": KeypointsRow}
)


class CocoRow(TypedDict):
    """One entry of a COCO result file."""

    image_id: int | str
    file_name: str
    category_id: int
    bbox: list[float]
    score: float
    keypoints: list[float]


TrackRow = TypedDict(
    "TrackRow",
    {"frame": int, "track_id": int, "class": int, "box": list[float], "score": float, "keypoints": list[float]},
)


def poses_to_label_text(
    poses: Poses,
    image_size: tuple[int, int],
    *,
    keypoint_dims: int = 3,
    with_scores: bool = False,
    ids: NDArray[np.int64] | None = None,
) -> str:
    """Write people as YOLO pose label text, one line each.

    Args:
        poses: in pixels of the image.
        image_size: (height, width) of the image.
        keypoint_dims: 3 writes the score of each keypoint behind its x and y; 2 doesn't, and writes 0 0 for a
            point that scores 0.
        with_scores: end each line with the person's score.
        ids: (N,) of `PoseTracker.update`; each line then ends with its own.

    Returns:
        Lines of `class cx cy w h` and `x y` or `x y score` for each keypoint, as parts of the image's width
        and height with six digits; the empty text when there is nobody.
    """
    if len(poses) == 0:
        return ""
    height, width = image_size
    boxes = cxcywh_from_xyxy(poses.boxes.astype(np.float64)) / (width, height, width, height)
    points = poses.keypoints / np.array([width, height], np.float64)
    if keypoint_dims == 3:
        points = np.concatenate([points, poses.keypoint_scores[..., None]], axis=2)
    else:
        points = np.where(poses.keypoint_scores[..., None] > 0, points, 0.0)
    columns = [boxes, points.reshape(len(poses), -1)] + ([poses.scores[:, None]] if with_scores else [])
    numbers = np.concatenate(columns, axis=1).tolist()
    ends = [""] * len(poses) if ids is None else [f" {number}" for number in ids.tolist()]
    rows = zip(poses.labels.tolist(), numbers, ends, strict=True)
    return "".join(" ".join([str(label), *(f"{number:g}" for number in row)]) + end + "\n" for label, row, end in rows)


def poses_to_rows(poses: Poses, *, names: Sequence[str]) -> list[PersonRow]:
    """Write people as rows for JSON, numbers rounded to five digits.

    Args:
        poses: in pixels of the image.
        names: of the C classes.
    """
    return [
        {
            "name": names[label],
            "class": label,
            "confidence": score,
            "box": {"x1": box[0], "y1": box[1], "x2": box[2], "y2": box[3]},
            "keypoints": {"x": [x for x, _ in points], "y": [y for _, y in points], "visible": visible},
        }
        for label, score, box, points, visible in zip(
            poses.labels.tolist(),
            _rounded(poses.scores),
            _rounded(poses.boxes),
            _rounded(poses.keypoints),
            _rounded(poses.keypoint_scores),
            strict=True,
        )
    ]


def poses_to_coco(
    poses: Poses, *, image_id: int | str, file_name: str, category_ids: Sequence[int] | None = None
) -> list[CocoRow]:
    """Write people as the entries of a COCO result file.

    Args:
        poses: in pixels of the image.
        image_id: of the image in the annotation file.
        file_name: of the image.
        category_ids: COCO's id of each of our classes; 1, 2, ... when None.

    Returns:
        One entry each: bbox is x, y, width, height in pixels; keypoints are x, y, score for each of K.
    """
    boxes = np.concatenate([poses.boxes[:, :2], poses.boxes[:, 2:] - poses.boxes[:, :2]], axis=1)
    points = np.concatenate([poses.keypoints, poses.keypoint_scores[..., None]], axis=2)
    return [
        {
            "image_id": image_id,
            "file_name": file_name,
            "category_id": label + 1 if category_ids is None else category_ids[label],
            "bbox": box,
            "score": score,
            "keypoints": keypoints,
        }
        for label, box, score, keypoints in zip(
            poses.labels.tolist(),
            _rounded(boxes, COCO_BOX_DIGITS),
            _rounded(poses.scores),
            _rounded(points.reshape(len(poses), points.shape[1] * 3)),
            strict=True,
        )
    ]


def poses_to_track_rows(poses: Poses, ids: NDArray[np.int64], *, frame: int) -> list[TrackRow]:
    """Write people who are followed as rows for JSON, numbers rounded to five digits.

    Args:
        poses: N people, in pixels of the image.
        ids: (N,) of `PoseTracker.update`; people without one are left out.
        frame: number of the frame, from 0.

    Returns:
        One row each: box is x1, y1, x2, y2 in pixels; keypoints are x, y, score for each of K.
    """
    followed = ids >= 0
    poses = poses[followed]
    points = np.concatenate([poses.keypoints, poses.keypoint_scores[..., None]], axis=2)
    return [
        {"frame": frame, "track_id": track_id, "class": label, "box": box, "score": score, "keypoints": keypoints}
        for track_id, label, box, score, keypoints in zip(
            ids[followed].tolist(),
            poses.labels.tolist(),
            _rounded(poses.boxes),
            _rounded(poses.scores),
            _rounded(points.reshape(len(poses), points.shape[1] * 3)),
            strict=True,
        )
    ]


def crop_people(image: NDArray[np.uint8], poses: Poses) -> list[NDArray[np.uint8]]:
    """Cut the box of each person out of an image.

    Args:
        image: (H, W, 3) uint8.
        poses: in pixels of the image.

    Returns:
        N images of their own, each of at least one pixel, from the box rounded outwards to whole pixels.
    """
    height, width = image.shape[:2]
    low = np.clip(np.floor(poses.boxes[:, :2]), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(poses.boxes[:, 2:]), low + 1, (width, height)).astype(int)
    spans = zip(low.tolist(), high.tolist(), strict=True)
    return [image[top:bottom, left:right].copy() for (left, top), (right, bottom) in spans]


def _rounded(values: NDArray[np.float32], digits: int = JSON_DIGITS) -> list[Any]:
    """Turn an array into lists as deep as it is."""
    rounded: list[Any] = values.astype(np.float64).round(digits).tolist()
    return rounded
