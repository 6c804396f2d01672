"""The numbers under names, as a trainer or a report reads them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pose_eval.diagnosis import keypoint_errors, mean_best_oks
from pose_eval.evaluation import Evaluation
from pose_eval.problem import Floats
from pose_eval.summary import Line, average, mean_present


@dataclass(frozen=True)
class Metrics:
    """COCO's averages, each in [0, 1], or -1 where there was nothing to find.

    Args:
        ap: precision averaged over recall and the thresholds .50 to .95.
        ap50: the same at .50 alone.
        ap75: the same at .75 alone.
        ap_small: objects below 32² px²; -1 for keypoints, where COCO leaves small people out.
        ap_medium: objects of 32² to 96² px².
        ap_large: objects from 96² px² on.
        ar: greatest recall, averaged over the thresholds.
        ar50: recall at .50.
        ar75: recall at .75.
        ar_small: as ap_small.
        ar_medium: as ap_medium.
        ar_large: as ap_large.
        per_class: (C,) AP of each class.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_small: float
    ar_medium: float
    ar_large: float
    per_class: Floats


_AVERAGES = tuple(field.name for field in fields(Metrics) if field.name != "per_class")


@dataclass(frozen=True)
class PoseMetrics:
    """What an evaluation says about a model.

    Args:
        keypoints: by OKS, at most 20 detections per image and class; all -1 for an evaluator without sigmas.
        boxes: by overlap, at most 100 detections per image and class.
        mean_oks: OKS of the most similar detection, averaged over all annotated people with a labelled keypoint
            (0 for one without any detection); -1 if there is nobody.
        keypoint_errors: (K,) mean distance of each keypoint, in units of the square root of the person's area, over
            people found at OKS .50 (normalised mean error); NaN for a keypoint that nobody found has labelled.
        images: number of images.
        people: number of annotations that are not crowds.
        names: (C,) class names; empty if none were given.
    """

    keypoints: Metrics
    boxes: Metrics
    mean_oks: float
    keypoint_errors: Floats
    images: int
    people: int
    names: tuple[str, ...] = ()


def metrics_of(evaluation: Evaluation) -> Metrics:
    """Read the averages off an evaluation."""
    rules = evaluation.rules
    most = rules.max_detections[-1]

    def number(kind: str, threshold: float | None = None, area: str = rules.area_ranges[0].name) -> float:
        return average(evaluation.curves, rules, Line(kind, threshold, area, most))

    return Metrics(
        ap=number("precision"),
        ap50=number("precision", 0.5),
        ap75=number("precision", 0.75),
        ap_small=number("precision", area="small"),
        ap_medium=number("precision", area="medium"),
        ap_large=number("precision", area="large"),
        ar=number("recall"),
        ar50=number("recall", 0.5),
        ar75=number("recall", 0.75),
        ar_small=number("recall", area="small"),
        ar_medium=number("recall", area="medium"),
        ar_large=number("recall", area="large"),
        per_class=class_ap(evaluation),
    )


def class_ap(evaluation: Evaluation) -> Floats:
    """Compute the AP of each category: (C,), -1 where there was nothing to find."""
    precision = evaluation.curves.precision[:, :, :, 0, -1]
    return np.array([mean_present(precision[:, :, category]) for category in range(precision.shape[2])])


def no_metrics(num_classes: int) -> Metrics:
    """Make the metrics of a comparison that wasn't made: -1 everywhere."""
    return Metrics(**dict.fromkeys(_AVERAGES, -1.0), per_class=np.full(num_classes, -1.0))


def pose_metrics(keypoints: Evaluation | None, boxes: Evaluation, *, names: tuple[str, ...] = ()) -> PoseMetrics:
    """Put the two comparisons of one data set together; `keypoints` is None where they weren't compared."""
    truths = boxes.problem.truths
    return PoseMetrics(
        keypoints=no_metrics(len(boxes.problem.category_ids)) if keypoints is None else metrics_of(keypoints),
        boxes=metrics_of(boxes),
        mean_oks=-1.0 if keypoints is None else mean_best_oks(keypoints),
        keypoint_errors=np.full(truths.keypoints.shape[1], np.nan) if keypoints is None else keypoint_errors(keypoints),
        images=len(boxes.problem.image_ids),
        people=int(np.count_nonzero(~truths.crowd)),
        names=names,
    )
