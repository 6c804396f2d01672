"""Which keypoint is wrong, by how many pixels, and how honest its score is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pose_eval.diagnosis import found_pairs
from pose_eval.evaluation import Evaluation
from pose_eval.exceptions import EvalError
from pose_eval.metrics import metrics_of
from pose_eval.pck import box_lengths, keypoint_distances
from pose_eval.problem import Bools, Floats, Ints
from pose_eval.slices import evaluate_parts

_BINS = 10


@dataclass(frozen=True)
class KeypointNumbers:
    """Numbers of each keypoint alone; those from distances are over people found at OKS .50, NaN where there are none.

    Args:
        ap: (K,) AP if this were the only keypoint; people without it are ignored.
        ar: (K,) AR likewise.
        oks: (K,) mean term of the keypoint in OKS.
        pixels: (K,) mean distance, in image pixels.
        of_size: (K,) mean distance, in units of the square root of the person's area.
        of_box: (K,) mean distance, in units of the longer side of the person's box.
        of_lengths: (K,) by name: mean distance in units of the lengths that were given under this name.
        labelled: (K,) share of the people that count for whom it is labelled.
        calibration: (K,) expected calibration error: the mean difference between the keypoint's score and its term in
            OKS, over ten bins of score (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
        found: (K,) number of found people that have it labelled.
    """

    ap: Floats
    ar: Floats
    oks: Floats
    pixels: Floats
    of_size: Floats
    of_box: Floats
    of_lengths: dict[str, Floats]
    labelled: Floats
    calibration: Floats
    found: Ints


def keypoint_numbers(evaluation: Evaluation, *, lengths: Mapping[str, Floats] | None = None) -> KeypointNumbers:
    """Take an evaluation of keypoints apart by keypoint.

    Args:
        evaluation: of keypoints.
        lengths: further reference lengths by name, (M,) pixels for the annotations of `evaluation.problem.truths`: from
            `torso_lengths` or `head_lengths`, say. People with 0 are left out of the mean.

    Raises:
        EvalError: it compared boxes, its rules lack the threshold .5, or a length isn't one per annotation.
    """
    sigmas = evaluation.rules.sigmas
    if sigmas is None:
        raise EvalError("numbers per keypoint must come from an evaluation of keypoints; got one of boxes")
    truths, found = evaluation.problem.truths, evaluation.problem.detections
    pairs = found_pairs(evaluation)
    labelled = truths.labelled[pairs.people]
    areas = np.maximum(truths.areas[pairs.people], np.spacing(1))[:, None]
    distances = keypoint_distances(found.keypoints[pairs.found], truths.keypoints[pairs.people])
    terms = np.exp(-(distances**2) / (2 * sigmas) ** 2 / areas / 2)
    longest = np.maximum(box_lengths(truths.boxes[pairs.people]), np.spacing(1))[:, None]
    alone = evaluate_parts(evaluation, {str(point): np.array([point]) for point in range(len(sigmas))})
    averages = [metrics_of(part) for part in alone.values()]
    counted = ~truths.ignored
    references = {name: _checked(values, len(truths), name)[pairs.people] for name, values in (lengths or {}).items()}
    return KeypointNumbers(
        ap=np.array([metrics.ap for metrics in averages]),
        ar=np.array([metrics.ar for metrics in averages]),
        oks=_means(terms, labelled),
        pixels=_means(distances, labelled),
        of_size=_means(distances / np.sqrt(areas), labelled),
        of_box=_means(distances / longest, labelled),
        of_lengths={
            name: _means(distances / np.where(own > 0, own, 1)[:, None], labelled & (own > 0)[:, None])
            for name, own in references.items()
        },
        labelled=truths.labelled[counted].sum(axis=0) / max(np.count_nonzero(counted), 1),
        calibration=_calibration(found.keypoint_scores[pairs.found], terms, labelled),
        found=np.count_nonzero(labelled, axis=0),
    )


def _checked(lengths: Floats, count: int, name: str) -> Floats:
    if np.shape(lengths) != (count,):
        raise EvalError(
            f"lengths '{name}' must be ({count},), one per annotation; got {np.shape(lengths)}; "
            "compute them from the truths of the evaluation's problem"
        )
    return np.asarray(lengths, np.float64)


def _means(values: Floats, chosen: Bools) -> Floats:
    counts = np.count_nonzero(chosen, axis=0)
    sums = np.where(chosen, values, 0).sum(axis=0)
    return np.where(counts, sums / np.maximum(counts, 1), np.nan)


def _calibration(scores: Floats, terms: Floats, labelled: Bools) -> Floats:
    """Weigh the gap between mean score and mean term of each bin by the number of its members: (K,)."""
    result = np.full(scores.shape[1], np.nan)
    for point in np.flatnonzero(labelled.any(axis=0)):
        score, term = scores[labelled[:, point], point], terms[labelled[:, point], point]
        bins = np.clip((score * _BINS).astype(np.int64), 0, _BINS - 1)
        gaps = np.bincount(bins, score - term, minlength=_BINS)
        result[point] = np.abs(gaps).sum() / len(score)
    return result
