"""Which tables a report has, and what stands in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pose_eval.bootstrap import Comparison, Intervals
from pose_eval.errors import KINDS, ErrorDiagnosis, diagnose_errors
from pose_eval.evaluation import Evaluation
from pose_eval.metrics import class_ap
from pose_eval.operating_point import best_f1, score_curve
from pose_eval.pck import torso_lengths
from pose_eval.per_image import image_numbers
from pose_eval.per_keypoint import keypoint_numbers
from pose_eval.problem import Floats, Ints
from pose_eval.report import Report, Table, row_of
from pose_eval.rules import Rules
from pose_eval.summary import Line, summary_lines

_WORST = 10


def make_report(
    evaluation: Evaluation,
    *,
    title: str,
    class_names: Sequence[str] = (),
    keypoint_names: Sequence[str] = (),
    mirror: Ints | None = None,
    intervals: Intervals | None = None,
    comparison: Comparison | None = None,
    skipped: Mapping[str, int] | None = None,
) -> Report:
    """Make the report of one evaluation.

    Args:
        evaluation: of keypoints or boxes.
        title: one line, such as the names of the files.
        class_names: (C,); numbers stand in for missing names.
        keypoint_names: (K,); numbers stand in for missing names.
        mirror: (K,) as in `diagnose_errors`; None where the skeleton has no sides.
        intervals: from `bootstrap_intervals`.
        comparison: from `compare_models`, with this evaluation as the first.
        skipped: how many records were left out, by reason.
    """
    tables = [_summary(evaluation, intervals)]
    if comparison is not None:
        tables.append(_compared(evaluation.rules, comparison))
    tables.append(_operating_points(evaluation))
    if len(evaluation.problem.category_ids) > 1:
        tables.append(_classes(evaluation, class_names))
    if evaluation.rules.sigmas is not None:
        names = list(keypoint_names) or [str(row) for row in range(len(evaluation.rules.sigmas))]
        diagnosis = diagnose_errors(evaluation, mirror=mirror)
        tables += [_keypoints(evaluation, names), _errors(diagnosis), _error_counts(diagnosis, names)]
    tables.append(_images(evaluation))
    if skipped:
        rows = tuple((reason, count) for reason, count in skipped.items())
        tables.append(Table("Left out", ("reason", "records"), rows, "These records are in none of the numbers."))
    return Report(title, tuple(tables))


def line_name(line: Line, rules: Rules) -> str:
    """Name a number of the summary: AP, AP50, APM, AR and so on."""
    short = "AP" if line.average == "precision" else "AR"
    if line.threshold is not None:
        return f"{short}{line.threshold * 100:.0f}"
    if line.area != "all":
        return f"{short} {line.area}"
    limited = len(rules.max_detections) > 1 and short == "AR"
    return f"{short} at {line.most}" if limited else short


def _summary(evaluation: Evaluation, intervals: Intervals | None) -> Table:
    lines, rules = summary_lines(evaluation.rules), evaluation.rules
    what = "Keypoints (OKS)" if rules.iou_type == "keypoints" else "Boxes (IoU)"
    if intervals is None:
        rows = [row_of(line_name(line, rules), [value]) for line, value in zip(lines, evaluation.stats, strict=True)]
        return Table(what, ("number", "value"), tuple(rows))
    columns = zip(lines, intervals.values, intervals.low, intervals.high, strict=True)
    rows = [row_of(line_name(line, rules), numbers) for line, *numbers in columns]
    percent = f"{intervals.level * 100:g} %"
    note = f"Interval: {percent} of {len(intervals.samples)} resamples of the images lie inside."
    return Table(what, ("number", "value", "low", "high"), tuple(rows), note)


def _compared(rules: Rules, comparison: Comparison) -> Table:
    rows = []
    for index, line in enumerate(comparison.lines):
        ends = (_signed(column[index]) for column in (comparison.difference, comparison.low, comparison.high))
        rows.append(row_of(line_name(line, rules), [*ends, float(comparison.better[index])]))
    note = f"{comparison.level * 100:g} % interval, both on the same resampled images; better: share of resamples."
    return Table("The other model minus this one", ("number", "difference", "low", "high", "better"), tuple(rows), note)


def _signed(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:+.3f}"


def _operating_points(evaluation: Evaluation) -> Table:
    rows = []
    for threshold in (0.5, 0.75):
        if np.any(evaluation.rules.thresholds == threshold):
            best = best_f1(score_curve(evaluation, threshold=threshold))
            rows.append(row_of(f"{threshold:.2f}", [best.score, best.precision, best.recall, best.f1]))
    columns = ("similarity", "score threshold", "precision", "recall", "F1")
    return Table("Best score threshold by F1", columns, tuple(rows))


def _classes(evaluation: Evaluation, names: Sequence[str]) -> Table:
    ids = evaluation.problem.category_ids.tolist()
    labels = list(names) or [str(identity) for identity in ids]
    rows = [row_of(label, [ap]) for label, ap in zip(labels, class_ap(evaluation), strict=True)]
    return Table("By class", ("class", "AP"), tuple(rows))


def _keypoints(evaluation: Evaluation, names: Sequence[str]) -> Table:
    torso = _torso(evaluation, names)
    numbers = keypoint_numbers(evaluation, lengths={} if torso is None else {"torso": torso})
    columns = {
        "AP": numbers.ap,
        "AR": numbers.ar,
        "OKS": numbers.oks,
        "pixels": numbers.pixels,
        "/ size": numbers.of_size,
        "/ box": numbers.of_box,
        **{f"/ {name}": values for name, values in numbers.of_lengths.items()},
        "labelled": numbers.labelled,
        "calibration": numbers.calibration,
    }
    rows = tuple(row_of(name, [column[row] for column in columns.values()]) for row, name in enumerate(names))
    note = (
        "AP and AR with this keypoint alone; from OKS on over people found at OKS .50: similarity, distance in pixels, "
        "per root of the area, per longer side of the box"
        f"{'' if torso is None else ', per torso (left shoulder to right hip)'}; "
        "labelled: share of people; calibration: error of its score."
    )
    return Table("By keypoint", ("keypoint", *columns), rows, note)


def _torso(evaluation: Evaluation, names: Sequence[str]) -> Floats | None:
    if "left_shoulder" not in names or "right_hip" not in names:
        return None
    truths = evaluation.problem.truths
    ends = {"shoulder": names.index("left_shoulder"), "hip": names.index("right_hip")}
    return torso_lengths(truths.keypoints, truths.labelled, **ends)


def _errors(diagnosis: ErrorDiagnosis) -> Table:
    total = max(int(diagnosis.counts.sum()), 1)
    counts = dict(zip(KINDS, diagnosis.counts.sum(axis=1).tolist(), strict=True))
    rows: list[tuple[str, int, float, float]] = [("good", counts["good"], counts["good"] / total, float("nan"))]
    rows += [(kind, counts[kind], counts[kind] / total, diagnosis.costs[kind]) for kind in KINDS[1:]]
    rows.append(("background (people)", diagnosis.background, float("nan"), diagnosis.costs["background"]))
    rows.append(("missed (people)", diagnosis.missed, float("nan"), diagnosis.costs["missed"]))
    note = "AP won if this error alone were corrected (Ronchi & Perona, ICCV 2017); the gains don't add up."
    return Table("Errors of detections", ("error", "count", "share", "AP won"), tuple(rows), note)


def _error_counts(diagnosis: ErrorDiagnosis, names: Sequence[str]) -> Table:
    rows = tuple(row_of(name, diagnosis.counts[:, row].tolist()) for row, name in enumerate(names))
    return Table("Errors by keypoint", ("keypoint", *KINDS), rows)


def _images(evaluation: Evaluation) -> Table:
    numbers = image_numbers(evaluation)
    worst = numbers.worst_first()[:_WORST]
    ids = evaluation.problem.image_ids.tolist()
    rows = tuple(
        (
            str(ids[row]),
            int(numbers.people[row]),
            int(numbers.hits[row]),
            int(numbers.false_alarms[row]),
            float(numbers.f1[row]),
        )
        for row in worst
    )
    note = "At similarity .50 and the score threshold with the best F1; images with most wrong first among equals."
    return Table("Worst images", ("image", "people", "found", "false alarms", "F1"), rows, note)
