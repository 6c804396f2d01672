"""Experiment trackers: what they are told, with their own packages writing real files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar

import pytest
from accelerate import PartialState, tracking
from pose_data import DrawnPeople, SettingsError
from pose_train import EpochEvent, MessageEvent, StartEvent, StepEvent, TrainSettings, train
from pose_train.trackers import TRACKERS, check_trackers, tracked

LOSSES = {"box": 1.5, "pose": 2.5}


def settings_in(folder: Path, *trackers: str) -> TrainSettings:
    return TrainSettings(project=str(folder / "runs" / "train"), tracker=trackers)


def tell_a_run(settings: TrainSettings) -> list[object]:
    """Tell the trackers of a run of two epochs of twelve steps; return what the caller's own listener was told."""
    PartialState(cpu=True)
    told: list[object] = []
    folder = Path(settings.project)
    folder.mkdir(parents=True)
    with tracked(settings, told.append) as listener:
        listener(StartEvent(folder))
        for epoch in (1, 2):
            for step in range(1, 13):
                listener(StepEvent(epoch, 2, step, 12, LOSSES, 10.0, 0.0))
            listener(EpochEvent(epoch, 2, LOSSES, None, 0.01 / epoch, 3.0, True))
    return told


class FakeTracker:
    """Notes what it is told; breaks when it is asked to."""

    made: ClassVar[list[FakeTracker]] = []
    breaks_at: str = ""

    def __init__(self, **options: object) -> None:
        self.options, self.logged, self.kept, self.finished = options, [], {}, False
        FakeTracker.made.append(self)

    def start(self) -> None:
        if self.breaks_at == "start":
            raise RuntimeError("no API key")

    def store_init_configuration(self, values: dict[str, object]) -> None:
        self.kept = values

    def log(self, values: dict[str, float], step: int | None = None) -> None:
        if self.breaks_at == "log":
            raise ConnectionError("no route")
        self.logged.append((step, values))

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def fake(monkeypatch) -> type[FakeTracker]:
    """A tracker that stands for Weights & Biases and for Aim."""
    monkeypatch.setattr(FakeTracker, "made", [])
    monkeypatch.setattr(FakeTracker, "breaks_at", "")
    for name in ("wandb", "aim"):
        monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, name, FakeTracker)
        monkeypatch.setitem(TRACKERS, name, dataclasses.replace(TRACKERS[name], module="json"))
    return FakeTracker


def test_no_tracker_is_on_unless_it_is_asked_for(tmp_path):
    assert TrainSettings().tracker == ()
    listener = [].append
    with tracked(settings_in(tmp_path), listener) as told:
        assert told is listener


def test_every_tracker_is_one_of_accelerates():
    assert set(TRACKERS) <= set(map(str, tracking.LOGGER_TYPE_TO_CLASS))


def test_an_unknown_tracker_gets_the_nearest_right_one():
    with pytest.raises(SettingsError, match="got 'tensorbord'; did you mean 'tensorboard'"):
        check_trackers(("tensorbord",))


def test_a_tracker_that_is_not_installed_says_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(TRACKERS, "aim", dataclasses.replace(TRACKERS["aim"], module="no_such_module"))
    with pytest.raises(SettingsError, match=r"'aim' needs a package that isn't installed.*: pip install aim"):
        check_trackers(("aim",))


def test_a_tracker_is_checked_before_a_run_folder_is_made(tmp_path):
    settings = dataclasses.replace(settings_in(tmp_path, "nobody"), device="cpu", imgsz=64)
    people = DrawnPeople(2, size=64)
    with pytest.raises(SettingsError, match="tracker must be one of"):
        train(settings, train_samples=people, val_samples=people)
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_gets_settings_steps_and_epochs(fake, tmp_path):
    told = tell_a_run(settings_in(tmp_path, "wandb"))
    (tracker,) = fake.made
    assert tracker.kept["epochs"] == 100
    assert tracker.options["dir"] == str(tmp_path / "runs" / "train")
    assert [step for step, _ in tracker.logged] == [10, 12, 12, 22, 24, 24]
    assert tracker.logged[0][1] == {"step/box": 1.5, "step/pose": 2.5}
    assert tracker.logged[5][1] == {"loss/box": 1.5, "loss/pose": 2.5, "lr": 0.005, "seconds": 3.0, "epoch": 2}
    assert tracker.finished
    assert len(told) == 27


def test_several_trackers_are_told_the_same(fake, tmp_path):
    tell_a_run(settings_in(tmp_path, "wandb", "aim"))
    first, second = fake.made
    assert first.logged == second.logged


def test_a_tracker_that_cannot_start_ends_the_run_with_one_line(fake, tmp_path):
    fake.breaks_at = "start"
    with pytest.raises(SettingsError, match=r"tracker: 'wandb' can't be started .*no API key"):
        tell_a_run(settings_in(tmp_path, "wandb"))


def test_a_tracker_that_breaks_later_is_told_once_and_the_run_goes_on(fake, tmp_path):
    fake.breaks_at = "log"
    told = tell_a_run(settings_in(tmp_path, "wandb"))
    messages = [event.text for event in told if isinstance(event, MessageEvent)]
    assert messages == ["tracker: 'wandb' failed (ConnectionError: no route); the run goes on without it"]
    assert isinstance(told[-1], EpochEvent)


def test_a_tracker_that_was_given_up_is_among_the_messages_of_the_run(fake, tmp_path):
    fake.breaks_at = "log"
    plain = {"epochs": 1, "imgsz": 64, "batch": 2, "workers": 0, "device": "cpu", "plots": False, "val": False}
    people = DrawnPeople(2, size=64)
    result = train(dataclasses.replace(settings_in(tmp_path, "wandb"), **plain), train_samples=people)
    assert "tracker: 'wandb' failed (ConnectionError" in (result.run_folder / "messages.txt").read_text(
        encoding="utf-8"
    )


def test_a_process_that_does_not_tell_opens_no_tracker(fake, tmp_path):
    with tracked(settings_in(tmp_path, "wandb"), [].append, here=False) as listener:
        listener(StartEvent(tmp_path))
    assert fake.made == []


def test_tensorboard_can_read_what_was_told(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tell_a_run(settings_in(tmp_path, "tensorboard"))
    written = event_accumulator.EventAccumulator(str(tmp_path / "runs" / "train" / "tensorboard"))
    written.Reload()
    assert [(e.step, e.value) for e in written.Scalars("loss/pose")] == [(12, 2.5), (24, 2.5)]
    assert [e.value for e in written.Scalars("lr")] == pytest.approx([0.01, 0.005])


def test_mlflow_can_read_what_was_told(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("alembic", reason="mlflow-skinny has no database of its own")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_tracking_uri("")
    tell_a_run(settings_in(tmp_path, "mlflow"))
    runs = mlflow.MlflowClient(tracking_uri=f"sqlite:///{(tmp_path / 'runs' / 'mlflow.db').as_posix()}")
    experiment = runs.get_experiment_by_name("pose")
    (run,) = runs.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["epochs"] == "100"
    assert [(m.step, m.value) for m in runs.get_metric_history(run.info.run_id, "loss/pose")] == [(12, 2.5), (24, 2.5)]


def test_a_real_run_leaves_its_figures_in_tensorboard(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plain = {"epochs": 1, "imgsz": 64, "batch": 2, "workers": 0, "device": "cpu", "plots": False}
    settings = TrainSettings(project=str(tmp_path / "run"), tracker=("tensorboard",), **plain)
    people = DrawnPeople(2, size=64)
    result = train(settings, train_samples=people, val_samples=people)
    written = event_accumulator.EventAccumulator(str(result.run_folder / "tensorboard"))
    written.Reload()
    assert {"loss/pose", "pose/ap", "box/ap", "lr"} <= set(written.Tags()["scalars"])
