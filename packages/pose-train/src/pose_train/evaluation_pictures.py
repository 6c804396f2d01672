"""Pictures of what weights reach: precision over recall, and how far each keypoint is off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pose_data import contact_sheet
from pose_eval import Evaluation, KeypointNumbers, PoseEvaluator, box_rules, evaluate, keypoint_numbers, keypoint_rules

from pose_train.panels import Floats, Picture, draw_bars, draw_lines
from pose_train.pictures import write_picture

_WIDTH = 560  # pixels of the bars of keypoints
_SHOWN = (0.5, 0.75)  # thresholds that have a curve of their own, beside the mean of all


def write_evaluation_pictures(folder: Path, evaluator: PoseEvaluator, *, sigmas: Floats, names: Sequence[str]) -> None:
    """Draw pr_curves.png and keypoint_errors.png into a folder.

    Args:
        folder: of the run.
        evaluator: that knows what is labelled in the validation images and what was found.
        sigmas: (K,) of the keypoints.
        names: K names.
    """
    by_oks, by_iou = keypoint_rules(sigmas), box_rules()
    keypoints = evaluate(evaluator.problem(by_oks), by_oks)
    boxes = evaluate(evaluator.problem(by_iou), by_iou)
    panels = [draw_precision("keypoints", keypoints), draw_precision("boxes", boxes)]
    write_picture(folder / "pr_curves.png", contact_sheet(panels, columns=2))
    write_picture(folder / "keypoint_errors.png", draw_errors(keypoint_numbers(keypoints), names))


def draw_precision(what: str, evaluation: Evaluation) -> Picture:
    """Draw precision over recall at OKS (or IoU) .50 and .75 and on average of all thresholds: (240, 360, 3) uint8 RGB.

    It is the mean of the classes that have something to find, for all sizes; without any there is no curve.
    """
    precision = evaluation.curves.precision[:, :, :, 0, -1]  # (T, R, C), -1 where a class has nothing to find
    present = precision[..., precision[0, 0] >= 0]
    order = np.argsort(evaluation.rules.recalls)
    curves = {}
    if present.shape[2]:
        by_threshold = present.mean(axis=2)[:, order]
        for threshold in _SHOWN:
            row = int(np.abs(np.asarray(evaluation.rules.thresholds) - threshold).argmin())
            curves[f"{threshold:.2f}"[1:]] = by_threshold[row]
        curves["mean"] = by_threshold.mean(axis=0)
    ap = f", AP {curves['mean'].mean():.3f}" if curves else ", none labelled"
    recalls = np.asarray(evaluation.rules.recalls, np.float64)[order]
    return draw_lines(what + ap, recalls, curves, along="recall", x_range=(0.0, 1.0), y_range=(0.0, 1.0))


def draw_errors(numbers: KeypointNumbers, names: Sequence[str]) -> Picture:
    """Draw a bar for each keypoint: its mean distance from where it is labelled, in people found at OKS .50.

    Returns:
        (H, 560, 3) uint8 RGB.
    """
    return draw_bars(
        "mean error of each keypoint of people found, as a share of their size (root of area)",
        names,
        numbers.of_size[:, None],
        notes=[_note(*row) for row in zip(numbers.of_size, numbers.pixels, numbers.ap, strict=True)],
        size=(60, _WIDTH),
    )


def _note(of_size: float, pixels: float, ap: float) -> str:
    alone = f"AP alone {ap:.2f}" if ap >= 0 else "none labelled"
    return f"{of_size:.3f}  {pixels:.1f} px  {alone}" if np.isfinite(of_size) else f"none found, {alone}"
