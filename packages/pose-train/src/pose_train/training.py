"""A training run from its settings to its weights."""

from __future__ import annotations

import dataclasses
import gc
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from pose_data import DRAWN_PEOPLE, PoseError, Samples, SettingsError, load_settings, whole_data_path

from pose_train.data import RunData, open_run_data, settle_flips
from pose_train.engine import Engine, make_engine, reproducible
from pose_train.events import Listener, MessageEvent, TrainEvent
from pose_train.failures import TrainingError, find_write_error
from pose_train.interrupts import Interrupts, noted_interrupts
from pose_train.loader import explain_lost_worker
from pose_train.messages import MessageLog
from pose_train.optimizer import freeze_layers, plan_optimizer
from pose_train.outcome import TrainResult
from pose_train.record import check_same_data, read_start_card
from pose_train.run import Run, check_fit
from pose_train.run_folder import RunFolder, check_place, claimed_run_folder, find_run_folder, wanted_place
from pose_train.settings import TrainSettings
from pose_train.start import Start, make_start, make_start_again
from pose_train.tables import check_table
from pose_train.trackers import check_trackers, tracked

WAY_ON = ", and go on with: pose train "


def train(
    settings: TrainSettings,
    *,
    train_samples: Samples | None = None,
    val_samples: Samples | None = None,
    on_event: Listener | None = None,
) -> TrainResult:
    """Train a network.

    Ctrl-C, or SIGTERM, ends the run after the step that is going on, with its state written; a second one, at once.

    Args:
        settings: of the run; with `resume`, those of the run that is continued are taken.
        train_samples: images to learn from, in place of the train split of settings.data.
        val_samples: images to validate on, in place of the val split of settings.data.
        on_event: called with every message, step, validated batch and epoch; of several processes, by one.

    Raises:
        PoseError: a setting, a data set or a checkpoint that can't be used, a file that can't be written, a loss that
            isn't finite, or a process that reads images and has ended.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    earlier = find_run_folder(settings) if settings.resume else None
    asked = settings.data
    settings = _as_begun(settings, earlier) if earlier else with_whole_paths(settings)
    if earlier:
        _check_data_there(settings, earlier, given=train_samples is not None)
    else:
        check_place(wanted_place(settings), numbered=not settings.exist_ok)
    settings, data = _settled(settings, open_run_data(settings, train_samples, val_samples))
    if train_samples is None and not earlier:
        data = dataclasses.replace(data, notes=(*_people_note(asked, settings.data), *data.notes))
    with reproducible(settings), noted_interrupts() as interrupts:
        engine = make_engine(settings)
        log = MessageLog(on_event or _ignore)
        told = log if engine.writes else _ignore
        with log.end_kept(), tracked(settings, told, here=engine.writes) as listener:
            job = _Job(data, engine, listener, interrupts)
            if earlier:
                with way_on_said(earlier):
                    return job.go_on(settings, earlier)
            with job.agreed_folder(settings) as folder, way_on_said(folder):
                return job.begin(settings, folder)


def check_training(settings: TrainSettings, train_samples: Samples | None, val_samples: Samples | None) -> None:
    """Check of a run what can be known before it begins: its place, data, device and network, and what they allow.

    Raises:
        PoseError: what `train` would raise at once.
    """
    check_place(Path(settings.project))
    check_trackers(settings.tracker)
    settings, data = _settled(settings, open_run_data(settings, train_samples, val_samples))
    data.learnt.skeleton.require_sigmas()
    net = make_start(settings, data.learnt).net
    check_fit(settings, data, net, make_engine(settings))
    freeze_layers(net.model, settings.freeze)
    plan_optimizer(settings, images=len(data.learnt), num_classes=net.num_classes)


def with_whole_paths(settings: TrainSettings) -> TrainSettings:
    """Write files and folders as absolute paths, so that the run can go on from another folder."""
    places = {name: getattr(settings, name) for name in ("model", "pretrained")}
    files = {name: str(Path(p).absolute()) for name, p in places.items() if isinstance(p, str) and Path(p).is_file()}
    files["data"] = whole_data_path(settings.data)
    return dataclasses.replace(settings, **files)  # type: ignore[arg-type]  # all three may be text


@dataclasses.dataclass(frozen=True)
class _Job:
    """What stays the same when a run is begun anew with a smaller batch."""

    data: RunData
    engine: Engine
    listener: Listener
    interrupts: Interrupts

    def begin(self, settings: TrainSettings, folder: RunFolder) -> TrainResult:
        """Start a new run; out of memory in its first epoch, start it again with half the batch."""
        while True:
            torch.manual_seed(settings.seed)
            run = self._prepare(settings, make_start(settings, self.data.learnt), folder)
            try:
                run.begin()
                return run.finish()
            except torch.OutOfMemoryError as error:
                settings = self._with_smaller_batch(run, settings, error)
            del run
            self._free_memory()

    def go_on(self, settings: TrainSettings, folder: RunFolder) -> TrainResult:
        """Continue a run, from its first step where it was stopped before it had written a state."""
        if not folder.state.exists():
            return self.begin(settings, folder)
        card = read_start_card(folder.record)
        for table in (folder.table, folder.times):
            check_table(table)
        check_same_data(folder.record, self.data)
        run = self._prepare(settings, make_start_again(card), folder)
        try:
            run.go_on()
            return run.finish()
        except torch.OutOfMemoryError as error:
            raise _out_of_memory(run, settings, world=self.engine.world) from error

    def _prepare(self, settings: TrainSettings, start: Start, folder: RunFolder) -> Run:
        for note in (*start.notes, *self.data.notes):
            self.listener(MessageEvent(note))
        return Run(
            settings,
            self.data,
            start,
            engine=self.engine,
            folder=folder,
            listener=self.listener,
            interrupts=self.interrupts,
        )

    @contextmanager
    def agreed_folder(self, settings: TrainSettings) -> Iterator[RunFolder]:
        """Claim a folder once, for all processes; it is gone again if the run can't begin."""
        with ExitStack() as claim:
            mine = str(claim.enter_context(claimed_run_folder(settings)).path) if self.engine.writes else ""
            yield RunFolder(Path(self.engine.gather(mine.encode())[0].decode()))

    def _with_smaller_batch(self, run: Run, settings: TrainSettings, error: torch.OutOfMemoryError) -> TrainSettings:
        """Halve the batch; more of them add up to the nominal one.

        Raises:
            TrainingError: later than in the first epoch, with a batch of one, or with several processes, of which the
                others would wait for this one for ever.
        """
        if run.progress.epoch or settings.batch == 1 or self.engine.world > 1:
            raise _out_of_memory(run, settings, world=self.engine.world) from error
        smaller = max(settings.batch // 2, 1)
        nominal = run.learner.plan.nbs
        again = f"starting again with {smaller}, which add up to {nominal} before a step"
        self.listener(MessageEvent(f"out of memory with a batch of {settings.batch}: {again}"))
        return dataclasses.replace(settings, batch=smaller, nbs=nominal)

    @staticmethod
    def _free_memory() -> None:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@contextmanager
def way_on_said(folder: RunFolder) -> Iterator[None]:
    """Say, where a file can't be written or a worker was killed, which command goes on with a run that can go on."""
    try:
        yield
    except RuntimeError as error:
        lost = explain_lost_worker(error)
        if not lost:
            raise
        fewer = f"lower 'workers:' in '{folder.settings}' (with 0 there are no such processes)"
        raise TrainingError(f"{lost}; {fewer}{WAY_ON}{folder.resume_word}") from error
    except PoseError as error:
        if not find_write_error(error) or not folder.state.exists():
            raise
        elsewhere = ", or name another place to write to"  # which a run that goes on doesn't take
        said = str(error).removesuffix(elsewhere)
        raise PoseError(f"{said}{WAY_ON}{folder.resume_word}") from error


def _out_of_memory(run: Run, settings: TrainSettings, *, world: int) -> TrainingError:
    shared = f" on {world} processes" if world > 1 else ""
    less = f"batch={settings.batch // 2}" if settings.batch > 1 else "a smaller imgsz"
    return TrainingError(
        f"out of memory in epoch {run.progress.epoch + 1}, with a batch of {settings.batch}{shared} at "
        f"{settings.imgsz} px; make room and go on with {run.folder.resume_word}, or begin again with {less}"
    )


def _as_begun(settings: TrainSettings, earlier: RunFolder) -> TrainSettings:
    """Take the settings of the run that goes on.

    Raises:
        SettingsError: another one was asked for.
    """
    begun = load_settings(TrainSettings, earlier.settings)
    for field in dataclasses.fields(TrainSettings):
        asked, kept = getattr(settings, field.name), getattr(begun, field.name)
        if field.name not in ("resume", "model") and asked not in (field.default, kept):
            moved = f"; {_where_data_are_named(earlier)}" if field.name == "data" else ""
            raise SettingsError(
                f"resume: '{earlier.path}' goes on with {field.name}={kept}; got {asked}; leave it out, or begin "
                f"another run with model={shlex.quote(earlier.last.as_posix())}{moved}"
            )
    project = earlier.path.parent if begun.name else earlier.path  # from where it is now, for what is beside it
    return dataclasses.replace(begun, resume=settings.resume, project=str(project))


def _check_data_there(settings: TrainSettings, earlier: RunFolder, *, given: bool) -> None:
    """Check that the data of a run that goes on lie where they were, unless they are given.

    Raises:
        SettingsError: nothing lies there.
    """
    if not given and Path(settings.data).is_absolute() and not Path(settings.data).exists():
        raise SettingsError(
            f"resume: the data must lie where they did when the run began; got nothing at '{settings.data}'; put them "
            f"back; {_where_data_are_named(earlier)}"
        )


def _where_data_are_named(earlier: RunFolder) -> str:
    return f"where they have moved, write their new place behind 'data:' in '{earlier.settings}'"


def _settled(settings: TrainSettings, data: RunData) -> tuple[TrainSettings, RunData]:
    """Settle what the settings leave to the data, and note it with them."""
    settings, notes = settle_flips(settings, data.learnt.skeleton)
    return settings, dataclasses.replace(data, notes=(*data.notes, *notes))


def _people_note(asked: str, taken: str) -> tuple[str, ...]:
    """Say which data set 'people' is, where something else of that name is there as well."""
    if asked != DRAWN_PEOPLE or not Path(asked).exists():
        return ()
    if taken == asked:
        return (f"data={asked}: the drawn people that come along; the folder '{asked}' here holds no data YAML",)
    return (f"data={asked}: the folder '{taken}', not the drawn people of that name",)


def _ignore(_event: TrainEvent) -> None:
    return None
