"""Object keypoint similarity (OKS): how near a found person is to an annotated one, from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_eval.exceptions import EvalError
from pose_eval.problem import Bools, Floats, Ints, keypoint_extents
from pose_eval.rules import check_sigmas

_EPS = np.spacing(1)
_CHUNK = 4096  # pairs at a time: the working arrays stay inside the processor's cache
_SAFETY = 1 + 1e-9  # the bound is computed in rounded numbers, so it must be missed clearly


@dataclass(frozen=True)
class OksTruths:
    """What OKS needs to know of M annotated people, prepared once.

    Args:
        keypoints: (M, K, 2) xy image pixels.
        labelled: (M, K).
        counts: (M,) number of labelled points.
        areas: (M,) px².
        variances: (K,) squared falloff, (2 sigma)².
        grown: (M, 4) x0 y0 x1 y1: each box grown by its own width and height on every side.
        own: (M, K) objects of this class have the point; None where all classes have all points.
    """

    keypoints: Floats
    labelled: Bools
    counts: Ints
    areas: Floats
    variances: Floats
    grown: Floats
    own: Bools | None = None


def compute_oks(
    keypoints: Floats, *, truth_keypoints: Floats, labelled: Bools, areas: Floats, boxes: Floats, sigmas: Floats
) -> Floats:
    """Compare every found person with every annotated one, with the very bits of pycocotools.

    For a person with k labelled points, OKS = (1/k) sum exp(-d² / (2 s² (2 sigma)²)) with s² the area; see
    https://cocodataset.org/#keypoints-eval. Without a labelled point every keypoint is measured from the box,
    grown by its width and height on each side: inside counts as distance 0.

    Args:
        keypoints: (N, K, 2) xy image pixels of found people.
        truth_keypoints: (M, K, 2) xy image pixels of annotated people.
        labelled: (M, K) COCO's v > 0.
        areas: (M,) px².
        boxes: (M, 4) xywh image pixels, for people without a labelled point.
        sigmas: (K,).

    Returns:
        (N, M) similarities.

    Raises:
        EvalError: the number of keypoints differs between the arguments.
    """
    sigmas = check_sigmas(sigmas)
    if not keypoints.shape[1] == truth_keypoints.shape[1] == len(sigmas):
        raise EvalError(
            f"keypoints must be {len(sigmas)} per person, one per sigma; got {keypoints.shape[1]} found "
            f"and {truth_keypoints.shape[1]} annotated; give the sigmas of this skeleton"
        )
    prepared = prepare_truths(truth_keypoints, labelled=labelled, areas=areas, boxes=boxes, sigmas=sigmas)
    found, people = (rows.ravel() for rows in np.indices((len(keypoints), len(truth_keypoints))))
    similarity = pair_oks(np.asarray(keypoints, np.float64), prepared, found=found, people=people)
    return similarity.reshape(len(keypoints), len(truth_keypoints))


def prepare_truths(
    keypoints: Floats, *, labelled: Bools, areas: Floats, boxes: Floats, sigmas: Floats, own: Bools | None = None
) -> OksTruths:
    """Compute what doesn't depend on detections."""
    x, y, w, h = np.asarray(boxes, np.float64).T
    return OksTruths(
        keypoints=np.ascontiguousarray(keypoints, np.float64),
        labelled=np.asarray(labelled, np.bool_),
        counts=np.count_nonzero(labelled, axis=1),
        areas=np.asarray(areas, np.float64) + _EPS,
        variances=np.asarray((sigmas * 2) ** 2),
        grown=np.stack([x - w, y - h, x + w * 2, y + h * 2], axis=1),
        own=own,
    )


def pair_oks(keypoints: Floats, truths: OksTruths, *, found: Ints, people: Ints) -> Floats:
    """Compare chosen pairs.

    Args:
        keypoints: (N, K, 2) float64 xy image pixels.
        truths: the annotated people.
        found: (P,) rows of `keypoints`.
        people: (P,) rows of `truths`.

    Returns:
        (P,) OKS.
    """
    counts = truths.counts[people]
    result = np.empty(len(people))
    order = np.argsort(counts.astype(np.uint16), kind="stable")
    bounds = np.searchsorted(counts[order], np.arange(keypoints.shape[1] + 2))
    flat = keypoints.reshape(len(keypoints), 2 * keypoints.shape[1])
    for count in np.flatnonzero(np.diff(bounds)):
        for start in range(bounds[count], bounds[count + 1], _CHUNK):
            rows = order[start : min(start + _CHUNK, bounds[count + 1])]
            points = flat.take(found[rows], axis=0)
            if count:
                result[rows] = _means(_labelled_terms(points, truths, people[rows], int(count)))
            else:
                result[rows] = _outside_oks(points, truths, people[rows])
    return result


def _means(terms: Floats) -> Floats:
    return np.asarray(terms.sum(axis=1) / terms.shape[1])


@dataclass(frozen=True)
class HopelessPairs:
    """Bounds of OKS that need no exp.

    If two people are apart by a gap, so is each pair of their points: OKS is at most exp(-gap² / (2 s² var)) with the
    largest variance. And if all points lie in the grown box of a person without labelled points, OKS is exactly 1.

    Args:
        corners: (4, N) x0 y0 x1 y1 around the points of found people; numpy is several times faster along rows.
        regions: (4, M) x0 y0 x1 y1 around the labelled points (or the grown box) of annotated people.
        limits: (M,) squared gap from which on a pair is hopeless.
        labelled: (M,) the person has a labelled point.
    """

    corners: Floats
    regions: Floats
    limits: Floats
    labelled: Bools

    @classmethod
    def prepare(cls, extents: Floats, truths: OksTruths, *, threshold: float) -> HopelessPairs:
        """Compute what is needed of each person.

        Args:
            extents: (N, 4) x0 y0 x1 y1 around the points of found people.
            truths: the annotated people.
            threshold: the similarity that a pair has to reach.
        """
        seen = truths.counts > 0
        regions, widest = truths.grown.copy(), np.full(len(seen), truths.variances.max())
        people = np.flatnonzero(seen)
        for start in range(0, len(people), _CHUNK):
            rows = people[start : start + _CHUNK]
            regions[rows], widest[rows] = _labelled_region(truths, rows)
        limits = np.full(len(regions), np.inf)
        if threshold > 0:
            limits = -2 * np.log(threshold) * _SAFETY * widest * truths.areas
        return cls(np.ascontiguousarray(extents.T), np.ascontiguousarray(regions.T), limits, seen)

    def keep(self, found: Ints, people: Ints) -> Bools:
        """Say for pairs, (P,) rows each, which of them need a closer look."""
        squares = np.zeros(len(found))
        for low, high in ((0, 2), (1, 3)):
            gaps = self.regions[low].take(people)
            gaps -= self.corners[high].take(found)
            beyond = self.corners[low].take(found)
            beyond -= self.regions[high].take(people)
            np.maximum(gaps, beyond, out=gaps)
            np.maximum(gaps, 0, out=gaps)
            gaps *= gaps
            squares += gaps
        return np.asarray(squares <= self.limits.take(people))

    def sure(self, found: Ints, people: Ints) -> Bools:
        """Say for pairs, (P,) rows each, which of them have an OKS of exactly 1."""
        within = ~self.labelled.take(people)
        for low, high in ((0, 2), (1, 3)):
            within &= self.corners[low].take(found) >= self.regions[low].take(people)
            within &= self.corners[high].take(found) <= self.regions[high].take(people)
        return within


def _labelled_region(truths: OksTruths, rows: Ints) -> tuple[Floats, Floats]:
    """Find the box around the labelled points of people who have some, (R, 4), and their largest variance, (R,)."""
    labelled, points = truths.labelled[rows], truths.keypoints[rows]
    # An unlabelled point must not widen the region: the first labelled one stands in for it.
    first = points[np.arange(len(rows)), labelled.argmax(axis=1)]
    regions = keypoint_extents(np.where(labelled[..., None], points, first[:, None]))
    by_variance = np.argsort(-truths.variances, kind="stable")
    return regions, truths.variances[by_variance[labelled[:, by_variance].argmax(axis=1)]]


def _labelled_terms(points: Floats, truths: OksTruths, people: Ints, count: int) -> Floats:
    points -= truths.keypoints.reshape(len(truths.keypoints), points.shape[1]).take(people, axis=0)
    points *= points
    terms = points[:, 0::2] + points[:, 1::2]
    terms /= truths.variances
    if count < terms.shape[1]:
        terms = terms[truths.labelled.take(people, axis=0)].reshape(-1, count)
    return _falloff(terms, truths.areas.take(people))


def _outside_oks(points: Floats, truths: OksTruths, people: Ints) -> Floats:
    """Average over the points that the class has."""
    terms = _outside_terms(points, truths, people)
    if truths.own is None:
        return _means(terms)
    own = truths.own[people]
    counts = np.count_nonzero(own, axis=1)
    result = np.empty(len(terms))
    for count in np.unique(counts).tolist():
        rows = counts == count
        result[rows] = _means(terms[rows][own[rows]].reshape(-1, count))
    return result


def _outside_terms(points: Floats, truths: OksTruths, people: Ints) -> Floats:
    grown = truths.grown.take(people, axis=0)
    terms: Floats = np.zeros((len(points), points.shape[1] // 2))
    for axis in (0, 1):
        along = points[:, axis::2]
        low, high = grown[:, axis, None], grown[:, axis + 2, None]
        terms += (np.maximum(0, low - along) + np.maximum(0, along - high)) ** 2
    terms /= truths.variances
    return _falloff(terms, truths.areas.take(people))


def _falloff(terms: Floats, areas: Floats) -> Floats:
    # Three divisions one after the other, as pycocotools does: any other grouping rounds differently.
    terms /= areas[:, None]
    terms /= -2
    return np.exp(terms, out=terms)
