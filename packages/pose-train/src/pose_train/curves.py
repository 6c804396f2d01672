"""A picture of the table of a run: one panel for each loss, for average precision and for the learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import contact_sheet

from pose_train.panels import draw_lines
from pose_train.pictures import write_picture

COLUMNS = 3

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
    """Draw curves over epochs.

    Args:
        title: above the curves.
        epochs: (N,) increasing.
        curves: by name, (N,) each; NaN where nothing was measured.

    Returns:
        (240, 360, 3) uint8 RGB.
    """
    values = np.concatenate(list(curves.values()))
    ends = float(epochs[0]), float(max(epochs[-1], epochs[0] + 1))
    return draw_lines(title, epochs, curves, along="epoch", x_range=ends, y_range=_range(values[np.isfinite(values)]))


def _column(rows: Sequence[Mapping[str, str]], name: str) -> NDArray[np.float64]:
    values = np.array([float(row.get(name) or "nan") for row in rows])
    return np.where(values == -1, np.nan, values) if "/ap" in name else values  # -1: nothing of the kind is labelled


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = min(float(values.min()), 0.0), float(values.max())
    return low, high if high > low else low + 1.0
