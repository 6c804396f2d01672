"""Pictures of an evaluation: precision over recall, error of each keypoint on the skeleton, kinds of errors.

Needs matplotlib (the extra `plots`). Every function returns a matplotlib Figure, whose `savefig` writes PNG, PDF or
SVG; no window is opened and no global setting of matplotlib is changed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pose_eval.errors import KINDS, ErrorDiagnosis, mirror_of_names
from pose_eval.evaluation import Evaluation
from pose_eval.exceptions import EvalError
from pose_eval.per_keypoint import KeypointNumbers
from pose_eval.problem import Floats, Ints

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

_INK, _FAINT, _BONE = "#22262b", "#d9dee4", "#9aa4ae"
_KIND_COLOURS = dict(zip(KINDS, ("#dfe4e9", "#f2b544", "#3f7fbf", "#8a5fb0", "#d1495b"), strict=True))
_ENOUGH = 2000  # people whose typical pose is drawn
_MARGIN = 0.12  # of the pose's height


def draw_pr_curves(evaluation: Evaluation, *, category: int | None = None) -> Figure:
    """Draw precision over recall, one curve for each OKS (or IoU) threshold, with its AP.

    Args:
        evaluation: of keypoints or boxes; all sizes, most detections.
        category: row of a category; None averages over those that have something to find.

    Raises:
        EvalError: matplotlib is missing, or there was nothing to find.
    """
    rules = evaluation.rules
    precision = evaluation.curves.precision[:, :, :, 0, -1]  # (T, R, C)
    present = [row for row in range(precision.shape[2]) if precision[0, 0, row] >= 0 and category in (None, row)]
    if not present:
        raise EvalError("a precision-recall curve must have people to find; got none; evaluate images with annotations")
    curves = precision[:, :, present].mean(axis=2)
    figure = _figure(5.6, 4.0)
    axes = figure.subplots()
    order = np.argsort(rules.recalls)
    what = "OKS" if rules.sigmas is not None else "IoU"
    shades = _shades(len(curves))
    for threshold, curve, shade in zip(rules.thresholds, curves, shades, strict=True):
        label = f"{threshold:.2f}    {curve.mean():.3f}"
        axes.plot(rules.recalls[order], curve[order], color=shade, linewidth=1.6, label=label)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.005), ylim=(0, 1.005))
    axes.set_title(f"AP {curves.mean():.3f}", loc="left")
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.legend(title=f"{what}       AP", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure


def draw_keypoint_errors(
    evaluation: Evaluation,
    numbers: KeypointNumbers,
    *,
    names: Sequence[str] = (),
    edges: Sequence[tuple[int, int]] = (),
) -> Figure:
    """Draw the typical pose of the annotated people with the mean error of each keypoint as a circle around it.

    Circles are to scale: the radius is the mean distance in units of the root of the area, as the pose itself is.

    Args:
        evaluation: of keypoints; the pose is the median over its people.
        numbers: from `keypoint_numbers` of this evaluation.
        names: (K,); numbers stand in for missing names.
        edges: pairs of keypoints (rows) that are joined by a limb.

    Raises:
        EvalError: matplotlib is missing, or no keypoint is labelled.
    """
    pose = typical_pose(evaluation, mirror=mirror_of_names(names))
    errors = np.where(np.isfinite(pose).all(axis=1), numbers.of_size, np.nan)
    figure = _figure(7.0, 6.0)
    axes = figure.subplots()
    for first, second in edges:
        axes.plot(*pose[[first, second]].T, color=_INK, alpha=0.45, linewidth=1.5, zorder=2.5)
    colours = _draw_circles(axes, pose, errors)
    _draw_labels(axes, pose, [f"{_name(names, row)}  {error:.3f}" for row, error in enumerate(errors)])
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.axis("off")
    axes.set_title("Mean error of each keypoint, in units of the root of the person's area", fontsize=9, pad=16)
    figure.colorbar(colours, ax=axes, shrink=0.5, pad=0.02)
    return figure


def draw_error_kinds(diagnosis: ErrorDiagnosis, *, names: Sequence[str] = ()) -> Figure:
    """Draw how often each keypoint is wrong in which way, beside the AP that each kind of error costs.

    Args:
        diagnosis: from `diagnose_errors`.
        names: (K,) of the keypoints; numbers stand in for missing names.

    Raises:
        EvalError: matplotlib is missing.
    """
    count = diagnosis.counts.shape[1]
    labels = [_name(names, row) for row in range(count)]
    figure = _figure(8.4, 1.6 + 0.2 * max(count, 7))
    axes = figure.subplots(1, 2, width_ratios=(3, 2))
    shares = diagnosis.counts / np.maximum(diagnosis.counts.sum(axis=0), 1)
    _draw_shares(axes[0], shares, labels)
    _draw_costs(axes[1], diagnosis.costs, diagnosis.ap)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure


def save_plots(folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
    """Write each figure as FOLDER/NAME.png (for a screen) and FOLDER/NAME.pdf (for a paper).

    Raises:
        EvalError: a file can't be written.
    """
    paths = [folder / f"{name}.{kind}" for name in figures for kind in ("png", "pdf")]
    temporary = folder / f".plot.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            figures[path.stem].savefig(temporary, format=path.suffix[1:], dpi=160)
            temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise EvalError(f"{folder} must be a folder for pictures; got {error.strerror}; choose another") from error
    return paths


def typical_pose(evaluation: Evaluation, *, mirror: Ints | None = None) -> Floats:
    """Find the median place of each keypoint about its person's middle, in units of the root of the area: (K, 2).

    NaN for a keypoint that nobody has labelled.

    Args:
        evaluation: of keypoints.
        mirror: (K,) mirror image of each keypoint; with it, people seen from behind are turned to face the viewer, so
            that their sides don't cancel out.

    Raises:
        EvalError: no keypoint is labelled.
    """
    truths = evaluation.problem.truths
    people = np.flatnonzero(truths.labelled.any(axis=1) & (truths.areas > 0))
    people = people[np.argsort(-np.count_nonzero(truths.labelled[people], axis=1), kind="stable")][:_ENOUGH]
    if not len(people):
        raise EvalError("a typical pose must have labelled keypoints; got none; evaluate keypoints of annotated people")
    boxes = truths.boxes[people]
    points = truths.keypoints[people] - (boxes[:, None, :2] + boxes[:, None, 2:] / 2)
    points /= np.sqrt(truths.areas[people])[:, None, None]
    if mirror is not None:
        both = truths.labelled[people] & truths.labelled[people][:, mirror] & (mirror > np.arange(len(mirror)))
        across = np.where(both, points[..., 0] - points[:, mirror, 0], 0).sum(axis=1)
        points[across * np.sign(np.nansum(across)) < 0, :, 0] *= -1
    pose = np.full(points.shape[1:], np.nan)
    for point in np.flatnonzero(truths.labelled[people].any(axis=0)):
        pose[point] = np.median(points[truths.labelled[people, point], point], axis=0)
    return pose


def _figure(width: float, height: float) -> Figure:
    """Make an empty figure, in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EvalError(
            "pictures must have matplotlib; got none; install it with: pip install matplotlib (the extra `plots`)"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _name(names: Sequence[str], row: int) -> str:
    return names[row] if row < len(names) else str(row)


def _draw_circles(axes: Axes, pose: Floats, errors: Floats) -> ScalarMappable:
    """Draw a dot at each keypoint and a circle with the radius of its error; return what the colours mean."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.patches import Circle

    known = np.flatnonzero(np.isfinite(errors))
    colours = ScalarMappable(Normalize(0, float(errors[known].max()) if len(known) else 1.0), "viridis_r")
    for row in known:
        shade = colours.to_rgba(errors[row])
        axes.add_patch(Circle((pose[row, 0], pose[row, 1]), errors[row], color=shade, alpha=0.6, linewidth=0, zorder=2))
    axes.plot(pose[:, 0], pose[:, 1], linestyle="", marker="o", color=_INK, markersize=2.5, zorder=3)
    return colours


def _draw_labels(axes: Axes, pose: Floats, labels: Sequence[str]) -> None:
    """Write the labels in a column on each side, from top to bottom, with a line to their keypoint."""
    rows = np.flatnonzero(np.isfinite(pose).all(axis=1))
    low, high = pose[rows].min(axis=0), pose[rows].max(axis=0)
    margin = _MARGIN * max(float(high[1] - low[1]), 1e-6)
    halves = np.array_split(rows[np.argsort(pose[rows, 0], kind="stable")], 2)
    for members, x, side in zip(halves, (low[0] - 2 * margin, high[0] + 2 * margin), ("right", "left"), strict=True):
        ordered = members[np.argsort(pose[members, 1], kind="stable")]
        heights = np.linspace(low[1] - margin / 2, high[1] + margin, len(ordered))
        for row, y in zip(ordered, heights, strict=True):
            line = {"arrowstyle": "-", "color": _BONE, "linewidth": 0.5, "shrinkA": 2, "shrinkB": 2}
            axes.annotate(labels[row], pose[row], (x, y), fontsize=8, ha=side, va="center", arrowprops=line)


def _draw_shares(axes: Axes, shares: Floats, labels: Sequence[str]) -> None:
    start = np.zeros(shares.shape[1])
    for kind, share in zip(KINDS, shares, strict=True):
        axes.barh(labels, share, left=start, color=_KIND_COLOURS[kind], label=kind, height=0.72)
        start = start + share
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of labelled keypoints of detected people")
    axes.legend(ncols=len(KINDS), loc="lower left", bbox_to_anchor=(-0.02, 1.0), frameon=False, fontsize=8)
    axes.tick_params(axis="y", length=0)


def _draw_costs(axes: Axes, costs: Mapping[str, float], ap: float) -> None:
    kinds = sorted(costs, key=lambda kind: costs[kind])
    values = [costs[kind] for kind in kinds]
    axes.barh(kinds, values, color=[_KIND_COLOURS.get(kind, _BONE) for kind in kinds], height=0.6)
    for row, value in enumerate(values):
        axes.text(max(value, 0), row, f" +{value:.3f}" if value >= 0 else f" {value:.3f}", va="center", fontsize=8)
    axes.set(xlim=(0, max([*values, 0.01]) * 1.25), xlabel=f"AP won if corrected (AP is {ap:.3f})")
    axes.tick_params(axis="y", length=0)


def _shades(count: int) -> list[tuple[float, float, float, float]]:
    """Choose colours from dark to light for curves that follow each other."""
    from matplotlib import colormaps

    return [colormaps["viridis"](value) for value in np.linspace(0, 0.92, count)]
