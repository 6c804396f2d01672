"""The choices of an evaluation: what is compared, at which thresholds, in which ranges of size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from pose_eval.exceptions import EvalError
from pose_eval.problem import Floats

IouType = Literal["keypoints", "bbox"]

# Written as a quotient because COCO does: the division rounds, and five of the values differ from .026 and so on.
COCO_SIGMAS: Floats = (
    np.array([0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89])
    / 10.0
)
COCO_SIGMAS.setflags(write=False)

_EVERYTHING = (0.0, 1e5**2)
_SMALL = (0.0, 32.0**2)
_MEDIUM = (32.0**2, 96.0**2)
_LARGE = (96.0**2, 1e5**2)


@dataclass(frozen=True)
class AreaRange:
    """A closed range of object areas in px²: both ends belong to it."""

    name: str
    low: float
    high: float


def _coco_thresholds() -> Floats:
    return np.linspace(0.5, 0.95, 10)


def _coco_recalls() -> Floats:
    return np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Rules:
    """How similarity is measured and what is counted.

    Args:
        iou_type: "keypoints" compares by OKS, "bbox" by the overlap of boxes.
        area_ranges: the A ranges; the first is the one that overall numbers use.
        max_detections: the D limits of detections per image and category, rising; overall numbers use the last.
        sigmas: (K,) OKS falloff per keypoint; None for boxes.
        thresholds: (T,) least similarity of a match.
        recalls: (R,) recall values at which precision is read.
        by_category: detections match annotations of their own category only.
        strict: reproduce pycocotools where it departs from what COCO's definitions say.

    Raises:
        EvalError: a list is empty, the limits don't rise, or there are sigmas for boxes or none for keypoints.
    """

    iou_type: IouType
    area_ranges: tuple[AreaRange, ...]
    max_detections: tuple[int, ...]
    sigmas: Floats | None = None
    thresholds: Floats = field(default_factory=_coco_thresholds)
    recalls: Floats = field(default_factory=_coco_recalls)
    by_category: bool = True
    strict: bool = False

    def __post_init__(self) -> None:
        for what in ("area_ranges", "max_detections", "thresholds", "recalls"):
            if not len(getattr(self, what)):
                raise EvalError(f"{what} must hold at least one entry; got none; leave it out for COCO's own")
        limits = self.max_detections
        if limits[0] < 1 or any(later <= before for before, later in pairwise(limits)):
            raise EvalError(f"max_detections must be rising numbers from 1 on; got {limits}; sort them")
        if (self.sigmas is None) == (self.iou_type == "keypoints"):
            raise EvalError(
                f"sigmas must be given for keypoints and for nothing else; got iou_type {self.iou_type!r} with "
                f"{'no' if self.sigmas is None else len(self.sigmas)} sigmas; use keypoint_rules() or box_rules()"
            )


def keypoint_rules(sigmas: Sequence[float] | Floats, *, strict: bool = False) -> Rules:
    """Make COCO's rules for keypoints: 20 detections per image; all, medium and large people.

    Args:
        sigmas: (K,) OKS falloff per keypoint, each above 0; `COCO_SIGMAS` for COCO's 17.
        strict: reproduce pycocotools' quirks.

    Raises:
        EvalError: the sigmas aren't a list of positive numbers.
    """
    ranges = (AreaRange("all", *_EVERYTHING), AreaRange("medium", *_MEDIUM), AreaRange("large", *_LARGE))
    return Rules("keypoints", ranges, (20,), check_sigmas(sigmas), strict=strict)


def box_rules(*, strict: bool = False) -> Rules:
    """Make COCO's rules for boxes: 1, 10 and 100 detections per image; all, small, medium and large objects."""
    ranges = (
        AreaRange("all", *_EVERYTHING),
        AreaRange("small", *_SMALL),
        AreaRange("medium", *_MEDIUM),
        AreaRange("large", *_LARGE),
    )
    return Rules("bbox", ranges, (1, 10, 100), strict=strict)


def check_sigmas(sigmas: Sequence[float] | Floats) -> Floats:
    """Turn sigmas into an array, or say what is wrong with them."""
    values = np.array(sigmas, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.all(np.isfinite(values) & (values > 0)):
        raise EvalError(
            f"sigmas must be one positive number per keypoint; got {values.tolist()}; "
            "give one for each keypoint of the skeleton (pose_eval.COCO_SIGMAS for COCO's 17)"
        )
    return values
