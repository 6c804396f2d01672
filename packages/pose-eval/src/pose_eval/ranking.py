"""The two orders of detections: best first in each image, and best first over all images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_eval.problem import Detections, Floats, Ints

_DIGIT = 1 << 16  # numpy sorts 16-bit keys by radix, in linear time


@dataclass(frozen=True)
class Ranking:
    """The kept detections, sorted by cell (category, then image) and by falling score within a cell.

    Args:
        rows: (P,) rows of the detections.
        cells: (P,) category * number of images + image.
        ranks: (P,) 0 for the best detection of its cell.
        overall: (P,) positions in `rows`, sorted by category, then falling score over all images.
        starts: (C + 1,) where each category begins in `overall`, and where the last one ends.
    """

    rows: Ints
    cells: Ints
    ranks: Ints
    overall: Ints
    starts: Ints

    def first(self, most: int) -> tuple[Ints, Ints]:
        """Keep the best so many detections of each cell: `overall` and `starts` without the others."""
        kept = self.ranks[self.overall] < most
        if kept.all():
            return self.overall, self.starts
        return self.overall[kept], np.append(0, np.cumsum(kept))[self.starts]


def rank_detections(
    detections: Detections, *, num_images: int, num_categories: int, limit: int, order: Ints | None = None
) -> Ranking:
    """Sort detections and keep the best of each cell.

    Ties in score are resolved as pycocotools does: by image id, then by the given order.

    Args:
        detections: all of them.
        num_images: I.
        num_categories: C.
        limit: how many detections a cell keeps.
        order: (N,) rows; None is that of the file.
    """
    if order is not None or np.any(detections.images[1:] < detections.images[:-1]):
        order = np.arange(len(detections)) if order is None else order
        by_image = order[stable_order(detections.images[order])]
        best_first = by_image[falling_order(detections.scores[by_image])]
    else:
        best_first = falling_order(detections.scores)
    cells, position = _by_cell(detections.categories * num_images + detections.images, best_first)
    rows = best_first[position]
    overall = best_first  # its memory serves again
    overall[position] = np.arange(len(rows))
    ranks = place_in_run(cells)
    kept = ranks < limit
    if not kept.all():
        overall = (np.cumsum(kept) - 1)[overall[kept[overall]]]
        rows, cells, ranks = rows[kept], cells[kept], ranks[kept]
    starts = np.searchsorted(cells, np.arange(num_categories + 1) * num_images)
    if num_categories > 1:
        overall = overall[stable_order(cells[overall] // max(num_images, 1))]
    return Ranking(rows, cells, ranks, overall, starts)


def _by_cell(cells: Ints, best_first: Ints) -> tuple[Ints, Ints]:
    """Sort by cell, and within a cell best first.

    Args:
        cells: (N,) of the rows in their given order.
        best_first: (N,) rows.

    Returns:
        (N,) sorted cells and (N,) positions in `best_first`.
    """
    position = np.empty(len(cells), np.int64)
    position[best_first] = np.arange(len(cells))
    bits = max(len(cells) - 1, 1).bit_length()
    cells <<= bits  # cell and position in one number: plain numbers are sorted several times faster than pairs
    cells |= position
    cells.sort()
    np.bitwise_and(cells, (1 << bits) - 1, out=position)
    cells >>= bits
    return cells, position


def place_in_run(keys: Ints) -> Ints:
    """Number the entries of each run of equal keys from 0: (N,) for (N,) keys from 0 up."""
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    return np.asarray(np.arange(len(keys)) - np.repeat(first, np.diff(first, append=len(keys))))


def stable_order(keys: Ints) -> Ints:
    """Sort keys from 0 up, equal ones in their given order; much faster than argsort for whole numbers."""
    if not len(keys) or bool(np.all(keys[1:] >= keys[:-1])):
        return np.arange(len(keys))
    order = np.argsort((keys % _DIGIT).astype(np.uint16), kind="stable")
    scale = _DIGIT
    while keys.max() >= scale:
        digit = (keys[order] // scale % _DIGIT).astype(np.uint16)
        order = order[np.argsort(digit, kind="stable")]
        scale *= _DIGIT
    return order


def falling_order(values: Floats) -> Ints:
    """Sort from high to low, equal values in their given order and NaN last."""
    if np.isnan(values).any():
        return np.argsort(-values, kind="stable")
    # The place of a value stands in the last bits of a whole number that begins like the value: sorting such numbers
    # takes a fifth of the time of a stable argsort, and equal values keep their order.
    spare = max(len(values) - 1, 1).bit_length()
    keys = (values + 0.0).view(np.int64)  # the sum makes -0 equal to 0
    sign = keys >> 63
    sign &= 2**63 - 1
    keys ^= sign
    np.invert(keys, out=keys)
    keys >>= spare
    keys <<= spare
    keys |= np.arange(len(values))
    keys.sort()
    order = np.asarray(keys & ((1 << spare) - 1))
    ranked = values[order]
    wrong = np.flatnonzero(ranked[1:] > ranked[:-1])
    if len(wrong):  # values that differ in their last bits only
        heads = keys >> spare
        groups = heads[wrong]
        near = np.flatnonzero(groups[np.minimum(np.searchsorted(groups, heads), len(groups) - 1)] == heads)
        order[near] = order[near][np.lexsort((order[near], -ranked[near], heads[near]))]
    return order
