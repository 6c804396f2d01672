"""`pose tune`: a search over training settings, told trial by trial."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

from pose_data import setting

from pose_cli.command import WordsCommand
from pose_cli.models import LEARNER_HELP

if TYPE_CHECKING:
    from pose_train import TrainSettings, TrialEvent, TuneResult

_S = TypeVar("_S")

HELP = """Search over training settings: many short runs, the weak ones stopped early.

\b
  pose tune data=people.yaml epochs=20 trials=30
  pose tune data=people.yaml epochs=20 trials=30 space=[lr0,scale,mosaic]
  pose tune data=people.yaml epochs=20 trials=30 space=space.yaml
  pose tune data=mine.yaml recipe=few trials=30

All words of `pose train` are known, and are the same in all trials. The study is project/study.db, which Optuna
reads: the same command goes on with it, and several processes may run it at once.
"""


@functools.cache
def _settings() -> type[TrainSettings]:
    from pose_train import TrainSettings, TuneSettings

    @dataclass(frozen=True)
    class TuneWords(TuneSettings, TrainSettings):
        """The words of `pose train`, and those of the search."""

        model: str = setting("", LEARNER_HELP)
        project: str = setting("runs/tune", "folder of the study and of its trials; one that is there is continued")
        plots: bool = setting(False, "write pictures of batches and of validation for each trial")

    return TuneWords


@functools.cache
def _words_settings() -> type:
    from pose_cli.commands.train import recipe_setting

    @dataclass(frozen=True)
    class Words(_settings()):  # type: ignore[misc]  # its base is imported only when it is needed
        recipe: str = recipe_setting()

    return Words


def _make(words: Mapping[str, object]) -> TrainSettings:
    from pose_data import make_settings
    from pose_train import read_recipe

    own = {name: value for name, value in words.items() if name != "recipe"}
    recipe = read_recipe(str(words["recipe"])) if words.get("recipe") else {}
    return make_settings(_settings(), {**recipe, **own}, source="tune")


def _run(settings: TrainSettings) -> int:
    from pose_data import SettingsError
    from pose_train import MessageEvent, TrainEvent, TrainSettings, TrialEvent, TuneSettings, tune

    from pose_cli.console import messages, results
    from pose_cli.models import shipped_weights
    from pose_cli.progress import progress_shown

    if settings.name:
        raise SettingsError("tune: name is that of each trial; name the folder of the study with project=FOLDER")

    told: set[str] = set()

    def listen(event: TrainEvent | TrialEvent) -> None:
        """Print a line for each trial, and what runs say, once."""
        if isinstance(event, TrialEvent):
            messages().print(_trial_line(event), markup=False)
        elif not isinstance(event, MessageEvent):
            listener(event)
        elif event.text not in told:  # a hundred runs say the same
            told.add(event.text)
            listener(event)

    plain, how = _part(settings, TrainSettings), _part(settings, TuneSettings)
    if not plain.model:
        plain = replace(plain, model=str(shipped_weights()))
    try:
        with progress_shown() as listener:
            done = tune(plain, how, on_event=listen)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("interrupted; the same command goes on with the study") from stop
    for line in _summary(done):
        results().print(line, markup=False)
    return 0


def _part(settings: TrainSettings, kind: type[_S]) -> _S:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # both kinds are dataclasses
    return kind(**{name: getattr(settings, name) for name in names})


def _trial_line(event: TrialEvent) -> str:
    value = "" if event.value is None else f"  keypoint AP {event.value:.3f}"
    best = "  best so far" if event.best == event.number else ""
    why = f": {event.why}" if event.why else ""
    return f"trial {event.number + 1}/{event.trials}  {event.state}{value}  {_words(event.changes)}{best}{why}"


def _summary(done: TuneResult) -> list[str]:
    counts = f"{done.complete} trials complete, {done.pruned} stopped early, {done.failed} failed"
    return [
        f"{counts}; best keypoint AP {done.value:.3f} with {_words(done.changes)}",
        f"study: {done.study}, picture: {done.folder / 'study.png'}",
        f"train with the best settings: pose train recipe={shlex.quote(done.settings.as_posix())}",
    ]


def _words(changes: Mapping[str, object]) -> str:
    shown = {key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in changes.items()}
    return " ".join(f"{key}={value}" for key, value in shown.items())


command = WordsCommand("tune", settings=_words_settings, run=_run, help=HELP, places=("model", "data"), make=_make)
