"""`python -m pose_eval ground_truth.json detections.json`: the whole report of two COCO files."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pose_eval.bootstrap import bootstrap_intervals, compare_models
from pose_eval.coco import coco_rules, warn_of_differences
from pose_eval.coco_columns import TruthFile, open_results, open_truth, read_problem
from pose_eval.errors import diagnose_errors, mirror_of_names
from pose_eval.evaluation import Evaluation, evaluate
from pose_eval.exceptions import EvalError
from pose_eval.lenient import usable_records
from pose_eval.memory import without_garbage_collection
from pose_eval.per_keypoint import keypoint_numbers
from pose_eval.plots import draw_error_kinds, draw_keypoint_errors, draw_pr_curves, save_plots
from pose_eval.report_tables import make_report
from pose_eval.rules import Rules
from pose_eval.saved import load_evaluation, save_evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 2 for wrong input."""
    options = _parser().parse_args(arguments)
    try:
        report = _report(options)
        if options.output is None:
            sys.stdout.write(report)
        else:
            _write_atomically(options.output, report)
    except EvalError as error:
        sys.stderr.write(f"pose_eval: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pose_eval", description=__doc__)
    parser.add_argument("ground_truth", type=Path, help="COCO annotations (JSON)")
    parser.add_argument("detections", type=Path, help="COCO results (JSON)")
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="OTHER",
        help="another model's results (JSON, or what --save wrote), for a paired test",
    )
    parser.add_argument("--iou-type", choices=["keypoints", "bbox"], default="keypoints", help="what is compared")
    parser.add_argument("--sigmas", help="OKS sigmas, one per keypoint with commas between, or one for all")
    parser.add_argument("--box-area-factor", type=float, help="area, as a share of the box, where there is none")
    parser.add_argument("--strict", action="store_true", help="reproduce pycocotools' quirks")
    parser.add_argument("--lenient", action="store_true", help="leave out records that can't be evaluated, and say so")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap; 0 for no intervals")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--format", choices=["text", "markdown", "json"], default="text")
    parser.add_argument("--output", type=Path, help="write the report here instead of printing it")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep the evaluation (.npz), for --compare later on")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw pictures (PNG and PDF) into this folder")
    return parser


def _report(options: argparse.Namespace) -> str:
    truth = open_truth(options.ground_truth)
    rules = coco_rules(truth, options.iou_type, _sigmas(options.sigmas, truth), strict=options.strict)
    skipped: dict[str, int] = {}
    evaluation = _evaluated(truth, options.detections, rules, options, skipped)
    other = None
    if options.compare is not None:
        kept = options.compare.suffix == ".npz"
        other = load_evaluation(options.compare) if kept else _evaluated(truth, options.compare, rules, options, {})
    sure = {"resamples": options.resamples, "seed": options.seed}
    names = _keypoint_names(truth)
    fitting = names if rules.sigmas is not None and len(names) == len(rules.sigmas) else []
    report = make_report(
        evaluation,
        title=f"{options.detections.name} against {options.ground_truth.name}",
        class_names=_class_names(truth, evaluation),
        keypoint_names=fitting,
        mirror=mirror_of_names(fitting),
        intervals=bootstrap_intervals(evaluation, **sure) if options.resamples else None,
        comparison=compare_models(evaluation, other, **sure) if other is not None and options.resamples else None,
        skipped=skipped,
    )
    if options.save is not None:
        save_evaluation(options.save, evaluation)
    if options.plots is not None:
        save_plots(options.plots, _figures(evaluation, fitting, _edges(truth)))
    return {"text": report.as_text, "markdown": report.as_markdown, "json": report.as_json}[options.format]()


def _figures(evaluation: Evaluation, names: list[str], edges: list[tuple[int, int]]) -> dict[str, Figure]:
    figures = {"precision_recall": draw_pr_curves(evaluation)}
    if evaluation.rules.sigmas is not None:
        numbers = keypoint_numbers(evaluation)
        figures["keypoint_errors"] = draw_keypoint_errors(evaluation, numbers, names=names, edges=edges)
        figures["error_kinds"] = draw_error_kinds(
            diagnose_errors(evaluation, mirror=mirror_of_names(names)), names=names
        )
    return figures


def _evaluated(
    truth: TruthFile, path: Path, rules: Rules, options: argparse.Namespace, skipped: dict[str, int]
) -> Evaluation:
    with without_garbage_collection():
        results = open_results(path, plain=options.lenient)
        if options.lenient:
            usable = usable_records(truth, results, rules, need_area=options.box_area_factor is None)
            truth, results = usable.truth, usable.results
            skipped.update(usable.skipped)
        problem = read_problem(truth, results, rules, box_area_factor=options.box_area_factor)
        del results
    evaluation = evaluate(problem, rules)
    warn_of_differences(evaluation, truth)
    return evaluation


def _sigmas(text: str | None, truth: TruthFile) -> list[float] | None:
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise EvalError(f"--sigmas must be numbers, comma between; got {text!r}; write for instance .05") from error
    return values * (truth.num_keypoints or 1) if len(values) == 1 else values


def _keypoint_names(truth: TruthFile) -> list[str]:
    for category in truth.categories.items:
        names = category.get("keypoints")
        if isinstance(names, list):
            return [str(name) for name in names]
    return []


def _edges(truth: TruthFile) -> list[tuple[int, int]]:
    """Read the limbs of the first category that has some; COCO counts keypoints from 1."""
    count = truth.num_keypoints or 0
    for category in truth.categories.items:
        limbs = category.get("skeleton")
        if isinstance(limbs, list) and limbs:
            pairs = [(limb[0] - 1, limb[1] - 1) for limb in limbs if isinstance(limb, list) and len(limb) == 2]
            return [pair for pair in pairs if min(pair) >= 0 and max(pair) < count]
    return []


def _class_names(truth: TruthFile, evaluation: Evaluation) -> list[str]:
    names = {item.get("id"): str(item.get("name", item.get("id"))) for item in truth.categories.items}
    return [names.get(identity, str(identity)) for identity in evaluation.problem.category_ids.tolist()]


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EvalError(f"{path} must be a file that can be written; got {error.strerror}; choose another") from error


if __name__ == "__main__":
    sys.exit(main())
