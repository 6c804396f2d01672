"""Precision and recall along the score, and the score threshold with the best balance of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_eval.evaluation import Evaluation
from pose_eval.exceptions import EvalError
from pose_eval.problem import Floats, Ints


@dataclass(frozen=True)
class ScoreCurve:
    """What happens if only detections of at least a score are kept.

    Args:
        scores: (S,) distinct scores, falling.
        precision: (S,) of the detections kept; raw, not made non-increasing.
        recall: (S,).
        f1: (S,) harmonic mean of precision and recall.
    """

    scores: Floats
    precision: Floats
    recall: Floats
    f1: Floats


@dataclass(frozen=True)
class OperatingPoint:
    """The score threshold with the highest F1.

    Args:
        score: keep detections from this score on; NaN if nothing was found or there was nothing to find.
        precision: there.
        recall: there.
        f1: there.
    """

    score: float
    precision: float
    recall: float
    f1: float


def score_curve(evaluation: Evaluation, *, threshold: float = 0.5, category: int | None = None) -> ScoreCurve:
    """Follow precision and recall over falling scores, for all sizes.

    Args:
        evaluation: of keypoints or boxes.
        threshold: similarity from which on a detection is right.
        category: row of a category; None takes all together.

    Raises:
        EvalError: the rules don't hold the threshold.
    """
    rules, truths, ranking = evaluation.rules, evaluation.problem.truths, evaluation.ranking
    at = np.flatnonzero(rules.thresholds == threshold)
    if not len(at):
        raise EvalError(f"threshold must be one of {rules.thresholds.tolist()}; got {threshold}; add it to the rules")
    rows = np.flatnonzero(evaluation.matches.column(int(at[0])))
    ignored = truths.ignored[evaluation.matches.people[rows]]
    hit = np.zeros(len(ranking.rows), np.int64)
    hit[evaluation.matches.found[rows[~ignored]]] = 1
    counted = np.ones(len(ranking.rows), np.int64)
    counted[evaluation.matches.found[rows[ignored]]] = 0
    chosen = np.ones(len(hit), np.bool_)
    people = ~truths.ignored
    if category is not None:
        chosen = ranking.cells // max(len(evaluation.problem.image_ids), 1) == category
        people = people & (truths.categories == category)
    scores = evaluation.problem.detections.scores[ranking.rows][chosen]
    return _curve(scores, hit[chosen], counted[chosen], int(np.count_nonzero(people)))


def best_f1(curve: ScoreCurve) -> OperatingPoint:
    """Find the score threshold with the highest F1; of equal ones the highest score."""
    if not len(curve.scores) or not np.isfinite(curve.f1).any():
        return OperatingPoint(*[float("nan")] * 4)
    best = int(np.nanargmax(curve.f1))
    return OperatingPoint(*(float(column[best]) for column in (curve.scores, curve.precision, curve.recall, curve.f1)))


def _curve(scores: Floats, hit: Ints, counted: Ints, people: int) -> ScoreCurve:
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, np.int64)
    hits, total = np.cumsum(hit[order])[last], np.cumsum(counted[order])[last]
    precision = np.where(total, hits / np.maximum(total, 1), 1.0)
    recall = hits / people if people else np.full(len(hits), np.nan)
    f1 = 2 * hits / np.maximum(total + people, 1) if people else np.full(len(hits), np.nan)
    return ScoreCurve(scores[last], precision, recall, f1)
