"""A picture of the labels that a run learns from: classes, places and sizes of boxes, which keypoints are labelled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import PoseDataset, PoseTargets, Samples, contact_sheet

from pose_train.panels import COLOURS, SIZE, Picture, draw_bars, draw_density
from pose_train.pictures import write_picture

MOST_CLASSES = 30  # that are drawn, those with the most objects
SAMPLED = 64  # images of a data set without files, each of which may have to be drawn
_VISIBILITY = ("visible", "hidden", "not labelled")
_UNLABELLED = (222, 222, 226)  # RGB


@dataclass(frozen=True)
class LabelStatistics:
    """The labels of a data set.

    Args:
        images: that were looked at.
        labels: (M,) int64 classes.
        boxes: (M, 4) float64, cxcywh, in shares of the image's width and height.
        visibility: (M, K) uint8.
    """

    images: int
    labels: NDArray[np.int64]
    boxes: NDArray[np.float64]
    visibility: NDArray[np.uint8]


def write_label_picture(path: Path, samples: Samples) -> None:
    """Draw the labels of a data set; of one without files, those of some images, evenly spread."""
    statistics = label_statistics(samples)
    rows = max(min(len(samples.names), MOST_CLASSES + 1), len(samples.skeleton))
    write_picture(path, contact_sheet(_panels(statistics, samples, rows=rows), columns=2))


def label_statistics(samples: Samples) -> LabelStatistics:
    """Collect labels; no pixel of a file is read for it."""
    if isinstance(samples, PoseDataset):
        index = samples.index
        sizes = np.repeat(index.sizes, np.diff(index.offsets), axis=0)
        return _statistics([index.targets], sizes, images=len(samples))
    chosen = np.unique(np.linspace(0, max(len(samples) - 1, 0), min(SAMPLED, len(samples))).astype(int)).tolist()
    found = [samples[i] for i in chosen]
    sizes = np.array([sample.image.shape[:2] for sample in found for _ in range(len(sample.targets))], np.int32)
    targets = [PoseTargets.empty(len(samples.skeleton)), *(sample.targets for sample in found)]
    return _statistics(targets, sizes.reshape(-1, 2), images=len(found))


def _statistics(targets: list[PoseTargets], sizes: NDArray[np.int32], *, images: int) -> LabelStatistics:
    """Join labels, with the (height, width) of each object's image."""
    corners = np.concatenate([t.boxes for t in targets]).astype(np.float64).reshape(-1, 2, 2)
    corners /= np.maximum(sizes, 1)[:, None, ::-1]
    boxes = np.concatenate([corners.mean(axis=1), corners[:, 1] - corners[:, 0]], axis=1)
    return LabelStatistics(
        images,
        np.concatenate([t.labels for t in targets]),
        boxes,
        np.concatenate([t.visibility for t in targets]),
    )


def _panels(statistics: LabelStatistics, samples: Samples, *, rows: int) -> list[Picture]:
    size = (max(SIZE[0], 60 + 15 * rows), SIZE[1] + 60)
    boxes = statistics.boxes
    return [
        _draw_classes(statistics, samples.names, size=size),
        draw_density("centres of boxes", boxes[:, 0], boxes[:, 1], along="share of the image", upward=False, size=size),
        _draw_visibility(statistics, samples.skeleton.names, size=size),
        draw_density(
            "width and height of boxes", boxes[:, 2], boxes[:, 3], along="share of the image", upward=True, size=size
        ),
    ]


def _draw_classes(statistics: LabelStatistics, names: tuple[str, ...], *, size: tuple[int, int]) -> Picture:
    counts = np.bincount(statistics.labels, minlength=len(names))
    order = np.argsort(-counts, kind="stable")[:MOST_CLASSES] if len(names) > MOST_CLASSES else np.arange(len(names))
    title = f"{len(statistics.labels):,} objects in {statistics.images:,} images"
    if len(names) > MOST_CLASSES:
        title += f", {MOST_CLASSES} of {len(names)} classes"
    labels = [names[i] for i in order]
    return draw_bars(
        title, labels, counts[order, None].astype(np.float64), notes=[f"{counts[i]:,}" for i in order], size=size
    )


def _draw_visibility(statistics: LabelStatistics, names: tuple[str, ...], *, size: tuple[int, int]) -> Picture:
    visibility = statistics.visibility
    counts = np.stack([(visibility == value).sum(axis=0) for value in (2, 1, 0)], axis=1).astype(np.float64)
    shares = counts[:, :2].sum(axis=1) / max(len(visibility), 1)
    return draw_bars(
        "keypoints, and share that is labelled",
        names,
        counts,
        notes=[f"{share:.0%}" for share in shares],
        colours=(COLOURS[0], COLOURS[1], _UNLABELLED),
        legend=_VISIBILITY,
        size=size,
    )
