"""The whole way from columns to numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pose_eval.average_precision import Curves, accumulate
from pose_eval.candidates import Candidates, find_candidates
from pose_eval.exceptions import EvalError
from pose_eval.matching import Matches, match
from pose_eval.memory import keep_freed_memory, small_pages
from pose_eval.problem import Floats, Ints, Problem
from pose_eval.ranking import Ranking, rank_detections, stable_order
from pose_eval.rules import Rules
from pose_eval.summary import summarize


@dataclass(frozen=True)
class Evaluation:
    """All that an evaluation found out; reports and diagnoses read it.

    Args:
        problem: truth and detections (all in one category if the rules join them).
        rules: what was counted.
        ranking: the orders of the detections.
        candidates: pairs that are similar enough for the lowest threshold.
        matches: what each detection was given.
        curves: precision, recall and scores in COCO's layout.
        stats: (10,) or (12,) COCO's summary.
    """

    problem: Problem
    rules: Rules
    ranking: Ranking
    candidates: Candidates
    matches: Matches
    curves: Curves
    stats: Floats


@small_pages()
def evaluate(problem: Problem, rules: Rules) -> Evaluation:
    """Evaluate detections against truth by the given rules.

    Raises:
        EvalError: the number of keypoints differs from that of the sigmas.
    """
    for what, columns in (("annotated", problem.truths), ("found", problem.detections)):
        if rules.sigmas is not None and columns.keypoints.shape[1] != len(rules.sigmas):
            raise EvalError(
                f"{what} keypoints must be {len(rules.sigmas)} per person, one per sigma; got "
                f"{columns.keypoints.shape[1]}; make the rules with the sigmas of this skeleton"
            )
    keep_freed_memory()
    order = None
    if not rules.by_category:
        problem, order = _join_categories(problem)
    ranking = rank_detections(
        problem.detections,
        num_images=len(problem.image_ids),
        num_categories=len(problem.category_ids),
        limit=rules.max_detections[-1],
        order=order,
    )
    candidates = find_candidates(problem, ranking, rules)
    matches = match(candidates, problem, ranking, rules)
    curves = accumulate(problem, ranking, matches, rules)
    return Evaluation(problem, rules, ranking, candidates, matches, curves, summarize(curves, rules))


def _join_categories(problem: Problem) -> tuple[Problem, Ints]:
    """Put everything into one category.

    Returns:
        The problem and (N,) the order in which pycocotools lists the detections, category by category: ties are
        resolved in it. Annotations are put into that order at once.
    """
    truths = problem.truths.choose(np.argsort(problem.truths.categories, kind="stable"))
    joined = replace(
        problem,
        category_ids=np.array([-1]),
        truths=replace(truths, categories=np.zeros_like(truths.categories)),
        detections=replace(problem.detections, categories=np.zeros_like(problem.detections.categories)),
    )
    return joined, stable_order(problem.detections.categories)
