"""What a run leaves, and what makes an epoch the best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pose_eval import PoseMetrics


@dataclass(frozen=True)
class TrainResult:
    """What a run leaves.

    Args:
        run_folder: with settings.yaml, record.json, results.csv, weights and pictures.
        best: weights of the best epoch (of the last one when nothing was validated).
        last: weights of the last epoch.
        metrics: of the best weights; None when nothing was validated.
        epochs: that were trained.
        seconds: that it took.
    """

    run_folder: Path
    best: Path
    last: Path
    metrics: PoseMetrics | None
    epochs: int
    seconds: float


def fitness(metrics: PoseMetrics) -> float:
    """Return what makes an epoch the best: box AP plus keypoint AP; a figure that can't be had counts 0."""
    return max(metrics.boxes.ap, 0.0) + max(metrics.keypoints.ap, 0.0)
