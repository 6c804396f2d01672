"""`pose train`: learn from a data set, with everything that happens shown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pose_cli.command import WordsCommand

if TYPE_CHECKING:
    from pose_train import TrainSettings

HELP = """Train a network on a data set, from scratch or from weights.

\b
  pose train data=mine.yaml
  pose train data=people.yaml model=yolov8n-pose.yaml epochs=100 imgsz=640
  pose train people.yaml best.safetensors epochs=20
  pose train data=mine.yaml recipe=few
  pose train resume=runs/train
"""


def _settings() -> type:
    from dataclasses import dataclass

    from pose_data import setting
    from pose_train import TrainSettings

    from pose_cli.models import LEARNER_HELP

    @dataclass(frozen=True)
    class Words(TrainSettings):
        model: str = setting("", LEARNER_HELP)
        recipe: str = recipe_setting()

    return Words


def recipe_setting() -> str:
    """Make the field of the word that names a recipe."""
    from pose_data import setting
    from pose_train import recipe_names

    known = ", ".join(recipe_names())
    made: str = setting("", f"settings that hold where no word says otherwise: {known}, or a YAML file")
    return made


def _make(words: Mapping[str, object]) -> TrainSettings:
    from pose_train import make_train_settings

    from pose_cli.models import shipped_weights

    words = {name: value for name, value in words.items() if (name, value) != ("model", "")}
    shipped = {} if words.keys() & {"model", "resume"} else {"model": str(shipped_weights())}
    return make_train_settings(words, source="train", defaults=shipped)


def _run(settings: TrainSettings) -> int:
    from pose_train import StartEvent, TrainEvent, train

    from pose_cli.console import results
    from pose_cli.progress import duration, progress_shown
    from pose_cli.tables import metrics_table

    folders: list[Path] = []

    def listen(event: TrainEvent) -> None:
        if isinstance(event, StartEvent):
            folders.append(event.run_folder)
        listener(event)

    try:
        with progress_shown() as listener:
            done = train(settings, on_event=listen)
    except KeyboardInterrupt as stop:
        going_on = f"; go on with: pose train resume={shlex.quote(folders[0].as_posix())}" if folders else ""
        raise KeyboardInterrupt(str(stop) or f"interrupted{going_on}") from stop
    if not folders:
        return 0  # of several processes, one tells
    if done.metrics is not None:
        results().print(metrics_table(done.metrics, title="Best weights"))
    results().print(f"{duration(done.seconds)}, best weights: {done.best}", markup=False)
    return 0


command = WordsCommand("train", settings=_settings, run=_run, help=HELP, places=("model", "data"), make=_make)
