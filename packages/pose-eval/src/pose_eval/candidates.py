"""Pairs of a detection and an annotation that are similar enough to be a match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pose_eval.iou import pair_iou
from pose_eval.oks import HopelessPairs, pair_oks, prepare_truths
from pose_eval.problem import Floats, Ints, Problem
from pose_eval.ranking import Ranking
from pose_eval.rules import Rules

_BLOCK = 1 << 17  # pairs that are looked at together; bounds the memory
HIGHEST = 1 - 1e-10  # a threshold of 1 would never be reached in rounded numbers; COCO's own value


@dataclass(frozen=True)
class Candidates:
    """Pairs of one image and category whose similarity reaches the lowest threshold, in no order.

    Args:
        found: (P,) places in `Ranking.rows`.
        people: (P,) rows of the annotations.
        similarity: (P,) OKS or IoU.
    """

    found: Ints
    people: Ints
    similarity: Floats


def find_candidates(problem: Problem, ranking: Ranking, rules: Rules) -> Candidates:
    """Compute similarities and keep the pairs that can be a match at some threshold."""
    nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    if rules.strict and rules.iou_type == "keypoints" and not rules.by_category:
        return Candidates(*nothing)  # pycocotools looks OKS up under a category that has none
    lowest = min(float(rules.thresholds.min()), HIGHEST)
    measure = _Overlap(problem, ranking) if rules.sigmas is None else _Oks(problem, ranking, rules.sigmas, lowest)
    parts = [nothing]
    for found, people in pair_blocks(problem, ranking):
        found, people, similarity = measure.similar(found, people)
        kept = np.flatnonzero(similarity >= lowest)
        parts.append((found[kept], people[kept], similarity[kept]))
    return Candidates(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def pair_blocks(problem: Problem, ranking: Ranking, people: Ints | None = None) -> Iterator[tuple[Ints, Ints]]:
    """Pair each annotation with all detections of its image and category, a block of pairs at a time.

    Args:
        problem: truth and detections.
        ranking: the orders of the detections.
        people: (M',) rows of the annotations; None takes all.

    Yields:
        (P,) places in `Ranking.rows` and (P,) rows of annotations.
    """
    truths = problem.truths
    people = np.arange(len(truths)) if people is None else people
    cells = truths.categories[people] * len(problem.image_ids) + truths.images[people]
    first = np.searchsorted(ranking.cells, cells)
    counts = np.searchsorted(ranking.cells, cells, side="right") - first
    edges = np.searchsorted(np.cumsum(counts), np.arange(0, int(counts.sum()), _BLOCK), side="right")
    for start, end in zip(edges, np.append(edges[1:], len(people)), strict=False):
        sizes = counts[start:end]
        before = np.cumsum(sizes) - sizes
        found = np.arange(int(sizes.sum())) + np.repeat(first[start:end] - before, sizes)
        if len(found):
            yield found, np.repeat(people[start:end], sizes)


class _Oks:
    def __init__(self, problem: Problem, ranking: Ranking, sigmas: Floats, lowest: float) -> None:
        truths = problem.truths
        self._truths = prepare_truths(
            truths.keypoints,
            labelled=truths.labelled,
            areas=truths.areas,
            boxes=truths.boxes,
            sigmas=sigmas,
            own=truths.own,
        )
        self._keypoints = problem.detections.keypoints
        self._rows = ranking.rows
        self._bound = HopelessPairs.prepare(problem.detections.extents, self._truths, threshold=lowest)

    def similar(self, found: Ints, people: Ints) -> tuple[Ints, Ints, Floats]:
        """Keep the pairs whose OKS may reach the lowest threshold, with that OKS."""
        near = np.flatnonzero(self._bound.keep(self._rows[found], people))
        found, people = found[near], people[near]
        similarity = np.ones(len(found))
        unsure = np.flatnonzero(~self._bound.sure(self._rows[found], people))
        rows = self._rows[found[unsure]]
        similarity[unsure] = pair_oks(self._keypoints, self._truths, found=rows, people=people[unsure])
        return found, people, similarity


class _Overlap:
    def __init__(self, problem: Problem, ranking: Ranking) -> None:
        self._truths = problem.truths
        self._boxes = problem.detections.boxes
        self._rows = ranking.rows

    def similar(self, found: Ints, people: Ints) -> tuple[Ints, Ints, Floats]:
        truths, rows = self._truths, self._rows[found]
        return found, people, pair_iou(self._boxes, truths.boxes, crowd=truths.crowd, found=rows, people=people)
