"""Keypoint metrics that equal COCO's numbers: numpy in, AP and AR out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pose_eval._version import __version__

if TYPE_CHECKING:
    from pose_eval.arrays import AnnotatedPeople, FoundPeople, annotated_people, found_people
    from pose_eval.bootstrap import Comparison, Intervals, bootstrap_intervals, compare_models
    from pose_eval.coco import CocoResult, evaluate_coco
    from pose_eval.diagnosis import FoundPairs, found_pairs
    from pose_eval.errors import ErrorDiagnosis, diagnose_errors, mirror_of_names
    from pose_eval.evaluation import Evaluation, evaluate
    from pose_eval.evaluator import PoseEvaluator
    from pose_eval.exceptions import EvalError, EvalWarning
    from pose_eval.image_set import AnnotatedPoses, FoundPoses
    from pose_eval.iou import box_iou
    from pose_eval.metrics import Metrics, PoseMetrics
    from pose_eval.oks import compute_oks
    from pose_eval.operating_point import OperatingPoint, ScoreCurve, best_f1, score_curve
    from pose_eval.pck import (
        auc,
        box_lengths,
        epe,
        head_lengths,
        keypoint_distances,
        nme,
        pck_at,
        pck_per_keypoint,
        torso_lengths,
    )
    from pose_eval.per_image import ImageNumbers, image_numbers
    from pose_eval.per_keypoint import KeypointNumbers, keypoint_numbers
    from pose_eval.plots import draw_error_kinds, draw_keypoint_errors, draw_pr_curves, save_plots
    from pose_eval.problem import Detections, Problem, Truths
    from pose_eval.report import Report, Table
    from pose_eval.report_tables import make_report
    from pose_eval.rules import COCO_SIGMAS, AreaRange, Rules, box_rules, keypoint_rules
    from pose_eval.saved import load_evaluation, save_evaluation
    from pose_eval.sigmas import estimate_sigmas
    from pose_eval.slices import choose_images, crowd_levels, evaluate_parts, evaluate_slices

# Names are loaded when they are first asked for, so that importing the package costs less than importing numpy. No
# module may have the name of something at the door: Python would put the module in its place.
_HOMES = {
    "arrays": ("AnnotatedPeople", "FoundPeople", "annotated_people", "found_people"),
    "bootstrap": ("Comparison", "Intervals", "bootstrap_intervals", "compare_models"),
    "coco": ("CocoResult", "evaluate_coco"),
    "diagnosis": ("FoundPairs", "found_pairs"),
    "errors": ("ErrorDiagnosis", "diagnose_errors", "mirror_of_names"),
    "evaluation": ("Evaluation", "evaluate"),
    "evaluator": ("PoseEvaluator",),
    "exceptions": ("EvalError", "EvalWarning"),
    "image_set": ("AnnotatedPoses", "FoundPoses"),
    "iou": ("box_iou",),
    "metrics": ("Metrics", "PoseMetrics"),
    "oks": ("compute_oks",),
    "operating_point": ("OperatingPoint", "ScoreCurve", "best_f1", "score_curve"),
    "pck": (
        "auc",
        "box_lengths",
        "epe",
        "head_lengths",
        "keypoint_distances",
        "nme",
        "pck_at",
        "pck_per_keypoint",
        "torso_lengths",
    ),
    "per_image": ("ImageNumbers", "image_numbers"),
    "per_keypoint": ("KeypointNumbers", "keypoint_numbers"),
    "plots": ("draw_error_kinds", "draw_keypoint_errors", "draw_pr_curves", "save_plots"),
    "problem": ("Detections", "Problem", "Truths"),
    "report": ("Report", "Table"),
    "report_tables": ("make_report",),
    "rules": ("COCO_SIGMAS", "AreaRange", "Rules", "box_rules", "keypoint_rules"),
    "saved": ("load_evaluation", "save_evaluation"),
    "sigmas": ("estimate_sigmas",),
    "slices": ("choose_images", "crowd_levels", "evaluate_parts", "evaluate_slices"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "COCO_SIGMAS",
    "AnnotatedPeople",
    "AnnotatedPoses",
    "AreaRange",
    "CocoResult",
    "Comparison",
    "Detections",
    "ErrorDiagnosis",
    "EvalError",
    "EvalWarning",
    "Evaluation",
    "FoundPairs",
    "FoundPeople",
    "FoundPoses",
    "ImageNumbers",
    "Intervals",
    "KeypointNumbers",
    "Metrics",
    "OperatingPoint",
    "PoseEvaluator",
    "PoseMetrics",
    "Problem",
    "Report",
    "Rules",
    "ScoreCurve",
    "Table",
    "Truths",
    "__version__",
    "annotated_people",
    "auc",
    "best_f1",
    "bootstrap_intervals",
    "box_iou",
    "box_lengths",
    "box_rules",
    "choose_images",
    "compare_models",
    "compute_oks",
    "crowd_levels",
    "diagnose_errors",
    "draw_error_kinds",
    "draw_keypoint_errors",
    "draw_pr_curves",
    "epe",
    "estimate_sigmas",
    "evaluate",
    "evaluate_coco",
    "evaluate_parts",
    "evaluate_slices",
    "found_pairs",
    "found_people",
    "head_lengths",
    "image_numbers",
    "keypoint_distances",
    "keypoint_numbers",
    "keypoint_rules",
    "load_evaluation",
    "make_report",
    "mirror_of_names",
    "nme",
    "pck_at",
    "pck_per_keypoint",
    "save_evaluation",
    "save_plots",
    "score_curve",
    "torso_lengths",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pose_eval' has no attribute {name!r}")
    value = getattr(import_module(f"pose_eval.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
