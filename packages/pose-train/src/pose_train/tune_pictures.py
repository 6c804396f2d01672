"""A picture of a study: how AP rose from trial to trial, and what it was for each value of each setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState
from pose_data import contact_sheet, write_image

SIZE = (240, 360)  # pixels of a panel, (height, width)
COLUMNS = 3
LEAST_FOR_IMPORTANCE = 5  # complete trials; of fewer, it is chance
_ABOVE, _RIGHT, _BELOW, _LEFT = 34, 16, 28, 58  # pixels round the points
_PAPER, _INK, _GRID = (255, 255, 255), (40, 40, 46), (226, 226, 230)
_COMPLETE, _PRUNED, _BEST = (24, 100, 190), (190, 190, 196), (200, 80, 20)  # RGB
_FONT, _TEXT = cv2.FONT_HERSHEY_SIMPLEX, 0.4

Floats = NDArray[np.float64]


def write_study_picture(folder: Path, study: Study) -> None:
    """Draw a study into folder/study.png: blue points came to their end, grey ones were stopped, red is the best.

    Settings come in the order of what they explain of the differences (PED-ANOVA; Watanabe et al., IJCAI 2023).
    """
    trials = [t for t in study.get_trials(deepcopy=False) if t.intermediate_values and t.state in _SHOWN]
    best = study.best_trial.number
    numbers = np.array([float(t.number) for t in trials])
    panels = [draw_scatter("trial", numbers, trials, best=best)]
    for name, share in _by_importance(study):
        shown = [t for t in trials if name in t.params]
        values, log = _places_of(name, shown)
        label = f"{name} (log)" if log else name
        label += "" if share is None else f"  {100 * share:.0f} %"
        panels.append(draw_scatter(label, values, shown, best=best, log=log))
    write_image(folder / "study.png", contact_sheet(panels, columns=COLUMNS))


_SHOWN = (TrialState.COMPLETE, TrialState.PRUNED)


def draw_scatter(
    label: str, values: Floats, trials: Sequence[FrozenTrial], *, best: int, log: bool = False
) -> NDArray[np.uint8]:
    """Draw the best AP of each trial over a value.

    Args:
        label: of the value.
        values: (N,), of each trial; of a log scale, natural logarithms.
        trials: N trials that reported AP.
        best: number of the best of them.
        log: whether to write the ends as powers.

    Returns:
        (240, 360, 3) uint8 RGB.
    """
    panel = np.full((*SIZE, 3), _PAPER, np.uint8)
    scores = np.array([max(t.intermediate_values.values()) for t in trials])
    x, y = _range(values), (0.0, _range(scores)[1])
    _draw_frame(panel, label, x, y, log=log)
    across = _LEFT + (values - x[0]) / (x[1] - x[0]) * (SIZE[1] - _LEFT - _RIGHT)
    down = SIZE[0] - _BELOW - (scores - y[0]) / (y[1] - y[0]) * (SIZE[0] - _ABOVE - _BELOW)
    for trial, column, row in sorted(zip(trials, across, down, strict=True), key=lambda point: point[0].number == best):
        colour = _BEST if trial.number == best else _PRUNED if trial.state == TrialState.PRUNED else _COMPLETE
        cv2.circle(panel, (round(column), round(row)), 5 if trial.number == best else 4, colour, -1, cv2.LINE_AA)
    return panel


def _by_importance(study: Study) -> list[tuple[str, float | None]]:
    """Names of the settings with their importance, None where that can't be said yet."""
    complete = study.get_trials(states=(TrialState.COMPLETE,), deepcopy=False)
    names = list(complete[0].params) if complete else []
    scores = {t.values[0] for t in complete}
    if len(complete) < LEAST_FOR_IMPORTANCE or len(scores) == 1:
        return [(name, None) for name in names]
    return list(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator()).items())


def _places_of(name: str, trials: Sequence[FrozenTrial]) -> tuple[Floats, bool]:
    """Where each trial's value is on an axis, and whether the axis is a log scale."""
    kind = trials[0].distributions[name]
    values = [t.params[name] for t in trials]
    if isinstance(kind, CategoricalDistribution):
        return np.array([float(kind.choices.index(v)) for v in values]), False
    log = bool(getattr(kind, "log", False))
    return np.array([math.log(v) if log else float(v) for v in values]), log


def _range(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _draw_frame(
    panel: NDArray[np.uint8], label: str, x: tuple[float, float], y: tuple[float, float], *, log: bool
) -> None:
    bottom, end = SIZE[0] - _BELOW, SIZE[1] - _RIGHT
    cv2.putText(panel, f"AP over {label}", (_LEFT, 20), _FONT, _TEXT + 0.05, _INK, 1, cv2.LINE_AA)
    for i in range(5):
        row = round(bottom - i / 4 * (bottom - _ABOVE))
        cv2.line(panel, (_LEFT, row), (end, row), _GRID, 1)
        cv2.putText(panel, f"{y[0] + i / 4 * (y[1] - y[0]):.3f}", (8, row + 4), _FONT, _TEXT, _INK, 1, cv2.LINE_AA)
    for value, column in ((x[0], _LEFT), (x[1], end - 48)):
        text = f"{math.exp(value) if log else value:.3g}"
        cv2.putText(panel, text, (column, SIZE[0] - 8), _FONT, _TEXT, _INK, 1, cv2.LINE_AA)
    cv2.rectangle(panel, (_LEFT, _ABOVE), (end, bottom), _INK, 1)
