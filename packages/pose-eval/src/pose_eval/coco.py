"""COCO's files, or the same as dicts in memory: ground truth and detections in, COCO's numbers out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_eval.coco_columns import GroundTruth, Identity, Results, TruthFile, open_results, open_truth, read_problem
from pose_eval.evaluation import Evaluation, evaluate
from pose_eval.exceptions import EvalError, EvalWarning
from pose_eval.memory import keep_freed_memory, without_garbage_collection
from pose_eval.problem import Floats
from pose_eval.rules import COCO_SIGMAS, IouType, Rules, box_rules, keypoint_rules


@dataclass(frozen=True)
class CocoResult:
    """COCO's numbers.

    Args:
        precision: (T, R, C, A, D): thresholds, recall values, categories, area ranges, limits of detections.
        recall: (T, C, A, D).
        scores: (T, R, C, A, D) score at which each recall value is reached.
        stats: (10,) for keypoints, AP AP50 AP75 APM APL AR AR50 AR75 ARM ARL; (12,) for boxes, AP AP50 AP75 APS APM
            APL AR1 AR10 AR100 ARS ARM ARL. -1 where there was nothing to find.
        evaluation: everything that led to them.
    """

    precision: Floats
    recall: Floats
    scores: Floats
    stats: Floats
    evaluation: Evaluation


def evaluate_coco(
    ground_truth: GroundTruth,
    detections: Results,
    *,
    iou_type: IouType = "keypoints",
    sigmas: Sequence[float] | Floats | None = None,
    rules: Rules | None = None,
    image_ids: Sequence[Identity] | None = None,
    category_ids: Sequence[Identity] | None = None,
    box_area_factor: float | None = None,
    strict: bool = False,
) -> CocoResult:
    """Evaluate COCO results against COCO annotations.

    Args:
        ground_truth: a file, or the dict that it holds, with `images`, `annotations` and `categories`.
        detections: a file, or the list of dicts that it holds.
        iou_type: "keypoints" or "bbox".
        sigmas: OKS falloff per keypoint; None takes COCO's where there are 17 keypoints.
        rules: own thresholds, ranges and limits; `iou_type`, `sigmas` and `strict` are then read from them.
        image_ids: only these images.
        category_ids: only these categories.
        box_area_factor: area of an annotation without one, as a share of its box; None makes that an error.
        strict: reproduce pycocotools where it departs from what COCO's definitions say, instead of warning.

    Raises:
        EvalError: something can't be evaluated; the text says which record and what to do.
    """
    keep_freed_memory()
    with without_garbage_collection():
        truth = open_truth(ground_truth)
        if rules is None:
            rules = coco_rules(truth, iou_type, sigmas, strict=strict)
        problem = read_problem(
            truth,
            open_results(detections),
            rules,
            image_ids=image_ids,
            category_ids=category_ids,
            box_area_factor=box_area_factor,
        )
    evaluation = evaluate(problem, rules)
    warn_of_differences(evaluation, truth)
    curves = evaluation.curves
    return CocoResult(curves.precision, curves.recall, curves.scores, evaluation.stats, evaluation)


def coco_rules(
    truth: TruthFile, iou_type: IouType, sigmas: Sequence[float] | Floats | None = None, *, strict: bool = False
) -> Rules:
    """Choose COCO's rules for a ground truth; sigmas are only guessed for 17 keypoints.

    Raises:
        EvalError: the sigmas are missing or don't fit the number of keypoints.
    """
    if iou_type == "bbox":
        return box_rules(strict=strict)
    if iou_type != "keypoints":
        raise EvalError(f"iou_type must be 'keypoints' or 'bbox'; got {iou_type!r}; masks are not evaluated here")
    count = truth.num_keypoints
    if sigmas is None:
        if count not in (None, len(COCO_SIGMAS)):
            raise EvalError(
                f"{truth.annotations.source}: sigmas must be given for a skeleton of {count} keypoints; got none; only "
                "COCO's 17 have a default: estimate yours from repeated annotations, or take .05 for every point"
            )
        sigmas = COCO_SIGMAS
    rules = keypoint_rules(sigmas, strict=strict)
    if count is not None and count != len(sigmas):
        raise EvalError(
            f"{truth.annotations.source}: sigmas must be {count}, one per keypoint; got {len(sigmas)}; "
            "give those of this skeleton, in the order of its keypoints"
        )
    return rules


def warn_of_differences(evaluation: Evaluation, truth: TruthFile) -> None:
    """Warn, naming the annotation, where pycocotools would give other numbers than these."""
    rules = evaluation.rules
    if rules.strict:
        return
    first = np.flatnonzero(evaluation.problem.truths.ids == 0)
    if np.isin(evaluation.matches.people, first).any():
        warnings.warn(
            f"{truth.annotations.source}: annotation id 0 was matched; it counts here, pycocotools takes it for no "
            "match: number annotations from 1, or ask for strict",
            EvalWarning,
            stacklevel=3,
        )
    if not rules.by_category and rules.iou_type == "keypoints":
        warnings.warn(
            "keypoints without categories are compared here; pycocotools finds no similarity and gives 0: "
            "ask for strict to get that",
            EvalWarning,
            stacklevel=3,
        )
