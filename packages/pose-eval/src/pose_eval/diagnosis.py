"""How near the found people are to the annotated ones, beyond the averages of COCO."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_eval.candidates import pair_blocks
from pose_eval.evaluation import Evaluation
from pose_eval.exceptions import EvalError
from pose_eval.oks import pair_oks, prepare_truths
from pose_eval.problem import Floats, Ints


@dataclass(frozen=True)
class FoundPairs:
    """Detections and the annotated people that they were given.

    Args:
        found: (P,) rows of the detections.
        people: (P,) rows of the annotations.
    """

    found: Ints
    people: Ints


def found_pairs(evaluation: Evaluation, *, threshold: float = 0.5) -> FoundPairs:
    """List the true positives of all sizes at one threshold.

    Raises:
        EvalError: the rules don't hold the threshold.
    """
    at = np.flatnonzero(evaluation.rules.thresholds == threshold)
    if not len(at):
        raise EvalError(f"threshold must be one of {evaluation.rules.thresholds.tolist()}; got {threshold}")
    matches = evaluation.matches
    kept = np.flatnonzero(matches.column(int(at[0])) & ~evaluation.problem.truths.ignored[matches.people])
    return FoundPairs(evaluation.ranking.rows[matches.found[kept]], matches.people[kept])


def keypoint_errors(evaluation: Evaluation, *, threshold: float = 0.5) -> Floats:
    """Average the distance of each keypoint over found people, in units of the square root of the person's area.

    Returns:
        (K,); NaN for a keypoint that none of them has labelled.
    """
    pairs = found_pairs(evaluation, threshold=threshold)
    truths = evaluation.problem.truths
    labelled = truths.labelled[pairs.people]
    apart = evaluation.problem.detections.keypoints[pairs.found] - truths.keypoints[pairs.people]
    scale = np.sqrt(np.maximum(truths.areas[pairs.people], np.spacing(1)))
    distances = np.where(labelled, np.hypot(apart[..., 0], apart[..., 1]) / scale[:, None], 0)
    counts = np.count_nonzero(labelled, axis=0)
    return np.where(counts, distances.sum(axis=0) / np.maximum(counts, 1), np.nan)


def mean_best_oks(evaluation: Evaluation) -> float:
    """Average, over annotated people with a labelled keypoint, the OKS of the most similar detection of the image.

    A person without any detection counts as 0; without people the result is -1.
    """
    truths, ranking, sigmas = evaluation.problem.truths, evaluation.ranking, evaluation.rules.sigmas
    wanted = np.flatnonzero(~truths.ignored)
    if sigmas is None or not len(wanted):
        return -1.0
    prepared = prepare_truths(
        truths.keypoints, labelled=truths.labelled, areas=truths.areas, boxes=truths.boxes, sigmas=sigmas
    )
    keypoints = evaluation.problem.detections.keypoints
    best = np.zeros(len(truths))
    for found, people in pair_blocks(evaluation.problem, ranking, wanted):
        np.maximum.at(best, people, pair_oks(keypoints, prepared, found=ranking.rows[found], people=people))
    return float(best[wanted].mean())
