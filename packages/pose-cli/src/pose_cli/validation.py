"""Measuring a network on a data set, and the figures under the names that people know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import (
    DataError,
    ModelCard,
    Runtime,
    Samples,
    SettingsError,
    StageTimes,
    open_dataset,
    read_data_settings,
)
from pose_eval import Metrics, PoseMetrics
from pose_train import Listener, validate


@dataclass(frozen=True)
class BlockFigures:
    """COCO's average precision of boxes or of keypoints, in [0, 1]; -1 when nothing of the kind is labelled.

    Args:
        map: mean over the thresholds 0.50, 0.55, ..., 0.95.
        map50: at 0.50.
        map75: at 0.75.
        maps: (C,), `map` of each class.
    """

    map: float
    map50: float
    map75: float
    maps: NDArray[np.float64]


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Args:
        metrics: every figure.
        times: milliseconds per image of each stage.
        images: how many were looked at.
    """

    metrics: PoseMetrics
    times: StageTimes
    images: int

    @property
    def box(self) -> BlockFigures:
        """Average precision of the boxes."""
        return _figures(self.metrics.boxes)

    @property
    def pose(self) -> BlockFigures:
        """Average precision of the keypoints."""
        return _figures(self.metrics.keypoints)


def measure(
    runtime: Runtime,
    *,
    data: str = "",
    split: str = "val",
    imgsz: int | None = None,
    batch: int = 16,
    conf: float = 0.001,
    iou: float = 0.7,
    max_det: int = 300,
    rect: bool = True,
    skip_bad: bool = False,
    on_event: Listener | None = None,
) -> Validation:
    """Measure a network on a split of a data set.

    Args:
        data: data YAML, or "people"; "" takes what the network's card names.
        imgsz: longer side of the input, pixels; None takes the card's.
        rect: pad images to whole strides only where the file allows it, else to a square.
        on_event: called as the work goes on.

    Raises:
        PoseError: the data can't be used, or has other classes or keypoints than the network.
    """
    samples = open_samples(data, card=runtime.card, split=split, skip_bad=skip_bad)
    done = validate(
        runtime,
        samples,
        imgsz=imgsz,
        batch=batch,
        conf=conf,
        iou=iou,
        max_det=max_det,
        rect=rect,
        on_event=on_event,
    )
    return Validation(done.metrics, done.times, done.images)


def open_samples(data: str, *, card: ModelCard, split: str, skip_bad: bool = False) -> Samples:
    """Open the data that was named, or that the card names, and check that it fits the network.

    Raises:
        PoseError: as `measure`.
    """
    named = data or card.data
    if not named:
        raise SettingsError("data: the model's card names no data set; add data=FILE.yaml")
    if not data and named.endswith((".yaml", ".yml")) and not Path(named).is_file():
        raise DataError(f"{named}: the model's card names this data set, but it isn't there; add data=FILE.yaml")
    samples = open_dataset(read_data_settings(named), split, skip_bad=skip_bad)
    _check_fit(samples, card=card, named=named)
    return samples


def _check_fit(samples: Samples, *, card: ModelCard, named: str) -> None:
    for what, model, labelled in (
        ("classes", len(card.names), len(samples.names)),
        ("keypoints", len(card.skeleton), len(samples.skeleton)),
    ):
        if model != labelled:
            raise SettingsError(
                f"{named}: must have the {model} {what} of the model ({card.architecture}); got {labelled}; "
                "name the data that the model learnt from, or train on this data first"
            )


def _figures(block: Metrics) -> BlockFigures:
    return BlockFigures(block.ap, block.ap50, block.ap75, block.per_class)
