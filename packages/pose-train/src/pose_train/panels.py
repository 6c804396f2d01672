"""Panels that the pictures of a run are made of: lines, bars and densities, drawn with OpenCV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (240, 360)  # pixels of a panel, (height, width)
COLOURS = ((24, 100, 190), (200, 80, 20), (60, 140, 60), (140, 60, 150))  # RGB
ROW = 15  # pixels of a bar with its gap
_MARGIN = (30, 16, 26, 58)  # pixels above, right, below and left of lines
_CELLS = 48  # of a density, each way
_PAPER, _INK, _GRID = (255, 255, 255), (40, 40, 46), (226, 226, 230)
_FONT, _TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.4
_LINES = 4  # of the grid, each way

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]
Colour = tuple[int, int, int]


def draw_lines(
    title: str,
    x: Floats,
    curves: Mapping[str, Floats],
    *,
    along: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> Picture:
    """Draw curves with a grid, the range of both axes and, for several, a legend.

    Args:
        title: above the curves.
        x: (N,) increasing.
        curves: by name, (N,) each; NaN where nothing was measured.
        along: what x is.
        x_range: its ends.
        y_range: ends of the other axis.

    Returns:
        (240, 360, 3) uint8 RGB.
    """
    panel = _blank(title, SIZE, left=_MARGIN[3])
    _draw_axes(panel, along, x_range, y_range)
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        _draw_curve(panel, _places(x, curve, x_range, y_range), colour)
        if len(curves) > 1:
            after = sum(_width(name) + 14 for name in list(curves)[number:])
            cv2.putText(panel, name, (SIZE[1] - 2 - after, 19), _FONT, _TEXT, colour, 1, cv2.LINE_AA)
    return panel


def draw_bars(
    title: str,
    labels: Sequence[str],
    parts: Floats,
    *,
    notes: Sequence[str],
    colours: Sequence[Colour] = COLOURS[:1],
    legend: Sequence[str] = (),
    size: tuple[int, int] = SIZE,
) -> Picture:
    """Draw a horizontal bar for each label, of one part or of several, one behind the other.

    Args:
        title: above the bars.
        labels: R names.
        parts: (R, P) lengths of the parts; the longest bar is as long as there is room. NaN has no length.
        notes: R texts behind the bars.
        colours: P of them.
        legend: P names of the parts, if they are to be told.
        size: (height, width) in pixels; rows that don't fit make it higher.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    top = _MARGIN[0] + 4 + 16 * bool(legend)
    panel = _blank(title, (max(size[0], top + ROW * len(labels) + 8), size[1]), left=12)
    left = 20 + max(map(_width, labels), default=0)
    room = size[1] - left - 20 - max(map(_width, notes), default=0)
    lengths = np.nan_to_num(parts)
    scale = room / max(float(lengths.sum(axis=1).max(initial=0.0)), 1e-9)
    for row, (label, note) in enumerate(zip(labels, notes, strict=True)):
        y = top + row * ROW
        ends = left + np.concatenate([[0.0], np.cumsum(lengths[row])]) * scale
        for start, end, colour in zip(ends[:-1], ends[1:], colours, strict=True):
            if round(end) > round(start):
                cv2.rectangle(panel, (round(start), y), (round(end) - 1, y + ROW - 5), colour, -1)
        _write(panel, label, (left - 8 - _width(label), y + 9))
        _write(panel, note, (round(ends[-1]) + 8, y + 9))
    for number, name in enumerate(legend):
        x = left + sum(_width(before) + 14 for before in legend[:number])
        cv2.putText(panel, name, (x, 38), _FONT, _TEXT, _darker(colours[number]), 1, cv2.LINE_AA)
    return panel


def draw_density(
    title: str, x: Floats, y: Floats, *, along: str, upward: bool, size: tuple[int, int] = SIZE
) -> Picture:
    """Draw how many points lie where in the unit square: the darker, the more.

    Args:
        title: above the square.
        x: (N,) from 0 to 1.
        y: (N,) from 0 to 1.
        along: what both are, below the square.
        upward: whether y grows upward; in images it grows downward.
        size: (height, width) in pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    panel = _blank(title, size, left=12)
    counts = np.histogram2d(1 - y if upward else y, x, bins=_CELLS, range=((0, 1), (0, 1)))[0]
    share = np.sqrt(counts / max(float(counts.max()), 1.0))[..., None]  # roots, so that single ones can be seen
    shades = np.array(_PAPER) + (np.array(COLOURS[0]) - np.array(_PAPER)) * share
    side = (min(size) - 64) // _CELLS * _CELLS
    top, left = (size[0] - side) // 2 + 4, (size[1] - side) // 2
    square = cv2.resize(shades.round().astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    panel[top : top + side, left : left + side] = square
    cv2.rectangle(panel, (left, top), (left + side, top + side), _INK, 1)
    ends = ("1", "0") if upward else ("0", "1")
    for text, place in zip(ends, (top + 10, top + side), strict=True):
        _write(panel, text, (left - 14, place))
    _write(panel, along, (left + (side - _width(along)) // 2, top + side + 16))
    return panel


def _blank(title: str, size: tuple[int, int], *, left: int) -> Picture:
    panel = np.full((*size, 3), _PAPER, np.uint8)
    cv2.putText(panel, title, (left, 19), _FONT, _TEXT + 0.08, _INK, 1, cv2.LINE_AA)
    return panel


def _write(panel: Picture, text: str, place: tuple[int, int]) -> None:
    cv2.putText(panel, text, place, _FONT, _TEXT, _INK, 1, cv2.LINE_AA)


def _width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, _TEXT, 1)[0][0])


def _darker(colour: Colour) -> Colour:
    """A colour that text can be read in."""
    red, green, blue = (min(value, 150) for value in colour)
    return red, green, blue


def _places(x: Floats, curve: Floats, x_range: tuple[float, float], y_range: tuple[float, float]) -> Floats:
    """Place points on the panel: (N, 2) xy pixels, without those that weren't measured."""
    above, right, below, left = _MARGIN
    width, height = SIZE[1] - left - right, SIZE[0] - above - below
    across = left + (x - x_range[0]) / (x_range[1] - x_range[0]) * width
    down = above + (y_range[1] - curve) / (y_range[1] - y_range[0]) * height
    return np.stack([across, down], axis=1)[np.isfinite(curve)]


def _draw_curve(panel: Picture, places: Floats, colour: Colour) -> None:
    shift = 4  # cv2 takes sixteenths of a pixel
    points = np.round(places * 2**shift).astype(np.int32)
    if len(points) > 1:
        cv2.polylines(panel, [points[:, None]], False, colour, 2, cv2.LINE_AA, shift)
    elif len(points) == 1:
        cv2.circle(panel, (int(points[0, 0]), int(points[0, 1])), 3 * 2**shift, colour, -1, cv2.LINE_AA, shift)


def _draw_axes(panel: Picture, along: str, x: tuple[float, float], y: tuple[float, float]) -> None:
    above, right, below, left = _MARGIN
    bottom, end = SIZE[0] - below, SIZE[1] - right
    for i in range(_LINES + 1):
        share = i / _LINES
        row, column = round(bottom - share * (bottom - above)), round(left + share * (end - left))
        cv2.line(panel, (left, row), (end, row), _GRID, 1)
        cv2.line(panel, (column, above), (column, bottom), _GRID, 1)
        _write(panel, _number(y[0] + share * (y[1] - y[0])), (6, row + 4))
    for value, column in ((x[0], left), (x[1], end - 24)):
        _write(panel, f"{value:.0f}", (column, SIZE[0] - 8))
    _write(panel, along, ((left + end) // 2 - 16, SIZE[0] - 8))
    cv2.rectangle(panel, (left, above), (end, bottom), _INK, 1)


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.1e}".replace("e-0", "e-")
