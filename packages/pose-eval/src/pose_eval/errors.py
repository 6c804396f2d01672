"""In which way keypoints are wrong: jitter, inversion, swap and miss; and whole people too many or too few.

Ronchi & Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", ICCV 2017, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pose_eval.diagnosis import FoundPairs, found_pairs
from pose_eval.evaluation import Evaluation, evaluate
from pose_eval.exceptions import EvalError
from pose_eval.metrics import metrics_of
from pose_eval.problem import Floats, Ints, Problem, Truths, keypoint_extents

KINDS = ("good", "jitter", "inversion", "swap", "miss")
_PAIRED = 0.1  # OKS from which on a detection is taken to mean a person
_GOOD, _NEAR = 0.85, 0.5  # similarity of one keypoint: as exact as annotators are, and as two annotators at worst


@dataclass(frozen=True)
class ErrorDiagnosis:
    """How many keypoints of detections are wrong in which way, and what each way costs.

    Args:
        kinds: (P, K) int8, index into `KINDS` for each paired detection; -1 for a keypoint that isn't labelled.
        pairs: the P detections and the people that they mean (OKS at least .1).
        counts: (5, K) keypoints of each kind.
        background: number of detections that mean nobody.
        missed: number of people whom no detection means.
        ap: AP as it is.
        costs: AP that would be won by moving all keypoints of one kind to their place ("jitter", "inversion", "swap",
            "miss"), by taking out detections that mean nobody ("background") or people that are missed ("missed"). Each
            is corrected alone, so they don't add up.
    """

    kinds: NDArray[np.int8]
    pairs: FoundPairs
    counts: Ints
    background: int
    missed: int
    ap: float
    costs: dict[str, float]


def diagnose_errors(evaluation: Evaluation, *, mirror: Sequence[int] | Ints | None = None) -> ErrorDiagnosis:
    """Name the error of every keypoint of every detection that means somebody.

    With ks the similarity exp(-d² / (2 s² (2 sigma)²)) of a detected keypoint to an annotated one, by the area and
    sigma of the latter: good if ks to its own place is at least .85, jitter if at least .5. Otherwise the nearer of two
    wrong places decides, if its ks is at least .5: the mirror keypoint of the same person (inversion), or the same or
    the mirror keypoint of another person of the image (swap). All else is a miss.

    Args:
        evaluation: of keypoints.
        mirror: (K,) index of each keypoint's mirror image, its own for a keypoint in the middle; None where there
            are no sides, so that there is no inversion.

    Raises:
        EvalError: boxes were compared, or `mirror` isn't its own inverse.
    """
    sigmas = evaluation.rules.sigmas
    if sigmas is None:
        raise EvalError("errors of keypoints must come from an evaluation of keypoints; got one of boxes")
    sides = _checked_mirror(mirror, len(sigmas))
    rules = replace(evaluation.rules, thresholds=np.array([_PAIRED]), area_ranges=evaluation.rules.area_ranges[:1])
    loose = evaluate(evaluation.problem, replace(rules, by_category=True))
    pairs = found_pairs(loose, threshold=_PAIRED)
    problem = loose.problem
    kinds = _kinds(problem, pairs, sigmas, sides)
    counts = np.stack([np.count_nonzero(kinds == kind, axis=0) for kind in range(len(KINDS))])
    idle = np.setdiff1d(loose.ranking.rows, loose.ranking.rows[loose.matches.found])
    missed = np.setdiff1d(np.flatnonzero(~problem.truths.ignored), pairs.people)
    ap = metrics_of(evaluation).ap
    corrected = {name: _moved(problem, pairs, kinds == kind) for kind, name in enumerate(KINDS) if kind}
    corrected["background"] = replace(problem, detections=problem.detections.choose(_all_but(problem.detections, idle)))
    corrected["missed"] = replace(problem, truths=problem.truths.choose(_all_but(problem.truths, missed)))
    return ErrorDiagnosis(
        kinds=kinds,
        pairs=pairs,
        counts=counts,
        background=len(idle),
        missed=len(missed),
        ap=ap,
        costs={name: metrics_of(evaluate(other, evaluation.rules)).ap - ap for name, other in corrected.items()},
    )


def mirror_of_names(names: Sequence[str]) -> Ints | None:
    """Find each keypoint's mirror image by its name, left_x and right_x: (K,); None if no name has a side.

    Args:
        names: (K,) as in COCO's `categories`.
    """
    rows = {name: row for row, name in enumerate(names)}
    swapped = [
        name.replace("left", "\0").replace("right", "left").replace("\0", "right") if name else name for name in names
    ]
    mirror = np.array([rows.get(other, row) for row, other in enumerate(swapped)], np.int64)
    return mirror if np.any(mirror != np.arange(len(names))) else None


def _checked_mirror(mirror: Sequence[int] | Ints | None, count: int) -> Ints:
    sides = np.arange(count) if mirror is None else np.asarray(mirror, np.int64)
    if sorted(sides.tolist()) != list(range(count)) or np.any(sides[sides] != np.arange(count)):
        raise EvalError(
            f"mirror must be a permutation of 0 to {count - 1} that is its own inverse; got {sides.tolist()}; "
            "write for each keypoint the index of its mirror image"
        )
    return sides


def _kinds(problem: Problem, pairs: FoundPairs, sigmas: Floats, sides: Ints) -> NDArray[np.int8]:
    truths = problem.truths
    points = problem.detections.keypoints[pairs.found]
    every = np.arange(len(sigmas))
    own = _similarity(points, truths, pairs.people, every, sigmas)
    inverted = np.where(sides == every, 0, _similarity(points, truths, pairs.people, sides, sigmas))
    swapped = _swapped(points, truths, pairs.people, sides, sigmas)
    kinds = np.full(own.shape, KINDS.index("miss"), np.int8)
    kinds[(swapped >= _NEAR) & (swapped > inverted)] = KINDS.index("swap")
    kinds[(inverted >= _NEAR) & (inverted >= swapped)] = KINDS.index("inversion")
    kinds[own >= _NEAR] = KINDS.index("jitter")
    kinds[own >= _GOOD] = KINDS.index("good")
    kinds[~truths.labelled[pairs.people]] = -1
    return kinds


def _similarity(points: Floats, truths: Truths, people: Ints, which: Ints, sigmas: Floats) -> Floats:
    """Compare detected keypoints, (P, K, 2), with chosen keypoints of chosen people: (P, K), 0 where not labelled."""
    apart = points - truths.keypoints[people][:, which]
    areas = truths.areas[people][:, None] + np.spacing(1)
    terms = np.exp(-(apart**2).sum(axis=2) / (2 * sigmas[which]) ** 2 / areas / 2)
    return np.where(truths.labelled[people][:, which], terms, 0)


def _swapped(points: Floats, truths: Truths, people: Ints, sides: Ints, sigmas: Floats) -> Floats:
    """Find the greatest similarity to the same or the mirror keypoint of any other person of the image: (P, K)."""
    best = np.zeros(points.shape[:2])
    order = np.argsort(truths.images, kind="stable")
    images = truths.images[order]
    first = np.searchsorted(images, truths.images[people])
    counts = np.searchsorted(images, truths.images[people], side="right") - first
    for step in range(int(counts.max(initial=0))):
        rows = np.flatnonzero(counts > step)
        others = order[first[rows] + step]
        rows, others = rows[others != people[rows]], others[others != people[rows]]
        for which in (np.arange(len(sides)), sides):
            best[rows] = np.maximum(best[rows], _similarity(points[rows], truths, others, which, sigmas))
    return best


def _moved(problem: Problem, pairs: FoundPairs, wrong: NDArray[np.bool_]) -> Problem:
    keypoints = problem.detections.keypoints.copy()
    right = problem.truths.keypoints[pairs.people]
    keypoints[pairs.found] = np.where(wrong[..., None], right, keypoints[pairs.found])
    detections = replace(problem.detections, keypoints=keypoints, extents=keypoint_extents(keypoints))
    return replace(problem, detections=detections)


def _all_but(columns: Sized, rows: Ints) -> NDArray[np.bool_]:
    kept = np.ones(len(columns), np.bool_)
    kept[rows] = False
    return kept
