"""What a run tells while it goes on; whoever calls decides whether and how to show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pose_eval import PoseMetrics


@dataclass(frozen=True)
class StartEvent:
    """The run begins, and writes into this folder."""

    run_folder: Path


@dataclass(frozen=True)
class MessageEvent:
    """A sentence for the user: what was taken from a checkpoint, what was dropped, a warning."""

    text: str


@dataclass(frozen=True)
class StepEvent:
    """A batch was learnt.

    Args:
        epoch: from 1 to epochs.
        epochs: of the run.
        step: from 1 to steps.
        steps: batches of this epoch.
        losses: mean of this epoch so far, by name.
        images_per_second: of this epoch so far, loading included.
        seconds_left: until the end of the run, validation included as far as it is known.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    losses: Mapping[str, float]
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class ValidationEvent:
    """A batch was validated: done of total images."""

    done: int
    total: int


@dataclass(frozen=True)
class EpochEvent:
    """An epoch ended.

    Args:
        epoch: from 1 to epochs.
        epochs: of the run.
        losses: mean of the epoch, by name.
        metrics: of the averaged weights on the validation images; None when not validated.
        learning_rate: that the epoch ended with.
        seconds: the epoch took.
        best: whether it is the best so far.
    """

    epoch: int
    epochs: int
    losses: Mapping[str, float]
    metrics: PoseMetrics | None
    learning_rate: float
    seconds: float
    best: bool


TrainEvent = StartEvent | MessageEvent | StepEvent | ValidationEvent | EpochEvent
Listener = Callable[[TrainEvent], None]
