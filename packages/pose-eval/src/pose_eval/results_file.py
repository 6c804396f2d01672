"""Reading a large results file as columns: with simdjson, numbers go from text into arrays and are never objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from itertools import chain
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, TypeAlias, cast, overload

import numpy as np

from pose_eval.problem import Floats
from pose_eval.records import Record, Scalars, read_json

_Parser: TypeAlias = Any  # simdjson declares no types
_Element: TypeAlias = Any

_SCALARS = ("image_id", "category_id", "score")
_LISTS = ("keypoints", "bbox")
_PIECE = 1 << 16  # bytes that are parsed together: small enough that all memory is used again for the next ones
_EDGE = 100  # bytes at both ends of a file in which the brackets of its list are looked for
_BORDER = re.compile(rb"\}\s*,\s*\{")  # between two records, or inside one: then the piece is no JSON


@dataclass(frozen=True)
class ResultColumns:
    """What an evaluation needs of each of the N records of a results file.

    Args:
        scalars: by key, (N,) values; numbers of one kind as an array.
        lists: by key, (N, L) numbers.
        items: the records themselves; the file is read again when one is asked for.
    """

    scalars: dict[str, Scalars]
    lists: dict[str, Floats]
    items: Sequence[Record]


class LazyRecords(Sequence[Record]):
    """Records of a file that is only read as a whole when somebody looks into one, as messages do."""

    def __init__(self, path: Path, count: int) -> None:
        self._path, self._count = path, count

    @cached_property
    def _records(self) -> list[Record]:
        return cast(list[Record], read_json(self._path))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        return self._records[index]


def read_result_columns(path: Path) -> ResultColumns | None:
    """Read a results file whose records are all alike.

    Returns:
        None where simdjson (the extra `fast`) isn't installed, or a record differs from the first in its keys or
        lengths, or something isn't as it should be: reading record by record then finds the words for it.
    """
    try:
        parser = import_module("simdjson").Parser()
    except ImportError:
        return None
    pieces: list[_Piece] = []
    layout: _Layout | None = None
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            for text in _texts(content):
                layout = layout or _Layout.of_first(parser, text)
                pieces.append(layout.read(parser, text))
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError, LookupError):
        return None
    if layout is None:
        return None
    count = sum(piece.count for piece in pieces)
    return ResultColumns(
        {key: _column([piece.scalars[key] for piece in pieces]) for key in layout.scalars},
        {key: np.concatenate([piece.lists[key] for piece in pieces]) for key in layout.lists},
        LazyRecords(path, count),
    )


@dataclass(frozen=True)
class _Piece:
    count: int
    scalars: dict[str, list[object]]
    lists: dict[str, Floats]


@dataclass(frozen=True)
class _Layout:
    """What the first record looks like, and so each one."""

    keys: list[str]
    scalars: tuple[str, ...]
    lists: dict[str, int]  # lengths

    @classmethod
    def of_first(cls, parser: _Parser, text: bytes) -> _Layout:
        """Look at the first record of a piece; a key that it has twice is an error."""
        first = parser.parse(text)[0]
        keys = list(first)
        if len(set(keys)) < len(keys):
            raise LookupError
        lists = {key: len(first[key]) for key in _LISTS if key in keys}
        return cls(keys, tuple(key for key in _SCALARS if key in keys), lists)

    def read(self, parser: _Parser, text: bytes) -> _Piece:
        """Read the records of a piece; one that isn't like the first is an error of some kind."""
        records: list[_Element] = list(parser.parse(text))
        needed = len(self.scalars) + len(self.lists)
        if set(map(len, records)) != {len(self.keys)} or (
            needed < len(self.keys) and any(list(record) != self.keys for record in records)
        ):
            raise LookupError
        return _Piece(
            len(records),
            {key: [record[key] for record in records] for key in self.scalars},
            {key: _table([record[key] for record in records], length) for key, length in self.lists.items()},
        )


def _column(parts: list[list[object]]) -> Scalars:
    """Join values; numbers of one kind become an array."""
    kinds = {kind for part in parts for kind in set(map(type, part))}
    if kinds == {int} or kinds == {float}:
        return np.concatenate([np.array(part) for part in parts])
    return list(chain.from_iterable(parts))


def _table(lists: list[_Element], length: int) -> Floats:
    """Put lists of numbers under each other: (N, length)."""
    if set(map(len, lists)) != {length}:
        raise LookupError
    return np.frombuffer(b"".join([one.as_buffer(of_type="d") for one in lists])).reshape(len(lists), length)


def _texts(content: mmap) -> Iterator[bytes]:
    """Cut a JSON list of objects between records into shorter lists.

    A cut inside a record leaves pieces that are no JSON, so if all of them are, together they are the list.
    """
    head, tail = content[:_EDGE], content[-_EDGE:]
    if not head.lstrip().startswith(b"[") or not tail.rstrip().endswith(b"]"):
        raise ValueError
    start, end = head.index(b"[") + 1, len(content) - len(tail) + tail.rindex(b"]")
    while start < end:
        border = _BORDER.search(content, start + _PIECE, end)
        stop = border.start() + 1 if border else end
        yield b"[" + content[start:stop] + b"]"
        start = border.end() - 1 if border else end
