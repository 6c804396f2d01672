"""The study behind a search over settings: what Optuna draws, what it is told, and what it keeps."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from optuna import Study, Trial, TrialPruned
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState
from pose_data import Samples, SettingsError

from pose_train.events import EpochEvent, MessageEvent, StartEvent, TrainEvent
from pose_train.failures import TrainingError
from pose_train.run_folder import RunFolder
from pose_train.settings import MOST_SEED, TrainSettings
from pose_train.training import WAY_ON, check_training, train
from pose_train.tune_file import fail_killed_trials, open_study, study_errors_explained, was_given_up
from pose_train.tune_pictures import write_study_picture
from pose_train.tune_recipe import NO_RESULT_DEPENDS_ON, write_recipe
from pose_train.tune_space import Search as SearchOver
from pose_train.tune_space import SearchChoices, Value, describe_space, is_whole, least, make_space
from pose_train.tuning import TrialEvent, TrialOutcome, TuneListener, TuneResult, TuneSettings

FAILURES_IN_A_ROW = 5  # after which the next trial isn't worth its time either
RECIPE_FILE = "best.yaml"
LOOK_AGAIN = 2.0  # seconds after which a process that waits for the trials of others looks at them again

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
        self.folder, self.file = Path(settings.project), study_file(settings)
        self.failures, self.in_a_row, self.why, self.waits_for = 0, 0, "", 0
        self.began = time.monotonic()
        if not self.file.exists():
            check_training(changed(self.settings, least(self.space)), *samples)
        self.study = open_study(self.file, how)
        self._agree()

    def run(self) -> None:
        """Begin trials until there are enough, or too many of them fail, and wait for those of other processes."""
        while not self._hopeless():
            running, ended = self._count_running(), self._count(TrialState.COMPLETE, TrialState.PRUNED)
            if ended >= self.how.trials:
                return
            if self._hours_over():
                self._tell_hours()
                return
            if ended + running < self.how.trials:
                self._begin_trial()
            else:
                self._wait_for(running)
        self.listener(
            MessageEvent(f"trials that failed: {self.failures}, of them in a row: {self.in_a_row}; no more begin")
        )

    def result(self) -> TuneResult:
        """Write what was found, and say it.

        Raises:
            SettingsError: no trial has a result.
        """
        if not self._count(TrialState.COMPLETE):
            raise SettingsError(f"{self.file}: must have a trial that came to its end; got none; {self._why_none()}")
        best = self.study.best_trial
        self._write_found()
        return TuneResult(
            folder=self.folder,
            study=self.file,
            complete=self._count(TrialState.COMPLETE),
            pruned=self._count(TrialState.PRUNED),
            failed=self._count(TrialState.FAIL),
            value=best.values[0],
            changes=dict(best.params),
            settings=self.folder / RECIPE_FILE,
        )

    def _begin_trial(self) -> None:
        try:
            self.study.optimize(self._run_trial, n_trials=1, catch=(TrainingError,), callbacks=[self._tell])
        except Exception as error:
            if not was_given_up(error):
                raise
            heard = "nothing was heard of it for a minute"  # as on a machine that was asleep
            self.listener(MessageEvent(f"the trial doesn't count: {heard}, and another process took it for killed"))

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
            with study_errors_explained(self.file):  # a full disk is no failure of this trial alone
                train(settings, train_samples=learnt, val_samples=held_out, on_event=judge)
        except TrainingError as error:
            self.why = str(error).partition(WAY_ON)[0]  # a trial isn't gone on with
            raise
        finally:
            judge.remove_state()
        return judge.best

    def _tell(self, study: Study, trial: FrozenTrial) -> None:
        done = self._count(TrialState.COMPLETE)
        state = _OUTCOMES[trial.state]
        value = None if state == "failed" else max(trial.intermediate_values.values(), default=None)
        best = study.best_trial.number if done else None
        failed = state == "failed"
        self.failures, self.in_a_row = self.failures + failed, (self.in_a_row + 1) * failed
        why = self.why if failed else None
        if done and not failed:
            self._write_found()
        self.listener(TrialEvent(trial.number, self.how.trials, state, value, dict(trial.params), best, why))

    def _hopeless(self) -> bool:
        """Whether so many trials of this process have failed that the next ones will."""
        return self.in_a_row >= FAILURES_IN_A_ROW or self.failures >= self.how.trials

    def _wait_for(self, running: int) -> None:
        """Wait a moment for trials of other processes, and say so when their number is another one."""
        if running != self.waits_for:
            what = "1 trial is still running elsewhere; waiting for it"
            if running > 1:
                what = f"{running} trials are still running elsewhere; waiting for them"
            self.listener(MessageEvent(f"{what} (one that was killed is made up for after a minute)"))
        self.waits_for = running
        time.sleep(LOOK_AGAIN)

    def _hours_over(self) -> bool:
        return self.how.hours is not None and time.monotonic() - self.began >= self.how.hours * 3600

    def _tell_hours(self) -> None:
        if self._count(TrialState.COMPLETE):  # without, the error says it
            self.listener(MessageEvent(f"{self.how.hours:g} hours are over; the same command goes on"))

    def _why_none(self) -> str:
        if self.why:
            return f"{self.failures} failed, the last one as {self.why}"
        if self._hours_over():
            return f"{self.how.hours:g} hours are over; the same command with more hours goes on"
        return "give more trials"

    def _count_running(self) -> int:
        fail_killed_trials(self.study, self.file)
        return self._count(TrialState.RUNNING)

    def _count(self, *states: TrialState) -> int:
        return len(self.study.get_trials(states=states, deepcopy=False))

    def _agree(self) -> None:
        """Refuse to mix trials that can't be compared; while there are none, new settings are kept."""
        mine = json.loads(json.dumps(dataclasses.asdict(self.settings) | {"space": describe_space(self.space)}))
        kept = self.study.user_attrs.get("settings")
        if kept is None or (kept != mine and not self._has_begun()):
            self.study.set_user_attr("settings", mine)
            return
        for key in [key for key in mine if key not in NO_RESULT_DEPENDS_ON and kept.get(key) != mine[key]]:
            raise SettingsError(
                f"{self.file}: must go on with {key}={kept.get(key)}, as it was begun; got {mine[key]}; "
                "begin another study with project=FOLDER"
            )

    def _has_begun(self) -> bool:
        """Whether there are trials that have a result or will have one."""
        return bool(self._count_running() or self._count(TrialState.COMPLETE, TrialState.PRUNED))

    def _write_found(self) -> None:
        """Write the best trial so far as a recipe, and the picture."""
        best = self.study.best_trial
        write_recipe(self.folder / RECIPE_FILE, changed(self.settings, best.params), found=best.params)
        try:
            write_study_picture(self.folder, self.study)
        except Exception as error:  # noqa: BLE001 - whatever it is, the search is worth more than its picture
            self.listener(MessageEvent(f"no picture of the study: {type(error).__name__}: {error}"))


class _Judge:
    """Tells the study the AP of each epoch, stops the run when it isn't worth its time, and clears up after it."""

    def __init__(self, trial: Trial, prune: bool, listener: TuneListener) -> None:
        self.trial, self.prune, self.listener = trial, prune, listener
        self.best = 0.0
        self.folder: RunFolder | None = None

    def __call__(self, event: TrainEvent) -> None:
        if isinstance(event, StartEvent):
            self.folder = RunFolder(event.run_folder)
        self.listener(event)
        if not isinstance(event, EpochEvent) or event.metrics is None:
            return
        ap = max(event.metrics.keypoints.ap, 0.0)
        self.best = max(self.best, ap)
        self.trial.report(ap, event.epoch)
        if self.prune and event.epoch < event.epochs and self.trial.should_prune():
            raise TrialPruned

    def remove_state(self) -> None:
        """Remove what only a run that goes on needs, which a trial never does."""
        if self.folder is not None:
            self.folder.state.unlink(missing_ok=True)


def study_file(settings: TrainSettings) -> Path:
    """Where the study of a search is."""
    return Path(settings.project) / "study.db"


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
