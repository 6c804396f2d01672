"""The file of a study: how it is opened, which of its trials were killed, and what its errors mean."""

from __future__ import annotations

import errno
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from optuna import Study, create_study, logging
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.pruners import MedianPruner
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import TrialState
from pose_data import PoseError, SettingsError

from pose_train.tuning import TuneSettings

STUDY = "pose"  # the name of the one study in a file
WAIT_FOR_LOCK = 120  # seconds that a process waits while another one writes into the file
HEARTBEAT = 30  # seconds after which a process says that it is still there
GRACE = 2 * HEARTBEAT  # seconds after which a trial that says nothing is given up
_NEVER_HEARD_OF = (
    "SELECT number FROM trials LEFT JOIN trial_heartbeats USING (trial_id) "
    "WHERE state = 'RUNNING' AND heartbeat IS NULL"
)


def open_study(file: Path, how: TuneSettings) -> Study:
    """Open a study, or begin one.

    Raises:
        SettingsError: the file is something else.
        Exception: the disk is full, which `study_errors_explained` says in a line.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    logging.set_verbosity(logging.ERROR)  # each trial, and why it failed, is told to the listener
    for last_try in (False, False, True):
        try:
            return _open_study(file, how)
        except Exception as error:
            if _is_full_disk(error):
                _remove_empty(file)
                raise
            if last_try:
                raise SettingsError(
                    f"{file}: must be a study of Optuna, in SQLite; got {type(error).__name__}: "
                    f"{_first_line(error)}; remove it, or name another folder with project="
                ) from error
            time.sleep(1.0)  # another process may be making the same file at this moment
    raise AssertionError("the last try returns or raises")


def fail_killed_trials(study: Study, file: Path) -> None:
    """Count the running trials that nothing was heard of for a minute as failed; their processes were killed.

    Optuna does so, but for one that was killed before anything was heard of it.
    """
    with _experiments_allowed():
        fail_stale_trials(study)
    latest = datetime.now() - timedelta(seconds=GRACE)
    running = study.get_trials(states=(TrialState.RUNNING,), deepcopy=False)
    old = [trial.number for trial in running if trial.datetime_start is not None and trial.datetime_start < latest]
    for number in set(old) & _never_heard_of(file) if old else ():
        study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def was_given_up(error: Exception) -> bool:
    """Whether an error says that another process has counted the trial as killed while it was running."""
    return any(str(one) == "Cannot tell a FAIL trial." for one in _led_to(error))


@contextmanager
def study_errors_explained(file: Path) -> Iterator[None]:
    """Turn a full disk, and other errors of a study's file, into a sentence with the way out.

    Raises:
        PoseError: the disk is full, or the file can't be read or written.
    """
    try:
        yield
    except Exception as error:
        if _is_full_disk(error):
            raise PoseError(
                f"{file.parent}: the disk is full; free some space, and the same command goes on with the study"
            ) from error
        cause = next((one for one in _led_to(error) if isinstance(one, sqlite3.Error)), None)
        if cause is None or isinstance(error, PoseError):
            raise
        raise PoseError(
            f"{file}: can't be read or written ({_first_line(cause)}); "
            "see to it, and the same command goes on with the study"
        ) from error


class _Storage(RDBStorage):
    """A file that a trial may fail to say into that it is still there; what it writes next says why."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Note that a trial is still there, if that can be written."""
        with suppress(StorageInternalError):
            super().record_heartbeat(trial_id)


def _open_study(file: Path, how: TuneSettings) -> Study:
    with _experiments_allowed():
        storage = _Storage(
            f"sqlite:///{file.absolute().as_posix()}",
            engine_kwargs={"connect_args": {"timeout": WAIT_FOR_LOCK}},
            heartbeat_interval=HEARTBEAT,
            grace_period=GRACE,
        )
    pruner = MedianPruner(n_startup_trials=how.startup, n_warmup_steps=how.prune_after)
    return create_study(storage=storage, study_name=STUDY, direction="maximize", load_if_exists=True, pruner=pruner)


def _never_heard_of(file: Path) -> set[int]:
    """Numbers of the running trials that never said that they are there."""
    with closing(sqlite3.connect(file, timeout=WAIT_FOR_LOCK)) as connection:
        return {number for (number,) in connection.execute(_NEVER_HEARD_OF)}


@contextmanager
def _experiments_allowed() -> Iterator[None]:
    """Optuna calls its heartbeat experimental, as it has for years; users of this package can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _is_full_disk(error: BaseException) -> bool:
    """Whether an error, or one that led to it, is that of a full disk."""
    # SQLite's error has no number in Python 3.10.
    full = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no quota of its own
    return any(getattr(one, "errno", None) in full or "disk is full" in str(one) for one in _led_to(error))


def _led_to(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that led to it; Optuna shows some of SQLite's as an assertion that failed."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _remove_empty(file: Path) -> None:
    with suppress(OSError):
        if not file.stat().st_size:
            file.unlink()


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
