"""A training run on the screen: a live bar in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pose_eval import PoseMetrics
from pose_train import EpochEvent, Listener, MessageEvent, StartEvent, StepEvent, TrainEvent, ValidationEvent
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from pose_cli.console import messages

PLAIN_SECONDS = 10.0  # between two lines of one epoch where there is no terminal


@contextmanager
def progress_shown(console: Console | None = None) -> Iterator[Listener]:
    """Give a listener that shows the events of a run, or of a validation, until the block ends."""
    console = console or messages()
    if not console.is_terminal:
        yield _PlainView(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console, transient=True) as progress:
        yield _BarView(progress)


def told_both(first: Listener | None, second: Listener | None) -> Listener | None:
    """Make one listener of two, either of which may be missing."""
    if first is None or second is None:
        return first or second

    def tell(event: TrainEvent) -> None:
        first(event)
        second(event)

    return tell


def duration(seconds: float) -> str:
    """Write a time as 0:42, 12:05 or 3:00:00."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _BarView:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.learning = progress.add_task("", total=None, note="", visible=False)
        self.validating = progress.add_task("  validation", total=None, note="", visible=False)

    def __call__(self, event: TrainEvent) -> None:
        if isinstance(event, StepEvent):
            name = f"epoch {event.epoch}/{event.epochs}"
            self.progress.update(self.validating, visible=False)
            self._show(self.learning, event.step, event.steps, description=name, note=_step_note(event))
        elif isinstance(event, ValidationEvent):
            self._show(self.validating, event.done, event.total, description="  validation", note="")
        elif isinstance(event, EpochEvent):
            self.progress.update(self.validating, visible=False)
            self.progress.console.print(_epoch_line(event), markup=False)
        else:
            self.progress.console.print(_sentence(event), markup=False)

    def _show(self, task: TaskID, done: int, total: int, *, description: str, note: str) -> None:
        self.progress.update(task, completed=done, total=total, description=description, note=note, visible=True)


class _PlainView:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.last = time.monotonic()

    def __call__(self, event: TrainEvent) -> None:
        if isinstance(event, StartEvent | MessageEvent):
            self._print(_sentence(event))
        elif isinstance(event, EpochEvent):
            self._print(_epoch_line(event))
        elif time.monotonic() - self.last >= PLAIN_SECONDS:
            if isinstance(event, StepEvent):
                self._print(f"epoch {event.epoch}/{event.epochs} step {event.step}/{event.steps} {_step_note(event)}")
            else:
                self._print(f"validation {event.done}/{event.total} images")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False)
        self.last = time.monotonic()


def _sentence(event: StartEvent | MessageEvent) -> str:
    return f"writing to {event.run_folder}" if isinstance(event, StartEvent) else event.text


def _step_note(event: StepEvent) -> str:
    return f"{_losses(event.losses)}  {event.images_per_second:.1f} images/s  {duration(event.seconds_left)} left"


def _epoch_line(event: EpochEvent) -> str:
    best = "  best so far" if event.best else ""
    figures = _figures(event.metrics) if event.metrics is not None else ""
    return f"epoch {event.epoch}/{event.epochs}  {_losses(event.losses)}{figures}  {duration(event.seconds)}{best}"


def _losses(losses: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in losses.items())


def _figures(metrics: PoseMetrics) -> str:
    return f"  box AP {metrics.boxes.ap:.3f}  keypoint AP {metrics.keypoints.ap:.3f}"
