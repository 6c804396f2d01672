"""The averages that COCO reports: ten numbers for keypoints, twelve for boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_eval.average_precision import Curves
from pose_eval.problem import Floats
from pose_eval.rules import Rules


@dataclass(frozen=True)
class Line:
    """One number of COCO's summary.

    Args:
        average: "precision" or "recall".
        threshold: similarity, or None for the mean over all thresholds.
        area: name of the area range.
        most: detections per image.
    """

    average: str
    threshold: float | None
    area: str
    most: int


_KEYPOINT_LINES = tuple(
    Line(average, threshold, area, 20)
    for average in ("precision", "recall")
    for threshold, area in ((None, "all"), (0.5, "all"), (0.75, "all"), (None, "medium"), (None, "large"))
)


def summary_lines(rules: Rules) -> tuple[Line, ...]:
    """List the numbers of COCO's summary, in its order."""
    if rules.iou_type == "keypoints":
        return _KEYPOINT_LINES
    first, *_, last = limits = rules.max_detections
    middle = limits[1] if len(limits) > 1 else first
    return (
        Line("precision", None, "all", 100),  # pycocotools writes this limit out; the others follow the rules
        Line("precision", 0.5, "all", last),
        Line("precision", 0.75, "all", last),
        *(Line("precision", None, area, last) for area in ("small", "medium", "large")),
        *(Line("recall", None, "all", most) for most in (first, middle, last)),
        *(Line("recall", None, area, last) for area in ("small", "medium", "large")),
    )


def summarize(curves: Curves, rules: Rules) -> Floats:
    """Compute COCO's summary: (10,) for keypoints, (12,) for boxes; -1 where there was nothing to find."""
    return np.array([average(curves, rules, line) for line in summary_lines(rules)])


def average(curves: Curves, rules: Rules, line: Line) -> float:
    """Average precision or recall over all entries above -1, in the order in which pycocotools adds them."""
    values = curves.precision if line.average == "precision" else curves.recall
    if line.threshold is not None:
        values = values[np.flatnonzero(rules.thresholds == line.threshold)]
    areas = [index for index, bounds in enumerate(rules.area_ranges) if bounds.name == line.area]
    limits = [index for index, most in enumerate(rules.max_detections) if most == line.most]
    if not areas or not limits:
        return -1.0
    return mean_present(values[..., areas[0], limits[0]])


def mean_present(values: Floats) -> float:
    """Average the entries above -1; -1 if there is none."""
    present = values[values > -1]
    return float(np.mean(present)) if present.size else -1.0
