"""Reading COCO's lists of records: JSON files, and columns of checked values out of dicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeAlias, cast, overload

import numpy as np
from numpy.typing import NDArray

from pose_eval.exceptions import EvalError
from pose_eval.problem import Floats

Record: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Points:
    """K points in each of N records.

    Args:
        places: (N, K, 2) xy image pixels.
        thirds: (N, K) what stands beside x and y: a visibility or a score.
    """

    places: Floats
    thirds: Floats

    @classmethod
    def make(cls, records: int, count: int) -> Points:
        """Make room for points."""
        return cls(np.empty((records, count, 2)), np.empty((records, count)))

    def __getitem__(self, rows: slice) -> Points:
        return Points(self.places[rows], self.thirds[rows])

    def fill(self, table: Floats) -> None:
        """Take x, y and v from a table of (N, 3 K) numbers."""
        points = table.reshape(*self.thirds.shape, 3)
        for axis in (0, 1):  # copying pairs takes numpy eight times as long as copying columns
            self.places[..., axis] = points[..., axis]
        self.thirds[...] = points[..., 2]


@dataclass(frozen=True)
class Columns:
    """The numbers of N records with the same keys, as far as they are known without the records.

    Args:
        count: N.
        keys: of each record.
        scalars: (N,) numbers by key; a key that isn't here may hold something else.
        boxes: (N, 4) the numbers of `bbox`.
        points: the numbers of `keypoints`.
    """

    count: int
    keys: Set[str]
    scalars: Mapping[str, NDArray[np.int64] | Floats]
    boxes: Floats | None
    points: Points | None

    def take(self, rows: NDArray[np.int64]) -> Columns:
        """Pick records by position."""
        return Columns(
            count=len(rows),
            keys=self.keys,
            scalars={key: column[rows] for key, column in self.scalars.items()},
            boxes=None if self.boxes is None else self.boxes[rows],
            points=None if self.points is None else Points(self.points.places[rows], self.points.thirds[rows]),
        )


class LateRecords(Sequence[Record]):
    """Records that are only read when somebody looks into one, as messages do.

    Args:
        read: reads all of them.
        count: how many there will be.
        rows: which of them these are; None is all.
    """

    def __init__(self, read: Callable[[], Sequence[Record]], count: int, rows: Sequence[int] | None = None) -> None:
        self._read, self._count, self._rows = read, count, rows

    @cached_property
    def _records(self) -> Sequence[Record]:
        records = self._read()
        return records if self._rows is None else [records[row] for row in self._rows]

    def take(self, rows: Sequence[int]) -> LateRecords:
        """Pick records by position."""
        return LateRecords(lambda: self._records, len(rows), rows)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        return self._records[index]


@dataclass(frozen=True)
class Records:
    """A list of COCO records with the words to name one of them in a message.

    Args:
        items: the records.
        source: the file's name, or "ground truth" / "detections" for objects in memory.
        kind: what one record is: "annotation", "detection", "image" or "category".
        columns: their numbers, where these are known without the records.
    """

    items: Sequence[Record]
    source: str
    kind: str
    columns: Columns | None = None

    def __len__(self) -> int:
        return len(self.items)

    def take(self, rows: Sequence[int]) -> Records:
        """Pick records by position."""
        if self.columns is None or not isinstance(self.items, LateRecords):
            return Records([self.items[row] for row in rows], self.source, self.kind)
        columns = self.columns.take(np.array(rows, np.int64))
        return Records(self.items.take(rows), self.source, self.kind, columns)

    def has_list(self, key: str) -> bool:
        """Say whether the first record has a list with something in it under a key."""
        if self.columns is not None and key not in self.columns.keys:
            return False
        if self.columns is not None and key == "bbox" and self.columns.boxes is not None:
            return True
        return bool(len(self) and self.items[0].get(key))

    def column(self, key: str) -> NDArray[np.int64] | Floats | None:
        """Give the numbers of one field, (N,), where they are known without the records."""
        return None if self.columns is None else self.columns.scalars.get(key)

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
        known = self.column(key)
        if known is not None:
            return list(known)
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
        known = self.column(key)
        if known is not None:
            return list(known)
        if self.columns is not None and key not in self.columns.keys:
            return [None] * len(self)
        return [item.get(key) for item in self.items]

    def numbers(self, key: str, *, way_out: str) -> Floats:
        """Read one finite number of each record: (N,).

        Raises:
            EvalError: a value is missing, not a number, or not finite.
        """
        known = self.column(key)
        if known is not None:
            return known.astype(np.float64)
        values = self.values(key, way_out=way_out)
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
        if key == "bbox" and self.columns is not None and self.columns.boxes is not None:
            return self.columns.boxes
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

    def points(self, count: int, *, way_out: str) -> Points:
        """Read `keypoints` of each record.

        Args:
            count: K.
            way_out: what to do where a list is wrong.

        Raises:
            EvalError: a list is missing, has another length, or holds something that is not a finite number.
        """
        known = None if self.columns is None else self.columns.points
        if known is not None and known.thirds.shape[1] == count:
            return known
        points = Points.make(len(self), count)
        points.fill(self.lists("keypoints", 3 * count, way_out=way_out))
        return points

    def _check_finite(self, table: Floats, key: str, way_out: str) -> None:
        if not np.isfinite(table).all():
            row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
            seen = table[row][~np.isfinite(table[row])][0]
            raise EvalError(f"{self.name(row)}: '{key}' must be finite; got {seen}; {way_out}")


def _all_numbers(values: object) -> bool:
    return isinstance(values, Sequence) and all(isinstance(value, (int, float)) for value in values)
