"""Which detection is given to which annotation: COCO's greedy matching, at all thresholds and area ranges at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pose_eval.candidates import HIGHEST, Candidates
from pose_eval.problem import Bools, Floats, Ints, Problem
from pose_eval.ranking import Ranking, falling_order, place_in_run, stable_order
from pose_eval.rules import Rules

_BLOCK = 1 << 15  # candidates, about
_WORD = 62  # columns that fit into the bits of one whole number


@dataclass(frozen=True)
class Matches:
    """Which detection was given which annotation, and in which columns.

    A column is an area range and a threshold, area * T + threshold. A pair may have several rows, each with columns of
    its own; in one column a detection has at most one annotation.

    Args:
        found: (Q,) places in `Ranking.rows`.
        people: (Q,) rows of the annotations.
        words: (W, Q) columns of the row: bit b of word w is column 62 w + b.
        columns: A * T.
    """

    found: Ints
    people: Ints
    words: Ints
    columns: int

    def table(self, rows: Ints | None = None) -> Bools:
        """Spread the words of some rows, (R,), or of all out: (A * T, R)."""
        words = self.words if rows is None else self.words[:, rows]
        bits = np.unpackbits(words.astype("<i8")[..., None].view(np.uint8), axis=2, bitorder="little")  # (W, R, 64)
        columns = np.arange(self.columns)
        return np.ascontiguousarray(bits[columns // _WORD, :, columns % _WORD]).view(np.bool_)

    def column(self, index: int) -> Bools:
        """Say which rows hold in one column: (Q,)."""
        return np.asarray(self.words[index // _WORD] >> (index % _WORD) & 1, np.bool_)


@dataclass(frozen=True)
class _Wishes:
    """Wishes of detections for annotations, to be granted group by group.

    In a group no detection and no annotation occurs twice. Groups follow each other by turn (how many detections of the
    image that have candidates are better) and by preference of the detection.
    """

    found: Ints
    people: Ints
    columns: Ints  # as bits
    edges: Ints  # of the groups


@dataclass(frozen=True)
class _Free:
    """The columns, as bits, in which detections, (P,), and annotations, (M,), are still free; changed in place."""

    found: Ints
    people: Ints
    crowd: Bools


def match(candidates: Candidates, problem: Problem, ranking: Ranking, rules: Rules) -> Matches:
    """Give annotations to detections, best detection first, as pycocotools does.

    Each detection takes the most similar free annotation that reaches the threshold; one that counts goes before any
    that is ignored, a crowd is never used up, and of equal ones the last in the file is taken.
    """
    counted = ~ignored_in_ranges(problem.truths.areas, problem.truths.ignored, rules)
    thresholds = np.minimum(rules.thresholds, HIGHEST)
    columns = len(rules.area_ranges) * len(rules.thresholds)
    blocks = list(_blocks(candidates, ranking))
    parts: list[list[Matches]] = []
    for start in range(0, columns, _WORD):
        area, threshold = np.divmod(np.arange(start, min(start + _WORD, columns)), len(rules.thresholds))
        counts = _pack(counted[area])
        free = _Free(np.full(len(ranking.rows), -1), np.full(len(problem.truths), -1), problem.truths.crowd)
        parts.append([])
        for block in blocks:
            reached = _pack(block.similarity >= thresholds[threshold][:, None])
            parts[-1].append(_grant(_wishes(block, ranking, reached, counts[block.people]), free))
    return _join(parts, columns)


def _blocks(candidates: Candidates, ranking: Ranking) -> Iterator[Candidates]:
    """Sort candidates by detection and cut them between images: what is worked on together stays in the cache."""
    order = stable_order(candidates.found)
    found, people, similarity = candidates.found[order], candidates.people[order], candidates.similarity[order]
    cells = ranking.cells[found]
    starts = dict.fromkeys([0, *np.searchsorted(cells, cells[_BLOCK::_BLOCK]).tolist()])
    for start, end in pairwise([*starts, len(found)]):
        yield Candidates(found[start:end], people[start:end], similarity[start:end])


def ignored_in_ranges(areas: Floats, ignored: Bools, rules: Rules) -> Bools:
    """Say which annotations don't count in which area range: (A, M)."""
    return np.asarray(outside_ranges(areas, rules) | ignored)


def outside_ranges(areas: Floats, rules: Rules) -> Bools:
    """Say which areas, (M,) px², lie outside which ranges: (A, M)."""
    return np.stack([(areas < bounds.low) | (areas > bounds.high) for bounds in rules.area_ranges])


def _pack(table: Bools) -> Ints:
    """Turn (B, P) booleans into (P,) words."""
    words = np.zeros(table.shape[1], np.int64)
    for bit, row in enumerate(table):
        words |= row.astype(np.int64) << bit
    return words


def _wishes(candidates: Candidates, ranking: Ranking, reached: Ints, counts: Ints) -> _Wishes:
    """Sort candidates into groups; a wish for an annotation that counts in some columns only is split in two."""
    found, people, similarity = candidates.found, candidates.people, candidates.similarity  # sorted by `found`
    first = np.diff(found, prepend=-1) != 0
    single = first & np.append(first[1:], True)
    many = np.flatnonzero(~single)[::-1]  # of equally similar people, the last in the file is preferred
    many = many[falling_order(similarity[many])]
    many = many[stable_order(found[many])]
    rows = np.concatenate([many, many])
    columns = np.concatenate([reached[many] & counts[many], reached[many] & ~counts[many]])
    chosen = np.flatnonzero(columns)
    chosen = chosen[stable_order(found[rows[chosen]])]  # the counted ones of a detection stay before its ignored ones
    rows, columns = rows[chosen], columns[chosen]
    place = place_in_run(found[rows])

    rows = np.concatenate([np.flatnonzero(single), rows])
    columns = np.concatenate([reached[single], columns])
    place = np.concatenate([np.zeros(len(rows) - len(place), np.int64), place])
    groups = _turns(found, first, ranking)[rows] * (place.max(initial=0) + 1) + place
    order = stable_order(groups)
    edges = np.append(np.flatnonzero(np.diff(groups[order], prepend=-1)), len(order))
    return _Wishes(found[rows[order]], people[rows[order]], columns[order], edges)


def _turns(found: Ints, first: Bools, ranking: Ranking) -> Ints:
    """Number the detections of each image that have candidates, best first: (P,)."""
    cells = ranking.cells[found[first]]
    return np.asarray(place_in_run(cells)[np.cumsum(first) - 1])


def _grant(wishes: _Wishes, free: _Free) -> Matches:
    """Grant wishes in their order, and keep those that got a column."""
    granted = wishes.columns.copy()
    for start, end in pairwise(wishes.edges.tolist()):
        found, people = wishes.found[start:end], wishes.people[start:end]
        got = granted[start:end]
        got &= free.found[found] & free.people[people]
        free.found[found] &= ~got
        free.people[people] &= ~np.where(free.crowd[people], 0, got)
    kept = np.flatnonzero(granted)
    return Matches(wishes.found[kept], wishes.people[kept], granted[None, kept], _WORD)


def _join(parts: list[list[Matches]], columns: int) -> Matches:
    """Put the words of several runs of the matching, each a list of parts, together."""
    every = [part for run in parts for part in run]
    words = np.zeros((len(parts), sum(len(part.found) for part in every)), np.int64)
    end = 0
    for word, run in enumerate(parts):
        for part in run:
            words[word, end : end + len(part.found)] = part.words[0]
            end += len(part.found)
    found, people = (np.concatenate([getattr(part, name) for part in every]) for name in ("found", "people"))
    return Matches(found, people, words, columns)
