"""The picture of a benchmark: AP over the milliseconds of an image, a point for each format and precision, or file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_data import write_image
from pose_export import PRECISIONS, Measurement

SIZE = (520, 860)  # pixels, (height, width)
_MARGIN = (46, 30, 60, 80)  # pixels above, right, below and left of the points
_PAPER, _INK, _GRID = (255, 255, 255), (40, 40, 46), (226, 226, 230)
_COLOURS = dict(zip(PRECISIONS, ((24, 100, 190), (60, 140, 60), (200, 80, 20)), strict=True))  # RGB
_FONT, _TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.45
_STEPS = (1, 2, 5)  # of the marks of the time axis, in each decade
_LINES = 5  # of the AP axis
_APART = 14  # pixels between two names above each other


def write_picture(path: Path, measured: Sequence[Measurement]) -> None:
    """Draw what was timed; without AP all points stand at the bottom.

    Args:
        path: of the PNG.
        measured: those without times aren't drawn.
    """
    write_image(path, draw_picture([one for one in measured if one.times is not None]))


def draw_picture(measured: Sequence[Measurement]) -> NDArray[np.uint8]:
    """Draw (520, 860, 3) uint8 RGB."""
    picture = np.full((*SIZE, 3), _PAPER, np.uint8)
    times = np.array([one.times.stages.total for one in measured if one.times is not None])
    values = np.array([max(one.ap or 0.0, 0.0) for one in measured])
    axes = _Axes.around(times, values)
    axes.draw(picture)
    taken: list[tuple[int, int]] = []
    for one, time, value in zip(measured, times, values, strict=True):
        x, y = axes.place(float(time), float(value))
        colour = _COLOURS.get(one.precision, _INK)
        cv2.circle(picture, (x, y), 5, colour, -1, cv2.LINE_AA)
        _name(picture, Path(one.file).name or one.format, (x + 9, y + 4), colour, taken)
    for number, (precision, colour) in enumerate(_COLOURS.items()):
        at = (SIZE[1] - _MARGIN[1] - 70 * (len(_COLOURS) - number), 20)
        cv2.circle(picture, at, 5, colour, -1, cv2.LINE_AA)
        cv2.putText(picture, precision, (at[0] + 9, at[1] + 4), _FONT, _TEXT, _INK, 1, cv2.LINE_AA)
    return picture


class _Axes:
    """Where milliseconds (by their logarithm) and AP are in the picture."""

    def __init__(self, times: tuple[float, float], values: tuple[float, float]) -> None:
        self._times, self._values = times, values

    @classmethod
    def around(cls, times: NDArray[np.float64], values: NDArray[np.float64]) -> _Axes:
        """Choose ranges that hold all points with some room."""
        fast, slow = (float(times.min()), float(times.max())) if len(times) else (1.0, 10.0)
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        room = max(0.1 * (high - low), 0.01)
        return cls((fast / 1.3, slow * 1.6), (max(low - room, 0.0), min(high + room, 1.0)))

    def place(self, time: float, value: float) -> tuple[int, int]:
        """Find the pixel, (x, y)."""
        top, right, bottom, left = _MARGIN
        along = np.log(time / self._times[0]) / np.log(self._times[1] / self._times[0])
        up = (value - self._values[0]) / (self._values[1] - self._values[0])
        return (
            round(left + along * (SIZE[1] - left - right)),
            round(SIZE[0] - bottom - up * (SIZE[0] - top - bottom)),
        )

    def draw(self, picture: NDArray[np.uint8]) -> None:
        """Draw grid, marks and titles."""
        (fast, slow), (low, high) = self._times, self._values
        decades = range(int(np.floor(np.log10(fast))), int(np.ceil(np.log10(slow))) + 1)
        for mark in (step * 10.0**decade for decade in decades for step in _STEPS):
            if fast <= mark <= slow:
                x, y = self.place(mark, low)
                cv2.line(picture, (x, y), (x, self.place(mark, high)[1]), _GRID, 1)
                _write(picture, f"{mark:g}", (x, y + 18), middle=True)
        for value in np.linspace(low, high, _LINES):
            x, y = self.place(fast, float(value))
            cv2.line(picture, (x, y), (self.place(slow, float(value))[0], y), _GRID, 1)
            _write(picture, f"{value:.3f}", (x - 52, y + 4))
        _write(picture, "milliseconds per image, everything included", (SIZE[1] // 2, SIZE[0] - 16), middle=True)
        _write(picture, "keypoint AP", (12, 24))


def _write(picture: NDArray[np.uint8], text: str, at: tuple[int, int], *, middle: bool = False) -> None:
    width = cv2.getTextSize(text, _FONT, _TEXT, 1)[0][0]
    x = at[0] - width // 2 if middle else at[0]
    cv2.putText(picture, text, (x, at[1]), _FONT, _TEXT, _INK, 1, cv2.LINE_AA)


def _name(
    picture: NDArray[np.uint8],
    text: str,
    at: tuple[int, int],
    colour: tuple[int, int, int],
    taken: list[tuple[int, int]],
) -> None:
    """Write a name beside its point, lower where another one is there already."""
    x, y = at
    while any(abs(x - other_x) < 90 and abs(y - other_y) < _APART for other_x, other_y in taken):
        y += _APART
    taken.append((x, y))
    cv2.putText(picture, text, (x, y), _FONT, _TEXT, colour, 1, cv2.LINE_AA)
