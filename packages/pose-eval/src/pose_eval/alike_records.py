"""Reading large lists of records as columns: with simdjson, numbers go from text into arrays and are never objects.

One program writes all records of a list alike: the same words stand between the numbers of each. They are looked for
in all records at once and blanked, and what is left is one list of numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import accumulate
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_eval.problem import Floats, Ints
from pose_eval.records import Columns, Points

_Text: TypeAlias = NDArray[np.uint8]
_Pairs: TypeAlias = list[tuple[str, Any]]

_IDS = ("id", "image_id", "category_id")
_PIECE = 1 << 20  # bytes that are parsed together: they stay in the processor's cache
_FIRST = re.compile(rb"\s*\[\s*(\{[^{}]*\}\s*,\s*)\{")  # the first record of several
_RUN = re.compile(rb"-?\d[-+.\deE]*(?:\s*,\s*-?\d[-+.\deE]*)*")  # numbers that stand together
_QUOTE, _OPENING, _CLOSING = b'"'[0], b"["[0], b"]"[0]
_MARK = -9e9  # stands in the list of numbers where a word was, and shows that no number is missing in between
_MARK_TEXT = b",-9e9,"
_EDGE = 100  # bytes at the end of the list in which its bracket is looked for
_EXACT = 2**53  # whole numbers below it are the same as floats


def read_columns(file: BinaryIO, size: int) -> Columns | None:
    """Read a list of records that are spelled alike.

    Args:
        file: the JSON list and nothing else.
        size: its bytes.

    Returns:
        None where simdjson (the extra `fast`) isn't installed, or a record differs from the first in more than its
        numbers, or something isn't as it should be: reading record by record then finds the words for it.
    """
    try:
        parser = import_module("simdjson").Parser()
    except ImportError:
        return None
    try:
        spelling = _Spelling.of_first(file)
        numbers = _Numbers(spelling, most=size // spelling.shortest + 1)
        for text in spelling.pieces(file):
            numbers.add(np.frombuffer(parser.parse(text).as_buffer(of_type="d")))
        return numbers.columns()
    except (OSError, ValueError, RuntimeError, TypeError, LookupError):
        return None


@dataclass(frozen=True)
class _Spelling:
    """What stands between the numbers of the first record, and so of each.

    Args:
        words: W texts that each end with the key of the numbers after it; the first begins with the end of the record
            before.
        sizes: how many numbers follow each word, by key.
        lists: which keys have their numbers in a list.
        keys: all keys of a record.
        end: the end of a record, and what is between it and the next one.
        start: bytes of the file before the first record.
    """

    words: list[bytes]
    sizes: dict[str, int]
    lists: frozenset[str]
    keys: frozenset[str]
    end: bytes
    start: int

    @classmethod
    def of_first(cls, file: BinaryIO) -> _Spelling:
        """Look at the first record; one with numbers elsewhere than as values or in lists of them is an error."""
        first = _FIRST.match(file.read(_PIECE))
        if first is None:
            raise LookupError
        pairs: _Pairs = json.loads(first[1].rstrip().removesuffix(b","), object_pairs_hook=list)
        numbers = {key: value if isinstance(value, list) else [value] for key, value in pairs if _has_number(value)}
        sizes = {key: len(value) for key, value in numbers.items()}
        between = _RUN.split(first[1])
        words = [between[-1] + between[0], *between[1:-1]]
        keys = frozenset(key for key, _ in pairs)
        if len(keys) < len(pairs) or [run.count(b",") + 1 for run in _RUN.findall(first[1])] != list(sizes.values()):
            raise LookupError
        if min(map(len, words)) < len(_MARK_TEXT) or not all(b'"' in word for word in words):
            raise LookupError
        lists = frozenset(key for key, value in pairs if isinstance(value, list))
        return cls(words, sizes, lists, keys, between[-1], first.start(1))

    @property
    def width(self) -> int:
        """Numbers of a record in the list, marks included."""
        return len(self.words) + sum(self.sizes.values())

    @property
    def shortest(self) -> int:
        """Bytes of a record with numbers of one digit."""
        return sum(map(len, self.words)) + sum(2 * size - 1 for size in self.sizes.values())

    def pieces(self, file: BinaryIO) -> Iterator[memoryview]:
        """Read the file as lists of numbers: for each record, a mark and the numbers of each key."""
        quotes_before = [0, *accumulate(word.count(b'"') for word in self.words)]
        file.seek(self.start)
        buffer = bytearray(_PIECE)
        kept = self.end  # as if there were a record before the first
        count = 1
        while count:
            if len(kept) >= len(buffer):
                raise LookupError  # a record that is as long as that is of another kind
            buffer[: len(kept)] = kept
            count = file.readinto(memoryview(buffer)[len(kept) :])  # type: ignore[attr-defined]
            text = np.frombuffer(buffer, np.uint8, len(kept) + count)
            quotes = np.flatnonzero(text == _QUOTE)
            stop = self._stop(text, quotes[:: quotes_before[-1]], last=not count)
            kept = text[stop:].tobytes()
            if stop:
                self._blank(text, quotes[quotes < stop].reshape(-1, quotes_before[-1])[:, quotes_before[:-1]])
                text[0], text[stop] = _OPENING, _CLOSING
                yield memoryview(buffer)[: stop + 1]

    def _stop(self, text: _Text, quotes: Ints, *, last: bool) -> int:
        """Find where the last whole record of a piece ends.

        Args:
            text: of the piece; it begins with the end of the record before.
            quotes: the first one of each record.
            last: there is no more.
        """
        if not last:
            return int(quotes[-1]) - self.words[0].index(b'"') if len(quotes) > 1 else 0
        end = self.end.rstrip().removesuffix(b",").rstrip()
        tail = text[-len(end) - _EDGE :].tobytes()
        before = tail.rstrip().removesuffix(b"]").rstrip()
        if not tail.rstrip().endswith(b"]") or not before.endswith(end):
            raise LookupError
        return len(text) - len(tail) + len(before) - len(end)

    def _blank(self, text: _Text, quotes: Ints) -> None:
        """Write marks over the words of N records, given the places of their first quotes, (N, W)."""
        for number, word in enumerate(self.words):
            windows = np.lib.stride_tricks.sliding_window_view(text, len(word), writeable=True)
            places = quotes[:, number] - word.index(b'"')
            if (windows[places] != np.frombuffer(word, np.uint8)).any():
                raise LookupError
            windows[places] = np.frombuffer(_MARK_TEXT.ljust(len(word)), np.uint8)


def _has_number(value: object) -> bool:
    """Say whether a value is a number, or a list that begins with one."""
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, (int, float)) and not isinstance(first, bool)


class _Numbers:
    """The numbers of the records so far.

    Args:
        spelling: which number is which.
        most: records that there may be; memory is only used for those that come.
    """

    def __init__(self, spelling: _Spelling, most: int) -> None:
        sizes = spelling.sizes
        self._spelling, self._count = spelling, 0
        self._marks = np.cumsum([0, *(size + 1 for size in sizes.values())])[:-1]
        self._first = dict(zip(sizes, (self._marks + 1).tolist(), strict=True))
        self._scalars = {key: np.empty(most) for key in sizes if key not in spelling.lists}
        self._boxes = np.empty((most, 4)) if sizes.get("bbox") == 4 else None
        count, rest = divmod(sizes.get("keypoints", 0), 3)
        self._points = Points.make(most, count) if count and not rest else None

    def add(self, numbers: Floats) -> None:
        """Take the numbers of some records; one missing or too many is an error."""
        table = numbers.reshape(-1, self._spelling.width)
        if (table[:, self._marks] != _MARK).any():
            raise LookupError
        rows = slice(self._count, self._count + len(table))
        for key, column in self._scalars.items():
            column[rows] = table[:, self._first[key]]
        if self._boxes is not None:
            first = self._first["bbox"]
            self._boxes[rows] = table[:, first : first + 4]
        if self._points is not None:
            first = self._first["keypoints"]
            self._points[rows].fill(table[:, first : first + 3 * self._points.thirds.shape[1]])
        self._count = rows.stop

    def columns(self) -> Columns:
        """Give what came out; an id that is no whole number is an error."""
        rows = slice(self._count)
        scalars = {key: _whole(column[rows]) if key in _IDS else column[rows] for key, column in self._scalars.items()}
        return Columns(
            count=self._count,
            keys=self._spelling.keys,
            scalars=scalars,
            boxes=None if self._boxes is None else self._boxes[rows],
            points=None if self._points is None else self._points[rows],
        )


def _whole(values: Floats) -> Ints:
    if (np.abs(values) >= _EXACT).any():
        raise LookupError
    whole = values.astype(np.int64)
    if (whole != values).any():
        raise LookupError
    return whole
