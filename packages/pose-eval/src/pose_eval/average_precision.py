"""Precision and recall over all detections, from the best to the worst, in COCO's layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pose_eval.matching import Matches, ignored_in_ranges, outside_ranges
from pose_eval.problem import Bools, Floats, Ints, Problem
from pose_eval.ranking import Ranking, stable_order
from pose_eval.rules import Rules

_EPS = np.spacing(1)


@dataclass(frozen=True)
class Curves:
    """Precision and recall in COCO's layout; -1 where a category has nothing to find.

    Args:
        precision: (T, R, C, A, D) at each recall value, made non-increasing.
        recall: (T, C, A, D) that is reached in the end.
        scores: (T, R, C, A, D) of the detection at which the recall value is reached.
    """

    precision: Floats
    recall: Floats
    scores: Floats


@dataclass(frozen=True)
class Outcomes:
    """What became of the matched detections, sorted by category and falling score.

    Args:
        found: (Q,) places in `Ranking.rows`; one that has other annotations in other columns is repeated.
        categories: (Q,) rising.
        hits: (A, T, Q) true positives.
        counted: (A, T, Q) true and false positives of the category up to and with this detection.
        places: (Q,) positions among all detections that are judged, in the overall order.
        change: (A, T, Q) by how much the match alters whether the detection is counted: its size alone would decide.
    """

    found: Ints
    categories: Ints
    hits: Bools
    counted: NDArray[np.int32]
    places: Ints
    change: NDArray[np.int8]


def accumulate(problem: Problem, ranking: Ranking, matches: Matches, rules: Rules) -> Curves:
    """Walk all detections from the best to the worst and note precision and recall.

    Only a true positive changes recall, so precision is computed at true positives alone.
    """
    shape = (len(rules.thresholds), len(rules.recalls), len(problem.category_ids), len(rules.area_ranges))
    positives = count_positives(problem, rules)
    needed = needed_hits(positives, rules.recalls)
    limits = [
        _read_curves(problem, ranking, judge(problem, ranking, matches, rules, most=most), positives, needed, rules)
        for most in rules.max_detections
    ]
    precision, scores = np.empty((*shape, len(limits))), np.empty((*shape, len(limits)))
    recall = np.empty((shape[0], *shape[2:], len(limits)))
    for index, curves in enumerate(limits):
        precision[..., index], recall[..., index] = curves.precision, curves.recall
        scores[..., index] = curves.scores
    return Curves(precision, recall, scores)


def count_positives(problem: Problem, rules: Rules) -> Ints:
    """Count the annotations that are to be found: (C, A)."""
    truths, categories = problem.truths, len(problem.category_ids)
    counted = ~ignored_in_ranges(truths.areas, truths.ignored, rules)
    return np.stack([np.bincount(truths.categories[row], minlength=categories) for row in counted], axis=1)


def judge(problem: Problem, ranking: Ranking, matches: Matches, rules: Rules, *, most: int) -> Outcomes:
    """Call detections true, false or ignored.

    A match with an ignored annotation is ignored; so is an unmatched detection whose own area lies outside the range.

    Args:
        problem: truth and detections.
        ranking: the orders of the detections.
        matches: what each was given.
        rules: the area ranges, and whether annotation id 0 counts as no match (strict).
        most: detections per image and category.
    """
    overall, starts = ranking.first(most)
    places = np.full(len(ranking.rows), -1)
    places[overall] = np.arange(len(overall))
    kept = np.flatnonzero(places[matches.found] >= 0)
    kept = kept[stable_order(places[matches.found[kept]])]
    found, people = matches.found[kept], matches.people[kept]
    truths = problem.truths
    matched = matches.table(kept).reshape(len(rules.area_ranges), len(rules.thresholds), len(kept))
    counts = ~ignored_in_ranges(truths.areas[people], truths.ignored[people], rules)[:, None]
    inside = ~outside_ranges(problem.detections.areas[ranking.rows[overall]], rules)
    hits = matched & counts
    lost = matched & ~counts & inside[:, None, places[found]]
    if rules.strict:  # pycocotools asks whether the matched id is non-zero
        hits &= truths.ids[people] != 0
    change = (hits & ~inside[:, None, places[found]]).astype(np.int8) - lost
    at = places[found]
    kinds = np.searchsorted(starts, at, side="right") - 1
    counted = _anew(np.cumsum(change, axis=-1, dtype=np.int32), np.searchsorted(kinds, np.arange(len(starts))), kinds)
    counted += _anew(np.cumsum(inside, axis=-1, dtype=np.int32), starts, kinds, at)[:, None]
    return Outcomes(found, kinds, hits, counted, at, change)


def _anew(sums: NDArray[np.int32], starts: Ints, categories: Ints, at: Ints | None = None) -> NDArray[np.int32]:
    """Let running sums begin anew in each category.

    Args:
        sums: (..., N) over all categories.
        starts: (C + 1,) where the categories begin.
        categories: (Q,) of the wanted places.
        at: (Q,) the wanted places; None wants all.
    """
    wanted = sums if at is None else sums[..., at]
    if len(starts) == 2 or not len(categories):
        return wanted
    first = starts[categories]
    return np.asarray(wanted - np.where(first > 0, sums[..., first - 1], 0))


def needed_hits(positives: Ints, recalls: Floats) -> Ints:
    """Find the least number of true positives that reaches each recall value: (C, A, R), at least 1."""
    total = np.maximum(positives, 1)[..., None]
    guess = np.maximum(np.ceil(recalls * total), 1).astype(np.int64)
    guess -= (guess > 1) & ((guess - 1) / total >= recalls)
    guess += guess / total < recalls
    return np.asarray(guess)


def _read_curves(
    problem: Problem, ranking: Ranking, outcomes: Outcomes, positives: Ints, needed: Ints, rules: Rules
) -> Curves:
    """Read precision, recall and scores of one limit: arrays as in `Curves` without the last axis."""
    categories = len(problem.category_ids)
    ranges, thresholds, _ = outcomes.hits.shape
    at = np.flatnonzero(outcomes.hits)
    rows = at % max(len(outcomes.found), 1)
    segments = at // max(len(outcomes.found), 1) * categories + outcomes.categories[rows]
    hits = np.bincount(segments, minlength=ranges * thresholds * categories)
    first = np.cumsum(hits) - hits
    order = np.arange(len(at)) - first[segments] + 1
    precision = ceiling(order / (outcomes.counted.reshape(-1)[at] + _EPS), segments)
    scores = problem.detections.scores[ranking.rows[outcomes.found]][rows]

    hits, first = (part.reshape(ranges, thresholds, categories, 1) for part in (hits, first))
    wanted = needed.transpose(1, 0, 2)[:, None]  # (A, 1, C, R)
    top, present = _best_scores(problem, ranking)
    start = rules.recalls <= 0  # recall 0 is reached by the first detection, whatever became of it
    reached = np.logical_and.accumulate(np.where(start, present[:, None], wanted <= hits), axis=-1)
    index = np.where(reached & (wanted <= hits), first + wanted - 1, len(at))
    read = reached, np.append(precision, 0.0)[index], np.append(scores, 0.0)[index]
    score = np.where(start & reached, top[:, None], read[2])
    absent = (positives == 0).T[:, None, :]  # (A, 1, C)
    recall = hits[..., 0] / np.maximum(positives, 1).T[:, None, :]
    return Curves(
        precision=np.where(absent[..., None], -1.0, read[1]).transpose(1, 3, 2, 0),
        recall=np.where(absent, -1.0, recall).transpose(1, 2, 0),
        scores=np.where(absent[..., None], -1.0, score).transpose(1, 3, 2, 0),
    )


def ceiling(values: Floats, segments: Ints) -> Floats:
    """Replace each value by the largest that stands at or after it in its segment."""
    # Ranks are whole numbers, so a segment can be kept apart from the next by an offset that loses no bit of the value.
    order = np.argsort(values)
    ranks = np.empty(len(values), np.int64)
    ranks[order] = np.arange(len(values))
    ranks -= segments * len(values)
    highest = np.maximum.accumulate(ranks[::-1])[::-1] + segments * len(values)
    return np.asarray(values[order[highest]])


def _best_scores(problem: Problem, ranking: Ranking) -> tuple[Floats, Bools]:
    """Find the score of the best detection of each category, (C,), and whether there is one, (C,)."""
    present = np.diff(ranking.starts) > 0
    top = np.zeros(len(problem.category_ids))
    top[present] = problem.detections.scores[ranking.rows[ranking.overall[ranking.starts[:-1][present]]]]
    return top, present
