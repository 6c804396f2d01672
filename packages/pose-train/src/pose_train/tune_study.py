"""The study behind a search over settings: what Optuna draws, what it is told, and what it keeps."""

from __future__ import annotations

import dataclasses
import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import yaml
from optuna import Study, Trial, TrialPruned, create_study, logging
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState
from pose_data import Samples, SettingsError, atomic_path

from pose_train.events import EpochEvent, MessageEvent, TrainEvent
from pose_train.failures import TrainingError
from pose_train.settings import MOST_SEED, TrainSettings
from pose_train.training import check_training, train
from pose_train.tune_pictures import write_study_picture
from pose_train.tune_space import Search as SearchOver
from pose_train.tune_space import SearchChoices, Value, describe_space, is_whole, least, make_space
from pose_train.tuning import TrialEvent, TrialOutcome, TuneListener, TuneResult, TuneSettings

STUDY = "pose"  # the name of the one study in a file
STUDY_FILE = "study.db"
WAIT_FOR_LOCK = 120  # seconds that a process waits while another one writes into the file
HEARTBEAT = 30  # seconds after which a process says that it is still there; a trial without is given up after twice
FAILURES_IN_A_ROW = 5  # after which the next trial isn't worth its time either
NO_RESULT_DEPENDS_ON = ("device", "workers", "cache", "plots", "tracker", "exist_ok", "save_period", "project")

_OUTCOMES: Mapping[TrialState, TrialOutcome] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class Search:
    """One process's part in a study."""

    def __init__(
        self,
        settings: TrainSettings,
        how: TuneSettings,
        *,
        samples: tuple[Samples | None, Samples | None],
        listener: TuneListener,
    ) -> None:
        self.space = make_space(how.space)
        self.settings, self.how, self.samples, self.listener = _prepared(settings, self.space), how, samples, listener
        self.folder = Path(settings.project)
        self.failures, self.in_a_row, self.why = 0, 0, ""
        file = self.folder / STUDY_FILE
        if not file.exists():
            check_training(changed(self.settings, least(self.space)), *samples)
        self.study = open_study(file, how)
        self._agree()

    def run(self) -> None:
        """Begin trials until there are enough, or too many of them fail."""
        began = time.monotonic()
        while self._taken() < self.how.trials and not self._hopeless():
            if self.how.hours is not None and time.monotonic() - began > self.how.hours * 3600:
                self.listener(MessageEvent(f"{self.how.hours:g} hours are over; the same command goes on"))
                return
            self.study.optimize(self._run_trial, n_trials=1, catch=(TrainingError,), callbacks=[self._tell])
        if self._hopeless():
            self.listener(
                MessageEvent(f"{self.failures} trials failed, {self.in_a_row} of them in a row: no more begin")
            )

    def result(self) -> TuneResult:
        """Write what was found, and say it.

        Raises:
            SettingsError: no trial has a result.
        """
        counts = {state: len(self.study.get_trials(states=(state,), deepcopy=False)) for state in TrialState}
        if not counts[TrialState.COMPLETE]:
            said = f"{self.failures} failed, the last one as {self.why}" if self.why else "give more trials"
            raise SettingsError(f"{self.folder / STUDY_FILE}: must have a trial that came to its end; got none; {said}")
        best = self.study.best_trial
        write_study_picture(self.folder, self.study)
        return TuneResult(
            folder=self.folder,
            study=self.folder / STUDY_FILE,
            complete=counts[TrialState.COMPLETE],
            pruned=counts[TrialState.PRUNED],
            failed=counts[TrialState.FAIL],
            value=best.values[0],
            changes=dict(best.params),
            settings=self._write_best(best.params),
        )

    def _run_trial(self, trial: Trial) -> float:
        # What is drawn depends on the seed, the trial and the results so far, so two processes never draw the same.
        seed = (self.settings.seed + trial.number) % (MOST_SEED + 1)
        self.study.sampler = TPESampler(n_startup_trials=self.how.startup, multivariate=False, seed=seed)
        changes = {key: _draw(trial, key, search) for key, search in self.space.items()}
        judge = _Judge(trial, self.how.prune, self.listener)
        settings = dataclasses.replace(changed(self.settings, changes), name=f"trial{trial.number}")
        self._agree()  # again, for another process may have begun the study in the meantime
        learnt, held_out = self.samples
        try:
            train(settings, train_samples=learnt, val_samples=held_out, on_event=judge)
        except TrainingError as error:
            self.why = str(error)
            raise
        return judge.best

    def _tell(self, study: Study, trial: FrozenTrial) -> None:
        done = study.get_trials(states=(TrialState.COMPLETE,), deepcopy=False)
        state = _OUTCOMES[trial.state]
        value = None if state == "failed" else max(trial.intermediate_values.values(), default=None)
        best = study.best_trial.number if done else None
        failed = state == "failed"
        self.failures, self.in_a_row = self.failures + failed, (self.in_a_row + 1) * failed
        why = self.why if failed else None
        self.listener(TrialEvent(trial.number, self.how.trials, state, value, dict(trial.params), best, why))

    def _hopeless(self) -> bool:
        """Whether so many trials of this process have failed that the next ones will."""
        return self.in_a_row >= FAILURES_IN_A_ROW or self.failures >= self.how.trials

    def _taken(self) -> int:
        """Trials that have a result or will have one."""
        with _experiments_allowed():
            fail_stale_trials(self.study)  # those of processes that were killed
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        return len(self.study.get_trials(states=states, deepcopy=False))

    def _agree(self) -> None:
        """Refuse to mix trials that can't be compared; while there are none, new settings are kept."""
        mine = json.loads(json.dumps(dataclasses.asdict(self.settings) | {"space": describe_space(self.space)}))
        kept = self.study.user_attrs.get("settings")
        if kept is None or (kept != mine and not self._taken()):
            self.study.set_user_attr("settings", mine)
            return
        for key in [key for key in mine if key not in NO_RESULT_DEPENDS_ON and kept.get(key) != mine[key]]:
            raise SettingsError(
                f"{self.folder / STUDY_FILE}: must go on with {key}={kept.get(key)}, as it was begun; got {mine[key]}; "
                "begin another study with project=FOLDER"
            )

    def _write_best(self, changes: dict[str, Value]) -> Path:
        best = dataclasses.replace(changed(self.settings, changes), project="runs/train")
        values = {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(best).items()}
        with atomic_path(self.folder / "best.yaml") as temporary:
            temporary.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return self.folder / "best.yaml"


class _Judge:
    """Tells the study the AP of each epoch, and stops the run when it isn't worth its time."""

    def __init__(self, trial: Trial, prune: bool, listener: TuneListener) -> None:
        self.trial, self.prune, self.listener = trial, prune, listener
        self.best = 0.0

    def __call__(self, event: TrainEvent) -> None:
        self.listener(event)
        if not isinstance(event, EpochEvent) or event.metrics is None:
            return
        ap = max(event.metrics.keypoints.ap, 0.0)
        self.best = max(self.best, ap)
        self.trial.report(ap, event.epoch)
        if self.prune and event.epoch < event.epochs and self.trial.should_prune():
            raise TrialPruned


def open_study(file: Path, how: TuneSettings) -> Study:
    """Open a study, or begin one.

    Raises:
        SettingsError: the file is something else.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    logging.set_verbosity(logging.ERROR)  # each trial, and why it failed, is told to the listener
    for last_try in (False, False, True):
        try:
            return _open_study(file, how)
        except Exception as error:
            if last_try:
                raise SettingsError(
                    f"{file}: must be a study of Optuna, in SQLite; got {type(error).__name__}: "
                    f"{str(error).splitlines()[0]}; remove it, or name another folder with project="
                ) from error
            time.sleep(1.0)  # another process may be making the same file at this moment
    raise AssertionError("the last try returns or raises")


def _open_study(file: Path, how: TuneSettings) -> Study:
    with _experiments_allowed():
        storage = RDBStorage(
            f"sqlite:///{file.absolute().as_posix()}",
            engine_kwargs={"connect_args": {"timeout": WAIT_FOR_LOCK}},
            heartbeat_interval=HEARTBEAT,
            grace_period=2 * HEARTBEAT,
        )
    pruner = MedianPruner(n_startup_trials=how.startup, n_warmup_steps=how.prune_after)
    return create_study(storage=storage, study_name=STUDY, direction="maximize", load_if_exists=True, pruner=pruner)


@contextmanager
def _experiments_allowed() -> Iterator[None]:
    """Optuna calls its heartbeat experimental, as it has for years; users of this package can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _prepared(settings: TrainSettings, space: Mapping[str, SearchOver]) -> TrainSettings:
    """The settings of all trials.

    Raises:
        SettingsError: settings with which nothing can be compared.
    """
    if not settings.val or settings.resume:
        what = "val must be on, as trials are judged by it" if not settings.val else "resume has no meaning in a search"
        raise SettingsError(f"tune: {what}; leave it out. A study goes on by itself when its command is repeated")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingsError(
            "tune must be started as a plain command; got several processes of one run; start the same command "
            "several times, and they share the study"
        )
    if settings.optimizer == "auto" and "lr0" in space:
        nominal = settings.nbs or settings.batch  # as auto has it for AdamW
        return dataclasses.replace(settings, optimizer="AdamW", momentum=0.9, warmup_bias_lr=0.0, nbs=nominal)
    return settings


def changed(settings: TrainSettings, changes: Mapping[str, Value]) -> TrainSettings:
    """Put what was drawn into settings; a nominal batch that is the batch itself stays so."""
    nominal = {"nbs": changes["batch"]} if "batch" in changes and settings.nbs == settings.batch else {}
    return dataclasses.replace(settings, **{**nominal, **changes})  # type: ignore[arg-type]


def _draw(trial: Trial, key: str, search: SearchOver) -> Value:
    if isinstance(search, SearchChoices):
        return cast(Value, trial.suggest_categorical(key, search.choices))
    if is_whole(key):
        return trial.suggest_int(key, int(search.low), int(search.high), log=search.log)
    return trial.suggest_float(key, search.low, search.high, log=search.log)
