"""Reading COCO's lists of records: JSON files, and columns of checked values out of dicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from pose_eval.exceptions import EvalError
from pose_eval.problem import Floats

Record: TypeAlias = Mapping[str, object]
Scalars: TypeAlias = list[object] | NDArray[np.int64] | NDArray[np.float64]


def read_bytes(path: Path) -> bytes:
    """Read a file that has to hold something.

    Raises:
        EvalError: the file is missing or empty.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvalError(f"{path} must be a readable JSON file; got {error.strerror}; check the path") from error
    if not content or content.isspace():
        raise EvalError(f"{path} must hold JSON; got an empty file; an empty list of detections is written []")
    return content


def read_json(path: Path) -> object:
    """Read a JSON file, with orjson where it is installed (the extra `fast`).

    Raises:
        EvalError: the file is missing, empty or not JSON.
    """
    try:
        return _parse(read_bytes(path))
    except ValueError as error:
        if isinstance(error, EvalError):
            raise
        raise EvalError(f"{path} must hold JSON; got {error}; was it cut off?") from error


def _parse(content: bytes) -> object:
    try:
        loads = import_module("orjson").loads
    except ImportError:
        loads = json.loads
    try:
        return loads(content)
    except ValueError:  # orjson refuses NaN and Infinity; Python reads them, and they are refused by name later
        return json.loads(content)


@dataclass(frozen=True)
class Records:
    """A list of COCO records with the words to name one of them in a message.

    Args:
        items: the records.
        source: the file's name, or "ground truth" / "detections" for objects in memory.
        kind: what one record is: "annotation", "detection", "image" or "category".
        scalars: (N,) values by key, where they are known without the records.
        tables: (N, L) numbers by key, likewise.
    """

    items: Sequence[Record]
    source: str
    kind: str
    scalars: Mapping[str, Scalars] = field(default_factory=dict)
    tables: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def take(self, rows: Sequence[int]) -> Records:
        """Pick records by position."""
        return Records([self.items[row] for row in rows], self.source, self.kind)

    def has_list(self, key: str) -> bool:
        """Say whether the first record has a list with something in it under a key."""
        if self.tables:
            return key in self.tables and self.tables[key].shape[1] > 0
        return bool(len(self) and self.items[0].get(key))

    def name(self, row: int) -> str:
        """Name a record as a user finds it: by file, id and image."""
        item = self.items[row]
        known = [f"{key} {item[word]}" for word, key in (("id", "id"), ("image_id", "image")) if word in item]
        place = f"number {row + 1}" if self.kind == "detection" or "id" not in item else ""
        return f"{self.source}: {self.kind} {', '.join(filter(None, [place, *known]))}"

    def values(self, key: str, *, way_out: str) -> list[object]:
        """List one field of all records.

        Raises:
            EvalError: a record doesn't have it.
        """
        if key in self.scalars:
            return list(self.scalars[key])
        try:
            return [item[key] for item in self.items]
        except (KeyError, TypeError):
            row = next(i for i, item in enumerate(self.items) if not isinstance(item, Mapping) or key not in item)
            if not isinstance(self.items[row], Mapping):
                seen = type(self.items[row]).__name__
                raise EvalError(
                    f"{self.source}: {self.kind} number {row + 1} must be an object with '{key}'; got {seen}; {way_out}"
                ) from None
            raise EvalError(f"{self.name(row)} must have '{key}'; got none; {way_out}") from None

    def optional(self, key: str) -> list[object]:
        """List one field, None where a record doesn't have it."""
        return [item.get(key) for item in self.items]

    def numbers(self, key: str, *, way_out: str) -> Floats:
        """Read one finite number of each record: (N,).

        Raises:
            EvalError: a value is missing, not a number, or not finite.
        """
        known = self.scalars.get(key)
        values = known if isinstance(known, np.ndarray) else self.values(key, way_out=way_out)
        try:
            column = np.array(values, dtype=np.float64).reshape(len(values))
        except (TypeError, ValueError):
            row = next(i for i, value in enumerate(values) if not isinstance(value, (int, float)))
            raise EvalError(f"{self.name(row)}: '{key}' must be a number; got {values[row]!r}; {way_out}") from None
        self._check_finite(column[:, None], key, way_out)
        return column

    def lists(self, key: str, length: int, *, way_out: str) -> Floats:
        """Read one list of finite numbers of each record: (N, length).

        Raises:
            EvalError: a list is missing, has another length, or holds something that is not a finite number.
        """
        if key in self.tables and self.tables[key].shape[1] == length:
            self._check_finite(self.tables[key], key, way_out)
            return self.tables[key]
        values = self.values(key, way_out=way_out)
        try:
            lengths = set(map(len, cast(list[list[float]], values)))
        except TypeError:
            lengths = {-1}
        if lengths - {length}:
            row = next(i for i, v in enumerate(values) if not isinstance(v, Sequence) or len(v) != length)
            seen = len(v) if isinstance(v := values[row], Sequence) else repr(v)
            raise EvalError(f"{self.name(row)}: '{key}' must be {length} numbers; got {seen}; {way_out}")
        try:
            flat = np.fromiter(chain.from_iterable(cast(list[list[float]], values)), np.float64, len(values) * length)
        except (TypeError, ValueError):
            row = next(i for i, v in enumerate(values) if not _all_numbers(v))
            raise EvalError(
                f"{self.name(row)}: '{key}' must hold numbers only; got {values[row]!r}; {way_out}"
            ) from None
        table = flat.reshape(len(values), length)
        self._check_finite(table, key, way_out)
        return table

    def _check_finite(self, table: Floats, key: str, way_out: str) -> None:
        if not np.isfinite(table).all():
            row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
            seen = table[row][~np.isfinite(table[row])][0]
            raise EvalError(f"{self.name(row)}: '{key}' must be finite; got {seen}; {way_out}")


def _all_numbers(values: object) -> bool:
    return isinstance(values, Sequence) and all(isinstance(value, (int, float)) for value in values)
