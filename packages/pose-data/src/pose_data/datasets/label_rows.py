"""Rows of label text as numbers, and what can be wrong with each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pose_data.boxes import xyxy_from_cxcywh
from pose_data.datasets.fault import Fault

_SLACK = 0.01  # of the image's size, by which a point or a box centre may leave the image


@dataclass(frozen=True)
class LabelForm:
    """What the rows of a data set's label files must look like.

    Args:
        num_classes: C; classes are written 0 to C - 1.
        num_keypoints: K.
        keypoint_dims: 3 with visibility, 2 without.
        classes: for each class the keypoints that it has, as `Skeleton.classes`; None when every class has all.
    """

    num_classes: int
    num_keypoints: int
    keypoint_dims: int
    classes: tuple[tuple[int, ...], ...] | None = None

    @property
    def columns(self) -> int:
        """Numbers in a row."""
        return 5 + self.num_keypoints * self.keypoint_dims


@dataclass(frozen=True)
class LabelRows:
    """The good rows of several label files, one after another.

    Args:
        files: (R,) int64, index of the file that a row is from, ascending.
        lines: (R,) int64, line in that file, counted from 1.
        labels: (R,) int64 classes.
        boxes: (R, 4) float64 xyxy, fractions of the image, cut at its border.
        keypoints: (R, K, 2) float64 xy, fractions of the image; zeros where not labelled.
        visibility: (R, K) uint8, 0, 1 or 2; 2 for every labelled point where the files hold none.
        faults: the rows that were left out, and why.
        repeated: the rows that were left out because they were there before.
    """

    files: NDArray[np.int64]
    lines: NDArray[np.int64]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    visibility: NDArray[np.uint8]
    faults: tuple[Fault, ...] = ()
    repeated: tuple[Fault, ...] = ()


def parse_labels(paths: Sequence[Path], texts: Sequence[str | None], form: LabelForm) -> LabelRows:
    """Take the rows out of the text of several label files.

    Args:
        paths: F files, for faults.
        texts: what they hold; None or nothing for an image with nobody in it.
        form: what the rows must look like.

    Returns:
        The good rows in the order of the files, and faults for all the others.
    """
    faults: list[Fault] = []
    values: list[float] = []
    places: list[tuple[int, int]] = []
    for file, text in enumerate(texts):
        for line, row in enumerate(text.splitlines() if text else (), 1):
            words = row.split()
            numbers = _numbers(words, form)
            if numbers is not None:
                values += numbers
                places.append((file, line))
            elif words:
                faults.append(Fault(paths[file], line, _why_no_row(words, form)))
    table = np.array(values, np.float64).reshape(-1, form.columns)
    place = np.array(places, np.int64).reshape(-1, 2)
    return _checked_rows(paths, table, place, form, faults)


def _numbers(words: list[str], form: LabelForm) -> list[float] | None:
    """Read the numbers of a row; None where it has another count of columns or a word that is no number."""
    if len(words) != form.columns:
        return None
    try:
        return list(map(float, words))
    except ValueError:
        return None


def _why_no_row(words: list[str], form: LabelForm) -> str:
    if any("\N{REPLACEMENT CHARACTER}" in word for word in words):
        return "must be text in UTF-8; got bytes that aren't; save the file as UTF-8"
    if len(words) == form.columns:
        column, word = next((i, w) for i, w in enumerate(words, 1) if not _is_number(w))
        return f"column {column} must be a number; got '{word}'"
    k, d = form.num_keypoints, form.keypoint_dims
    wanted = f"must have {form.columns} columns (class, 4 for the box, {k} x {d} for kpt_shape [{k}, {d}])"
    return f"{wanted}; got {len(words)}{_guess(words, form)}"


def _guess(words: list[str], form: LabelForm) -> str:
    if any("," in word for word in words):
        return "; separate the numbers by spaces, not commas"
    if len(words) == 5:
        return ", a box without keypoints; write 'x y v' for each keypoint, v 0 where it isn't labelled"
    other = 5 - form.keypoint_dims  # 2 for 3 and 3 for 2
    if len(words) == 5 + form.num_keypoints * other:
        return f"; did you mean kpt_shape [{form.num_keypoints}, {other}] in the data YAML?"
    rest = len(words) - 5
    if rest > 0 and rest % form.keypoint_dims == 0:
        if rest // form.keypoint_dims in map(len, form.classes or ()):
            return f", the keypoints of one class; write all {form.num_keypoints}, those that the class lacks as zeros"
        return f", which is {rest // form.keypoint_dims} keypoints; correct the row, or kpt_shape in the data YAML"
    return ""


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _checked_rows(
    paths: Sequence[Path], table: NDArray[np.float64], place: NDArray[np.int64], form: LabelForm, faults: list[Fault]
) -> LabelRows:
    rows = _split_columns(table, place, form)
    good = np.ones(len(table), np.bool_)
    for found, explain in _checks(table, rows, form):
        bad = found & good
        good &= ~bad
        faults += [Fault(paths[place[r, 0]], int(place[r, 1]), explain(r)) for r in np.flatnonzero(bad).tolist()]
    repeats = _repeats(table, place[:, 0], np.flatnonzero(good))
    repeated = tuple(
        Fault(paths[place[r, 0]], int(place[r, 1]), "the same row is there before; it counts once", "warning")
        for r in repeats
    )
    good[repeats] = False
    order = sorted(faults, key=lambda fault: (str(fault.file), fault.line or 0))
    return replace(_take(rows, good), faults=tuple(order), repeated=repeated)


def _split_columns(table: NDArray[np.float64], place: NDArray[np.int64], form: LabelForm) -> LabelRows:
    groups = table[:, 5:].reshape(len(table), form.num_keypoints, form.keypoint_dims)
    points = groups[..., :2]
    with np.errstate(invalid="ignore"):  # nan among the numbers is found by the checks
        if form.keypoint_dims == 3:
            visibility = groups[..., 2].astype(np.uint8)
        else:
            visibility = np.where((points < 0).any(-1) | (points == 0).all(-1), 0, 2).astype(np.uint8)
        labels = table[:, 0].astype(np.int64)
    return LabelRows(
        files=place[:, 0],
        lines=place[:, 1],
        labels=labels,
        boxes=np.clip(xyxy_from_cxcywh(table[:, 1:5]), 0, 1),
        keypoints=np.where(visibility[..., None] > 0, np.clip(points, 0, 1), 0.0),
        visibility=visibility,
    )


_Check = tuple[NDArray[np.bool_], Callable[[int], str]]


def _checks(table: NDArray[np.float64], rows: LabelRows, form: LabelForm) -> tuple[_Check, ...]:
    """List what can be wrong with a row of numbers, the most telling first, and how to say it."""
    classes, centres, sizes = table[:, 0], table[:, 1:3], table[:, 3:5]
    groups = table[:, 5:].reshape(len(table), form.num_keypoints, form.keypoint_dims)
    # Without v a negative position says "not labelled", yet one far outside is a mistake there too.
    counts = groups[..., 2] != 0 if form.keypoint_dims == 3 else np.ones(groups.shape[:2], np.bool_)
    outside = _outside(groups[..., :2]).any(axis=-1) & counts
    last = form.num_classes - 1
    checks: list[_Check] = [
        (~_all(np.isfinite(table)), lambda r: _not_finite(table[r])),
        (
            (classes != np.floor(classes)) | (classes < 0) | (classes > last),
            lambda r: f"class must be a whole number from 0 to {last} (names has {last + 1}); got {classes[r]:g}",
        ),
        (~_all(sizes > 0), lambda r: f"box width and height must be above 0; got {_pair(sizes[r])}"),
        (
            ~_all(sizes <= 1 + _SLACK),
            lambda r: f"box width and height must be fractions of the image, at most 1; got {_pair(sizes[r])}",
        ),
        (
            ~_all(~_outside(centres)) | ~_all(rows.boxes[:, 2:] > rows.boxes[:, :2]),
            lambda r: f"box centre must be in the image, from 0 to 1; got {_pair(centres[r])}",
        ),
        (~_all(~outside), lambda r: _outside_words(groups[r], int(np.argmax(outside[r])))),
    ]
    if form.keypoint_dims == 3:
        strange = ~np.isin(groups[..., 2], (0, 1, 2))
        checks.insert(5, (~_all(~strange), lambda r: _strange_words(groups[r], int(np.argmax(strange[r])))))
    if form.classes is not None:
        alien = (rows.visibility > 0) & _lacking(form.classes, rows.labels, form.num_keypoints)
        checks.append(
            (~_all(~alien), lambda r: _alien_words(groups[r], int(np.argmax(alien[r])), int(classes[r]), form))
        )
    return tuple(checks)


def _lacking(classes: tuple[tuple[int, ...], ...], labels: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Say which of K points the class of each row doesn't have, (R, K); a class that isn't there has all."""
    lacks = np.ones((len(classes), count), np.bool_)
    for label, points in enumerate(classes):
        lacks[label, list(points)] = False
    known = (labels >= 0) & (labels < len(classes))
    return lacks[np.where(known, labels, 0)] & known[:, None]


def _alien_words(group: NDArray[np.float64], k: int, label: int, form: LabelForm) -> str:
    points = ", ".join(map(str, (form.classes or ())[label]))
    nothing = " ".join("0" * form.keypoint_dims)
    return (
        f"keypoint {k} (from 0) must not be labelled, for class {label} has only {points}; got "
        f"{' '.join(f'{value:g}' for value in group[k])}; write {nothing}, or add the point to the class in "
        "'skeleton: classes'"
    )


def _all(table: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(table.all(axis=1), np.bool_)


def _outside(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (points < -_SLACK) | (points > 1 + _SLACK)


def _not_finite(row: NDArray[np.float64]) -> str:
    column = int(np.argmin(np.isfinite(row)))
    return f"column {column + 1} must be a number; got {row[column]}"


def _pair(values: NDArray[np.float64]) -> str:
    return f"{values[0]:g} {values[1]:g}"


def _outside_words(group: NDArray[np.float64], k: int) -> str:
    return f"keypoint {k} (from 0) must be in the image, from 0 to 1; got {_pair(group[k])}"


def _strange_words(group: NDArray[np.float64], k: int) -> str:
    return f"keypoint {k} (from 0): visibility must be 0 (not labelled), 1 (hidden) or 2 (visible); got {group[k, 2]:g}"


def _repeats(table: NDArray[np.float64], files: NDArray[np.int64], rows: NDArray[np.int64]) -> list[int]:
    seen: set[tuple[int, bytes]] = set()
    repeats = []
    for r in rows.tolist():
        key = (int(files[r]), table[r].tobytes())
        if key in seen:
            repeats.append(r)
        seen.add(key)
    return repeats


def _take(rows: LabelRows, keep: NDArray[np.bool_]) -> LabelRows:
    names = ("files", "lines", "labels", "boxes", "keypoints", "visibility")
    return LabelRows(**{name: getattr(rows, name)[keep] for name in names})
