"""A run told to experiment trackers, those that accelerate knows; none is used unless the settings name it."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

from pose_data import SettingsError, nearest_key

from pose_train.events import EpochEvent, Listener, MessageEvent, StartEvent, StepEvent, TrainEvent
from pose_train.settings import TrainSettings
from pose_train.tables import loss_columns, metric_columns

STEPS_BETWEEN = 10  # a tracker on the other side of the world is too slow for every step
PROJECT = "pose"  # the name that trackers of many projects file runs under

Value = bool | int | float | str


class Tracker(Protocol):
    """What accelerate's trackers have in common."""

    def start(self) -> None:
        """Open a run."""
        ...

    def store_init_configuration(self, values: dict[str, Value]) -> None:
        """Keep the settings of the run."""
        ...

    def log(self, values: dict[str, float], step: int | None = None) -> None:
        """Add figures at a step."""
        ...

    def finish(self) -> None:
        """Close the run."""
        ...


@dataclasses.dataclass(frozen=True)
class TrackerKind:
    """One tracker by its name.

    Args:
        module: that must be importable.
        package: what pip installs.
        options: arguments of accelerate's class: for the run folder, and the folder that all runs are in.
    """

    module: str
    package: str
    options: Callable[[Path, Path], Mapping[str, object]]


# Whatever a tracker writes on this machine goes into the run folder, or beside the runs when they share it.
TRACKERS: Mapping[str, TrackerKind] = {
    "tensorboard": TrackerKind(
        "tensorboard", "tensorboard", lambda run, runs: {"run_name": "tensorboard", "logging_dir": str(run)}
    ),
    "mlflow": TrackerKind(
        "mlflow",
        "mlflow",
        lambda run, runs: {
            "experiment_name": PROJECT,
            "run_name": run.name,
            "logging_dir": (runs / "mlflow").absolute().as_uri(),
        },
    ),
    "wandb": TrackerKind("wandb", "wandb", lambda run, runs: {"run_name": PROJECT, "name": run.name, "dir": str(run)}),
    "clearml": TrackerKind("clearml", "clearml", lambda run, runs: {"run_name": PROJECT, "task_name": run.name}),
    "comet_ml": TrackerKind("comet_ml", "comet-ml", lambda run, runs: {"run_name": PROJECT}),
    "aim": TrackerKind("aim", "aim", lambda run, runs: {"run_name": run.name, "logging_dir": str(runs)}),
    "dvclive": TrackerKind(
        "dvclive", "dvclive", lambda run, runs: {"dir": str(run / "dvclive"), "dvcyaml": None, "save_dvc_exp": False}
    ),
}


def check_trackers(names: tuple[str, ...]) -> None:
    """Check that trackers are known and installed.

    Raises:
        SettingsError: one isn't.
    """
    for name in names:
        if name not in TRACKERS:
            near = nearest_key(name, TRACKERS)
            hint = f"did you mean '{near}'?" if near else "leave it out for none"
            if "," in name:
                hint = f"for several, write tracker=[{name}]"
            raise SettingsError(f"tracker must be one of {', '.join(TRACKERS)}; got '{name}'; {hint}")
        kind = TRACKERS[name]
        if importlib.util.find_spec(kind.module) is None:
            raise SettingsError(
                f"tracker: '{name}' needs a package that isn't installed; install it with: pip install {kind.package}"
            )


@contextmanager
def tracked(settings: TrainSettings, listener: Listener, *, here: bool = True) -> Iterator[Listener]:
    """Give a listener that tells everything to another one, and figures to the trackers that the settings name.

    Args:
        settings: of the run.
        listener: told first.
        here: whether this is the process that tells.

    Raises:
        SettingsError: a tracker is unknown, not installed, or can't be started.
    """
    check_trackers(settings.tracker)
    if not settings.tracker or not here:
        yield listener
        return
    told = _Trackers(settings, listener)
    try:
        yield told
    finally:
        told.finish()


class _Trackers:
    def __init__(self, settings: TrainSettings, listener: Listener) -> None:
        self.settings, self.listener = settings, listener
        self.open: dict[str, Tracker] = {}
        self.step = 0

    def __call__(self, event: TrainEvent) -> None:
        self.listener(event)
        if isinstance(event, StartEvent) and not self.open:
            self._start(event.run_folder)
        elif isinstance(event, StepEvent):
            self.step = (event.epoch - 1) * event.steps + event.step
            if event.step % STEPS_BETWEEN == 0 or event.step == event.steps:
                self._log({f"step/{name}": value for name, value in event.losses.items()})
        elif isinstance(event, EpochEvent):
            self._log(_epoch_values(event))

    def finish(self) -> None:
        """Close all trackers, which may be all that sends what they have."""
        for name, tracker in self.open.items():
            self._try(name, tracker.finish)
        self.open = {}

    def _start(self, run_folder: Path) -> None:
        for name in dict.fromkeys(self.settings.tracker):
            try:
                self.open[name] = _start_tracker(name, run_folder, self.settings)
            except Exception as error:
                raise SettingsError(
                    f"tracker: '{name}' can't be started ({type(error).__name__}: {error}); set it up as its makers "
                    "say, or leave it out"
                ) from error

    def _log(self, values: dict[str, float]) -> None:
        for name, tracker in list(self.open.items()):
            if not self._try(name, functools.partial(tracker.log, values, step=self.step)):
                del self.open[name]

    def _try(self, name: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - no tracker, nor the network, may end a run of days
            reason = f"{type(error).__name__}: {error}"
            self.listener(MessageEvent(f"tracker: '{name}' failed ({reason}); the run goes on without it"))
            return False
        return True


def _start_tracker(name: str, run_folder: Path, settings: TrainSettings) -> Tracker:
    from accelerate import tracking

    runs = Path(settings.project).parent
    if name == "mlflow":
        _choose_mlflow_store(runs)
    kinds = cast("Mapping[str, Callable[..., Tracker]]", tracking.LOGGER_TYPE_TO_CLASS)
    tracker = kinds[name](**TRACKERS[name].options(run_folder, runs))
    tracker.start()
    tracker.store_init_configuration(
        {key: value if isinstance(value, Value) else str(value) for key, value in dataclasses.asdict(settings).items()}
    )
    return tracker


def _choose_mlflow_store(runs: Path) -> None:
    """Keep MLflow's records beside the runs, unless the user has said where they go."""
    import mlflow

    if not mlflow.is_tracking_uri_set():  # type: ignore[no-untyped-call]
        mlflow.set_tracking_uri(f"sqlite:///{(runs / 'mlflow.db').absolute().as_posix()}")


def _epoch_values(event: EpochEvent) -> dict[str, float]:
    values = loss_columns(event.losses) | ({} if event.metrics is None else metric_columns(event.metrics))
    values |= {"lr": event.learning_rate, "seconds": event.seconds, "epoch": event.epoch}
    return {name: value for name, value in values.items() if math.isfinite(value)}
