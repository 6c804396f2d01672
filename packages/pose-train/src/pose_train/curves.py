"""A picture of the table of a run: one panel for each loss, for average precision and for the learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_data import contact_sheet

from pose_train.pictures import write_picture

SIZE = (240, 360)  # pixels of a panel, (height, width)
COLUMNS = 3
_MARGIN = (30, 16, 26, 58)  # pixels above, right, below and left of the curves
_PAPER, _INK, _GRID = (255, 255, 255), (40, 40, 46), (226, 226, 230)
_COLOURS = ((24, 100, 190), (200, 80, 20), (60, 140, 60), (140, 60, 150))  # RGB
_FONT, _TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.4
_LINES = 4  # of the grid, each way

Curves = Mapping[str, NDArray[np.float64]]


def write_curves(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Draw the curves of a run.

    Args:
        path: of the picture, such as results.png.
        rows: of results.csv, as text; columns that aren't there have no curve.
    """
    write_picture(path, contact_sheet(draw_panels(rows), columns=COLUMNS))


def draw_panels(rows: Sequence[Mapping[str, str]]) -> list[NDArray[np.uint8]]:
    """Draw a panel, (240, 360, 3) uint8 RGB, for every loss, for keypoint and box AP, and for the learning rate."""
    names = list(rows[-1]) if rows else []
    losses = [name for name in names if name.startswith("loss/")]
    groups = [(name.replace("/", " "), [name]) for name in losses]
    groups += [("keypoints", ["pose/ap", "pose/ap50"]), ("boxes", ["box/ap", "box/ap50"]), ("learning rate", ["lr"])]
    epochs = np.array([float(row["epoch"]) for row in rows])
    panels = []
    for title, columns in groups:
        curves = {name.split("/")[-1]: _column(rows, name) for name in columns if name in names}
        if curves:
            panels.append(draw_panel(title, epochs, curves))
    return panels


def draw_panel(title: str, epochs: NDArray[np.float64], curves: Curves) -> NDArray[np.uint8]:
    """Draw curves over epochs with a grid, the range of both axes and, for several, a legend.

    Args:
        title: above the curves.
        epochs: (N,) increasing.
        curves: by name, (N,) each; NaN where nothing was measured.

    Returns:
        (240, 360, 3) uint8 RGB.
    """
    panel = np.full((*SIZE, 3), _PAPER, np.uint8)
    values = np.concatenate(list(curves.values()))
    low, high = _range(values[np.isfinite(values)])
    first, last = float(epochs[0]), float(max(epochs[-1], epochs[0] + 1))
    _draw_axes(panel, title, (first, last), (low, high))
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        _draw_curve(panel, _places(epochs, curve, (first, last), (low, high)), colour)
        if len(curves) > 1:
            place = (SIZE[1] - _MARGIN[1] - 60 * (len(curves) - number), 19)
            cv2.putText(panel, name, place, _FONT, _TEXT, colour, 1, cv2.LINE_AA)
    return panel


def _column(rows: Sequence[Mapping[str, str]], name: str) -> NDArray[np.float64]:
    values = np.array([float(row.get(name) or "nan") for row in rows])
    return np.where(values == -1, np.nan, values) if "/ap" in name else values  # -1: nothing of the kind is labelled


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = min(float(values.min()), 0.0), float(values.max())
    return low, high if high > low else low + 1.0


def _places(
    epochs: NDArray[np.float64], curve: NDArray[np.float64], x: tuple[float, float], y: tuple[float, float]
) -> NDArray[np.float64]:
    """Place points on the panel: (N, 2) xy pixels, without those that weren't measured."""
    above, right, below, left = _MARGIN
    width, height = SIZE[1] - left - right, SIZE[0] - above - below
    across = left + (epochs - x[0]) / (x[1] - x[0]) * width
    down = above + (y[1] - curve) / (y[1] - y[0]) * height
    return np.stack([across, down], axis=1)[np.isfinite(curve)]


def _draw_curve(panel: NDArray[np.uint8], places: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    shift = 4  # cv2 takes sixteenths of a pixel
    points = np.round(places * 2**shift).astype(np.int32)
    if len(points) > 1:
        cv2.polylines(panel, [points[:, None]], False, colour, 2, cv2.LINE_AA, shift)
    elif len(points) == 1:
        cv2.circle(panel, (int(points[0, 0]), int(points[0, 1])), 3 * 2**shift, colour, -1, cv2.LINE_AA, shift)


def _draw_axes(panel: NDArray[np.uint8], title: str, x: tuple[float, float], y: tuple[float, float]) -> None:
    above, right, below, left = _MARGIN
    bottom, end = SIZE[0] - below, SIZE[1] - right
    cv2.putText(panel, title, (left, 19), _FONT, _TEXT + 0.08, _INK, 1, cv2.LINE_AA)
    for i in range(_LINES + 1):
        share = i / _LINES
        row, column = round(bottom - share * (bottom - above)), round(left + share * (end - left))
        cv2.line(panel, (left, row), (end, row), _GRID, 1)
        cv2.line(panel, (column, above), (column, bottom), _GRID, 1)
        cv2.putText(panel, _number(y[0] + share * (y[1] - y[0])), (6, row + 4), _FONT, _TEXT, _INK, 1, cv2.LINE_AA)
    for value, column in ((x[0], left), (x[1], end - 24)):
        cv2.putText(panel, f"{value:.0f}", (column, SIZE[0] - 8), _FONT, _TEXT, _INK, 1, cv2.LINE_AA)
    cv2.putText(panel, "epoch", ((left + end) // 2 - 16, SIZE[0] - 8), _FONT, _TEXT, _INK, 1, cv2.LINE_AA)
    cv2.rectangle(panel, (left, above), (end, bottom), _INK, 1)


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.1e}".replace("e-0", "e-")
