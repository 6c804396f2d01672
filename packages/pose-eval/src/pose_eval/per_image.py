"""How each image fares, so that the worst can be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_eval.diagnosis import found_pairs
from pose_eval.evaluation import Evaluation
from pose_eval.operating_point import best_f1, score_curve
from pose_eval.problem import Floats, Ints


@dataclass(frozen=True)
class ImageNumbers:
    """Counts per image, of detections from one score on.

    Args:
        people: (I,) annotations that count.
        hits: (I,) of them found.
        false_alarms: (I,) detections that match nothing.
        f1: (I,) harmonic mean of precision and recall; NaN for an image without people and false alarms.
        score: detections below it were left out.
    """

    people: Ints
    hits: Ints
    false_alarms: Ints
    f1: Floats
    score: float

    def worst_first(self) -> Ints:
        """Sort images by F1; of equal ones those with more mistakes first. Images without anything are left out."""
        mistakes = self.people - self.hits + self.false_alarms
        order = np.lexsort((-mistakes, self.f1))
        return order[np.isfinite(self.f1[order])]


def image_numbers(evaluation: Evaluation, *, threshold: float = 0.5, score: float | None = None) -> ImageNumbers:
    """Count hits, misses and false alarms of each image, for all sizes.

    Args:
        evaluation: of keypoints or boxes.
        threshold: similarity from which on a detection is right.
        score: leave out detections below it; None takes the score with the best F1 of all images together.

    Raises:
        EvalError: the rules don't hold the threshold.
    """
    if score is None:
        score = best_f1(score_curve(evaluation, threshold=threshold)).score
        score = -np.inf if np.isnan(score) else score
    problem, ranking = evaluation.problem, evaluation.ranking
    images = len(problem.image_ids)
    pairs = found_pairs(evaluation, threshold=threshold)
    right = pairs.found[problem.detections.scores[pairs.found] >= score]
    column = int(np.flatnonzero(evaluation.rules.thresholds == threshold)[0])
    matched = ranking.rows[evaluation.matches.found[evaluation.matches.column(column)]]
    free = np.setdiff1d(ranking.rows, matched)
    alarms = free[problem.detections.scores[free] >= score]
    people = np.bincount(problem.truths.images[~problem.truths.ignored], minlength=images)
    hits = np.bincount(problem.detections.images[right], minlength=images)
    false_alarms = np.bincount(problem.detections.images[alarms], minlength=images)
    total = people + hits + false_alarms
    f1 = np.where(total > 0, 2 * hits / np.maximum(total, 1), np.nan)
    return ImageNumbers(people, hits, false_alarms, f1, score)
