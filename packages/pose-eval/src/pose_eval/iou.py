"""Overlap of boxes: intersection over union, or over the detection alone for a crowd."""

from __future__ import annotations

import numpy as np

from pose_eval.problem import Bools, Floats, Ints


def box_iou(boxes: Floats, *, truth_boxes: Floats, crowd: Bools) -> Floats:
    """Compare every found box with every annotated one, with the very bits of pycocotools.

    Args:
        boxes: (N, 4) xywh image pixels.
        truth_boxes: (M, 4) xywh image pixels.
        crowd: (M,); a crowd holds many objects, so the union is replaced by the found box.

    Returns:
        (N, M) in [0, 1].
    """
    found, people = (rows.ravel() for rows in np.indices((len(boxes), len(truth_boxes))))
    return pair_iou(boxes, truth_boxes, crowd=crowd, found=found, people=people).reshape(len(boxes), len(truth_boxes))


def pair_iou(boxes: Floats, truth_boxes: Floats, *, crowd: Bools, found: Ints, people: Ints) -> Floats:
    """Compare chosen pairs: (P,) rows of `boxes` and of `truth_boxes`; see `box_iou`."""
    x, y, w, h = (column.take(found) for column in np.asarray(boxes, np.float64).T)
    truth_x, truth_y, truth_w, truth_h = (column.take(people) for column in np.asarray(truth_boxes, np.float64).T)
    width = np.minimum(w + x, truth_w + truth_x) - np.maximum(x, truth_x)
    height = np.minimum(h + y, truth_h + truth_y) - np.maximum(y, truth_y)
    shared = width * height
    area = w * h
    union = np.where(crowd.take(people), area, area + truth_w * truth_h - shared)
    apart = (width <= 0) | (height <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(apart, 0.0, shared / union)
