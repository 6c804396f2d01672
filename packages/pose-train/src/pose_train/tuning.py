"""A search over settings: many short runs in one Optuna study, whose weak ones are stopped early."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pose_data import Samples, SettingsError, setting

from pose_train.events import TrainEvent
from pose_train.settings import TrainSettings
from pose_train.tune_space import Value

TrialOutcome = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class TuneSettings:
    """How a search is done; what all trials have in common is in TrainSettings."""

    trials: int = setting(30, "trials of the study, those of earlier and of other processes included", least=1)
    hours: float | None = setting(None, "hours after which this process begins no further trial", least=0)
    space: tuple[str, ...] = setting((), "settings to search over, or a YAML file with ranges; a default set if empty")
    startup: int = setting(5, "trials that draw at random before their results count", least=1)
    prune: bool = setting(True, "stop a trial whose AP is below the median of the others at the same epoch")
    prune_after: int = setting(2, "epochs that no trial is stopped in", least=0)


@dataclass(frozen=True)
class TrialEvent:
    """A trial ended.

    Args:
        number: of the trial, from 0.
        trials: how many there will be.
        state: how it ended.
        value: best keypoint AP on the validation images; None where none was measured.
        changes: the settings that were drawn.
        best: number of the best trial so far; None before the first.
        why: of a failed trial, what its run said.
    """

    number: int
    trials: int
    state: TrialOutcome
    value: float | None
    changes: Mapping[str, Value]
    best: int | None
    why: str | None = None


@dataclass(frozen=True)
class TuneResult:
    """What a search found.

    Args:
        folder: of the study, its pictures and the run folders of its trials.
        study: the SQLite file, which Optuna and its dashboard read.
        complete: trials that ran to their end.
        pruned: trials that were stopped early.
        failed: trials that could not go on.
        value: best keypoint AP.
        changes: the settings of the best trial that were drawn.
        settings: file with the settings of the best trial, a recipe.
    """

    folder: Path
    study: Path
    complete: int
    pruned: int
    failed: int
    value: float
    changes: Mapping[str, Value]
    settings: Path


TuneListener = Callable[[TrainEvent | TrialEvent], None]


def tune(
    settings: TrainSettings,
    how: TuneSettings | None = None,
    *,
    train_samples: Samples | None = None,
    val_samples: Samples | None = None,
    on_event: TuneListener | None = None,
) -> TuneResult:
    """Search over settings: each trial is a run of its own, judged by its best keypoint AP on the validation images.

    The study is `settings.project`/study.db. Where it is there already, it is continued; several processes may work
    on it at the same time, and each ends when all trials have ended. Values are drawn by a tree-structured Parzen
    estimator (Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011), and after each epoch a
    trial is stopped whose AP is below the median of what the others had there (Golovin et al., Google Vizier,
    KDD 2017).

    Args:
        settings: what all trials have in common; `optimizer=auto`, which sets its own rate, becomes AdamW where lr0
            is searched over.
        how: the search.
        train_samples: images to learn from, in place of those of settings.data.
        val_samples: images to judge by.
        on_event: called with everything that the runs tell, and with a TrialEvent after each trial.

    Raises:
        SettingsError: Optuna isn't installed, the space can't be used, the study has trials with other settings, or
            none came to its end.
        PoseError: what `train` raises, but for losses that are no numbers, which end a trial only; the search ends
            after five such trials in a row, or after as many as it was to have.
    """
    if importlib.util.find_spec("optuna") is None:
        raise SettingsError("tune needs a package that isn't installed; install it with: pip install optuna")
    from pose_train.tune_file import study_errors_explained
    from pose_train.tune_study import Search, study_file

    samples = (train_samples, val_samples)
    with study_errors_explained(study_file(settings)):
        search = Search(settings, how or TuneSettings(), samples=samples, listener=on_event or _ignore)
        search.run()
        return search.result()


def _ignore(_event: TrainEvent | TrialEvent) -> None:
    return None
