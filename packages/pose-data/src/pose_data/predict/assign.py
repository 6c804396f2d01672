"""The best one-to-one assignment of rows to columns: the pairs whose similarities add up to most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Numbers = NDArray[np.float64]
_Rows = NDArray[np.int64]


def assign_pairs(similarity: _Numbers, *, least: float) -> _Rows:
    """Pair rows with columns, each at most once, so that the sum of their similarities is the largest there is.

    Shortest augmenting paths (Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
    assignment problems", Computing 38, 1987): exact, in numpy alone, O(n³) at worst and near O(n²) where few rows
    compete for a column. Taking the most similar pair first would be ten lines shorter, but where two people meet it
    takes somebody's only partner for a pair that is better by a hair, and that is just where a tracker is needed.

    Args:
        similarity: (R, C), in [0, 1].
        least: pairs of lower similarity aren't made; above 0.

    Returns:
        (P, 2) row and column of each pair, by rising row.
    """
    gains = np.where(similarity >= least, similarity, 0.0)
    rows, columns = np.flatnonzero(gains.any(axis=1)), np.flatnonzero(gains.any(axis=0))
    gains = gains[np.ix_(rows, columns)]
    wide = len(rows) <= len(columns)
    partners = _partners(gains if wide else gains.T)
    own = np.arange(len(partners))
    pairs = np.stack([own, partners] if wide else [partners, own], axis=1)
    pairs = pairs[gains[pairs[:, 0], pairs[:, 1]] > 0]  # the rest only filled the rows up
    pairs = pairs[np.argsort(pairs[:, 0])]
    return np.stack([rows[pairs[:, 0]], columns[pairs[:, 1]]], axis=1)


def _partners(gains: _Numbers) -> _Rows:
    """The column of each row (R,), R at most C, of the largest sum of gains (R, C)."""
    num_rows, num_columns = gains.shape
    row_prices, column_prices = np.zeros(num_rows), np.zeros(num_columns)
    owners = np.full(num_columns, -1)
    for start in range(num_rows):
        lengths, previous = np.full(num_columns, np.inf), np.full(num_columns, -1)
        waiting = np.ones(num_columns, np.bool_)
        row, column, reached = start, -1, 0.0
        while row >= 0:  # to the nearest column that nobody owns
            through = reached - gains[row] - row_prices[row] - column_prices
            shorter = waiting & (through < lengths)
            lengths[shorter], previous[shorter] = through[shorter], column
            column = int(np.where(waiting, lengths, np.inf).argmin())
            reached, waiting[column] = float(lengths[column]), False
            row = int(owners[column])
        passed = np.flatnonzero(~waiting & (owners >= 0))
        row_prices[start] += reached
        row_prices[owners[passed]] += reached - lengths[passed]
        column_prices[passed] -= reached - lengths[passed]
        while column >= 0:  # back along the path, everybody moves on to the next column
            before = int(previous[column])
            owners[column] = start if before < 0 else owners[before]
            column = before
    taken = np.flatnonzero(owners >= 0)
    partners = np.empty(num_rows, np.int64)
    partners[owners[taken]] = taken
    return partners
