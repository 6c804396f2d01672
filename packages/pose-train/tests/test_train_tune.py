"""A search over settings: real studies in SQLite, of runs so small that they say nothing."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from pose_data import DrawnPeople, PoseError, SettingsError, load_settings, read_image
from pose_train import (
    DEFAULT_SPACE,
    EpochEvent,
    MessageEvent,
    SearchChoices,
    SearchRange,
    StartEvent,
    TrainingError,
    TrainSettings,
    TrialEvent,
    TuneSettings,
    make_space,
    make_train_settings,
    tune,
)

PEOPLE = DrawnPeople(2, size=64, seed=1)
PLAIN = {"epochs": 1, "imgsz": 64, "batch": 2, "workers": 0, "device": "cpu", "plots": False}


def settings_in(folder: Path, **changes: object) -> TrainSettings:
    return TrainSettings(project=str(folder / "study"), **{**PLAIN, **changes})


def search(settings: TrainSettings, how: TuneSettings, on_event=None):
    return tune(settings, how, train_samples=PEOPLE, val_samples=PEOPLE, on_event=on_event)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_choice_the_whole_default_space_is_searched():
    assert make_space(()) == DEFAULT_SPACE


def test_the_default_space_holds_values_that_the_settings_can_have():
    for name, over in DEFAULT_SPACE.items():
        metadata = TrainSettings.__dataclass_fields__[name].metadata
        assert over.low >= metadata.get("min", -1e9)
        assert over.high <= metadata.get("max", 1e9)


def test_a_search_with_the_largest_seed_has_more_than_one_trial(tmp_path):
    pytest.importorskip("optuna")
    found = search(settings_in(tmp_path, seed=2**32 - 1), TuneSettings(trials=2, space=("scale",)))
    assert found.complete == 2


def test_settings_are_chosen_by_name():
    assert make_space(("scale",)) == {"scale": DEFAULT_SPACE["scale"]}


def test_an_unknown_name_gets_the_nearest_right_one():
    with pytest.raises(SettingsError, match="got 'mosaik'; did you mean 'mosaic'"):
        make_space(("mosaik",))


def test_a_file_says_ranges_and_choices(tmp_path):
    text = "lr0: {low: 1e-4, high: 1e-2, log: true}\nmosaic: [0, 1]\noptimizer: {choices: [SGD, AdamW]}\n"
    assert make_space((str(write(tmp_path / "space.yaml", text)),)) == {
        "lr0": SearchRange(1e-4, 1e-2, log=True),
        "mosaic": SearchRange(0, 1),
        "optimizer": SearchChoices(("SGD", "AdamW")),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mosaic: [0, 2]", r"space.yaml: mosaic must be from 0 to 1; got 2\.0"),
        ("mosaik: [0, 1]", "no setting 'mosaik'; did you mean 'mosaic'"),
        ("mosaic: 1", r"mosaic must be \[low, high\]"),
        ("scale: [0.5, 0.1]", "scale must have low < high; got 0.5 and 0.1"),
        ("lr0: {low: 0, high: 1, log: true}", "must have 0 < low < high for log"),
        ("lr0: {low: 0, hihg: 1}", "no setting 'hihg'; did you mean 'high'"),
        ("optimizer: {choices: [Magic]}", "optimizer must be one of"),
        ("seed: [0, 9]", "seed must stay the same in all trials"),
        ("", "must name the settings to search over"),
    ],
)
def test_a_space_that_cannot_be_used_is_refused_with_its_line(text, message, tmp_path):
    with pytest.raises(SettingsError, match=message):
        make_space((str(write(tmp_path / "space.yaml", text)),))


def test_without_optuna_the_command_that_installs_it_is_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="install it with: pip install optuna"):
        tune(TrainSettings())


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study of three trials over two settings: its folder, its result and what was told."""
    pytest.importorskip("optuna")
    folder = tmp_path_factory.mktemp("tune")
    events: list[object] = []
    result = search(settings_in(folder), TuneSettings(trials=3, space=("lr0", "scale")), events.append)
    return folder, result, events


def test_a_trial_keeps_its_weights_alone(studied):
    folder, _, _ = studied
    kept = {file.name for file in (folder / "study").glob("trial*/weights/*")}
    assert kept == {"best.safetensors", "last.safetensors"}


def test_every_trial_is_a_run_with_settings_of_its_own(studied):
    folder, result, events = studied
    runs = [load_settings(TrainSettings, folder / "study" / f"trial{i}" / "settings.yaml") for i in range(3)]
    told = [event.changes for event in events if isinstance(event, TrialEvent)]
    assert [{"lr0": run.lr0, "scale": run.scale} for run in runs] == told
    assert len({run.lr0 for run in runs}) == 3
    assert {(run.optimizer, run.nbs) for run in runs} == {("AdamW", run.batch) for run in runs}
    assert (result.complete, result.pruned, result.failed) == (3, 0, 0)


def test_the_best_trial_is_written_as_settings(studied):
    _, result, events = studied
    best = load_settings(TrainSettings, result.settings)
    assert {"lr0": best.lr0, "scale": best.scale} == result.changes
    assert result.value == max(event.value for event in events if isinstance(event, TrialEvent))
    assert best.project == "runs/train"


def test_the_study_is_a_sqlite_file_with_a_picture(studied):
    _, result, _ = studied
    with sqlite3.connect(result.study) as file:
        assert file.execute("SELECT COUNT(*) FROM trials").fetchone() == (3,)
    assert read_image(result.folder / "study.png").shape == (248, 1096, 3)  # three panels of 240 x 360, 8 pixels apart


def test_a_study_that_has_its_trials_runs_no_more(studied):
    folder, result, _ = studied
    events: list[object] = []
    again = search(settings_in(folder), TuneSettings(trials=3, space=("lr0", "scale")), events.append)
    assert (again, events) == (result, [])


def test_a_study_goes_on_to_more_trials(studied, tmp_path):
    pytest.importorskip("optuna")
    how = TuneSettings(trials=1, space=("scale",))
    search(settings_in(tmp_path), how)
    events: list[object] = []
    search(settings_in(tmp_path), dataclasses.replace(how, trials=2), events.append)
    assert [event.number for event in events if isinstance(event, TrialEvent)] == [1]


def test_a_study_is_not_continued_with_other_settings(studied):
    folder, _, _ = studied
    with pytest.raises(SettingsError, match=r"study\.db: must go on with epochs=1, as it was begun; got 2"):
        search(settings_in(folder, epochs=2), TuneSettings(trials=4, space=("lr0", "scale")))


def test_the_same_seed_draws_the_same(studied, tmp_path):
    _, _, events = studied
    first = next(event.changes for event in events if isinstance(event, TrialEvent))
    again = search(settings_in(tmp_path), TuneSettings(trials=1, space=("lr0", "scale")))
    assert again.changes == first


def test_a_trial_below_the_median_is_stopped(tmp_path):
    pytest.importorskip("optuna")
    events: list[object] = []
    settings = settings_in(tmp_path, epochs=2)
    how = TuneSettings(trials=2, space=("scale",), startup=1, prune_after=0)
    search(settings, dataclasses.replace(how, trials=1), events.append)
    raise_bar(tmp_path / "study" / "study.db")
    search(settings, how, events.append)
    trials = [event for event in events if isinstance(event, TrialEvent)]
    assert [event.state for event in trials] == ["complete", "pruned"]
    assert trials[1].best == 0
    assert [event.epoch for event in events if isinstance(event, EpochEvent)] == [1, 2, 1]


def raise_bar(study: Path) -> None:
    """Write an AP of 0.9 into all that was reported, so that no short run can be as good."""
    with sqlite3.connect(study) as file:
        file.execute("UPDATE trial_intermediate_values SET intermediate_value = 0.9")


@pytest.mark.parametrize(("trials", "begun"), [(3, 3), (9, 5)])
def test_trials_that_all_fail_come_to_an_end_with_one_line_and_no_traceback(
    trials, begun, tmp_path, monkeypatch, capfd
):
    pytest.importorskip("optuna")

    def fail(settings, **_):
        raise TrainingError(f"the loss is nan in {settings.name}")

    monkeypatch.setattr("pose_train.tune_study.train", fail)
    events: list[object] = []
    with pytest.raises(SettingsError, match=f"got none; {begun} failed, the last one as the loss is nan in trial"):
        search(settings_in(tmp_path), TuneSettings(trials=trials, space=("scale",)), events.append)
    told = [event for event in events if isinstance(event, TrialEvent)]
    assert [(event.state, event.why) for event in told] == [
        ("failed", f"the loss is nan in trial{number}") for number in range(begun)
    ]
    assert capfd.readouterr().err == ""


def test_a_nominal_batch_that_is_the_batch_follows_one_that_is_searched_over():
    pytest.importorskip("optuna")
    from pose_train.tune_study import changed

    assert changed(TrainSettings(batch=8, nbs=8), {"batch": 4}).nbs == 4
    assert changed(TrainSettings(batch=8, nbs=64), {"batch": 4}).nbs == 64


def test_an_interrupted_trial_does_not_count(tmp_path):
    pytest.importorskip("optuna")

    def interrupt(event: object) -> None:
        if isinstance(event, EpochEvent):
            raise KeyboardInterrupt

    how = TuneSettings(trials=1, space=("scale",))
    with pytest.raises(KeyboardInterrupt):
        search(settings_in(tmp_path), how, interrupt)
    result = search(settings_in(tmp_path), how)
    assert (result.complete, result.failed) == (1, 1)


def test_a_file_that_is_no_study_is_refused(tmp_path):
    pytest.importorskip("optuna")
    (tmp_path / "study").mkdir()
    write(tmp_path / "study" / "study.db", "no database " * 100)
    with pytest.raises(SettingsError, match=r"study\.db: must be a study of Optuna"):
        search(settings_in(tmp_path), TuneSettings(trials=1))


@pytest.mark.parametrize(
    ("changes", "message"), [({"val": False}, "val must be on"), ({"resume": "a"}, "resume has no")]
)
def test_settings_that_give_nothing_to_compare_are_refused(changes, message, tmp_path):
    pytest.importorskip("optuna")
    with pytest.raises(SettingsError, match=message):
        search(settings_in(tmp_path, **changes), TuneSettings(trials=1))


def test_two_processes_share_a_study(tmp_path):
    pytest.importorskip("optuna")
    code = f"""
import torch
torch.set_num_threads(1)
from pose_data import DrawnPeople
from pose_train import TrainSettings, TuneSettings, tune
people = DrawnPeople(2, size=64, seed=1)
settings = TrainSettings(project={str(tmp_path / "study")!r}, **{PLAIN!r})
tune(settings, TuneSettings(trials=4, space=("scale",)), train_samples=people, val_samples=people)
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=600)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    scales = [load_settings(TrainSettings, path).scale for path in (tmp_path / "study").glob("trial*/settings.yaml")]
    assert len(set(scales)) == len(scales) >= 4
    assert yaml.safe_load((tmp_path / "study" / "best.yaml").read_text(encoding="utf-8"))["scale"] in scales


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imgsz": 100}, "imgsz"),
        ({"freeze": 100}, "freeze: must be a number of layers"),
        ({"model": "nope.pt"}, r"nope\.pt"),
        ({"data": "nothere.yaml"}, r"nothere\.yaml"),
        ({"device": "nothing"}, "device"),
        ({"tracker": ("nothing",)}, "tracker must be one of"),
        ({"optimizer": "AdamW", "momentum": 1.0}, "momentum must be below 1"),
    ],
)
def test_settings_that_no_trial_could_have_begin_no_study(changes, message, tmp_path):
    pytest.importorskip("optuna")
    samples = None if "data" in changes else PEOPLE
    settings = settings_in(tmp_path, **changes)
    with pytest.raises(PoseError, match=message):
        tune(settings, TuneSettings(trials=1, space=("scale",)), train_samples=samples, val_samples=PEOPLE)
    assert not (tmp_path / "study").exists()


def test_a_study_without_trials_takes_other_settings(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    how = TuneSettings(trials=1, space=("scale",))
    monkeypatch.setattr("pose_train.tune_study.check_training", lambda *_: None)
    with pytest.raises(SettingsError, match="imgsz"):
        search(settings_in(tmp_path, imgsz=100), how)
    assert (tmp_path / "study" / "study.db").exists()
    assert search(settings_in(tmp_path), how).complete == 1


def test_a_study_that_another_process_began_meanwhile_is_not_mixed_into(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    from pose_train.tune_study import Search

    how, samples = TuneSettings(trials=1, space=("scale",)), (PEOPLE, PEOPLE)
    first = Search(settings_in(tmp_path), how, samples=samples, listener=lambda _event: None)
    Search(settings_in(tmp_path, epochs=2), how, samples=samples, listener=lambda _event: None)
    with pytest.raises(SettingsError, match="must go on with epochs=2, as it was begun; got 1"):
        first.run()


def test_the_largest_seed_of_training_is_one_of_a_search(tmp_path):
    pytest.importorskip("optuna")
    seed = TrainSettings.__dataclass_fields__["seed"].metadata["max"]
    assert search(settings_in(tmp_path, seed=seed), TuneSettings(trials=1, space=("scale",))).complete == 1


def test_a_file_in_place_of_the_folder_is_said_with_the_way_out(tmp_path):
    pytest.importorskip("optuna")
    write(tmp_path / "study", "")
    with pytest.raises(SettingsError, match=r"study' can't be made \('.*study' is a file\); give another 'project'"):
        search(settings_in(tmp_path), TuneSettings(trials=1))


def fake_runs(monkeypatch, *ends: float | BaseException) -> None:
    """Let trials learn nothing: each writes a state and ends with the AP, or the error, that comes next."""
    coming = iter(ends)

    def fake_train(settings, *, on_event, **_):
        folder = Path(settings.project, settings.name)
        (folder / "weights").mkdir(parents=True)
        (folder / "weights" / "resume.safetensors").touch()
        on_event(StartEvent(folder))
        end = next(coming)
        if isinstance(end, BaseException):
            raise end
        metrics = SimpleNamespace(keypoints=SimpleNamespace(ap=end))
        on_event(EpochEvent(1, 1, losses={}, metrics=metrics, learning_rate=0.1, seconds=1.0, best=True))

    monkeypatch.setattr("pose_train.tune_study.train", fake_train)
    monkeypatch.setattr("pose_train.tune_study.check_training", lambda *_: None)


def messages(events: list[object]) -> list[str]:
    return [event.text for event in events if isinstance(event, MessageEvent)]


ONE = TuneSettings(trials=1, space=("scale",))
WAITING = "1 trial is still running elsewhere; waiting for it (one that was killed is made up for after a minute)"


@pytest.fixture
def elsewhere(tmp_path):
    """A study whose one trial another process has begun: the study, and the trial."""
    pytest.importorskip("optuna")
    from pose_train.tune_study import Search

    study = Search(settings_in(tmp_path), ONE, samples=(PEOPLE, PEOPLE), listener=lambda _event: None).study
    with pytest.warns(UserWarning, match="Heartbeat"):
        return study, study.ask()


def while_waiting(monkeypatch, do) -> None:
    monkeypatch.setattr("pose_train.tune_study.time.sleep", lambda _seconds: do())


def test_a_search_waits_for_the_trials_of_other_processes(elsewhere, tmp_path, monkeypatch):
    study, trial = elsewhere
    study._storage.record_heartbeat(trial._trial_id)
    trial.suggest_float("scale", 0.0, 0.9)
    while_waiting(monkeypatch, lambda: study.tell(trial, 0.7))
    events: list[object] = []
    result = search(settings_in(tmp_path), ONE, events.append)
    assert (result.complete, result.value) == (1, 0.7)
    assert messages(events)[0] == WAITING
    assert not [event for event in events if isinstance(event, TrialEvent)]


@pytest.mark.parametrize("heard_of", [True, False])
def test_a_trial_that_was_killed_is_made_up_for_after_a_minute(heard_of, elsewhere, tmp_path, monkeypatch):
    study, trial = elsewhere
    if heard_of:
        study._storage.record_heartbeat(trial._trial_id)
    fake_runs(monkeypatch, 0.5)
    while_waiting(monkeypatch, lambda: let_pass_a_minute(tmp_path / "study" / "study.db"))
    events: list[object] = []
    result = search(settings_in(tmp_path), ONE, events.append)
    assert (result.complete, result.failed, result.value) == (1, 1, 0.5)
    assert messages(events) == [WAITING]


def let_pass_a_minute(study: Path) -> None:
    """Make all that a study knows 61 seconds older."""
    with sqlite3.connect(study) as file:
        file.execute("UPDATE trials SET datetime_start = datetime(datetime_start, '-61 seconds')")
        file.execute("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, '-61 seconds')")


def test_a_trial_that_another_process_took_for_killed_does_not_count(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    fake_runs(monkeypatch, 0.9, 0.5)
    events: list[object] = []

    def give_up(event: object) -> None:
        events.append(event)
        if isinstance(event, StartEvent) and event.run_folder.name == "trial0":
            with sqlite3.connect(tmp_path / "study" / "study.db") as file:
                file.execute("UPDATE trials SET state = 'FAIL'")

    result = search(settings_in(tmp_path), ONE, give_up)
    assert (result.complete, result.failed, result.value) == (1, 1, 0.5)
    assert [text.split(":")[0] for text in messages(events)] == ["the trial doesn't count"]


def test_ctrl_c_ends_the_waiting(elsewhere, tmp_path, monkeypatch):
    def press():
        raise KeyboardInterrupt

    while_waiting(monkeypatch, press)
    with pytest.raises(KeyboardInterrupt):
        search(settings_in(tmp_path), ONE)


def test_a_search_whose_hours_are_over_does_not_wait(elsewhere, tmp_path):
    with pytest.raises(SettingsError, match="got none; 0 hours are over; the same command with more hours goes on"):
        search(settings_in(tmp_path), dataclasses.replace(ONE, hours=0))


def test_without_hours_a_new_study_says_that_they_are_over(tmp_path):
    pytest.importorskip("optuna")
    events: list[object] = []
    with pytest.raises(SettingsError, match="got none; 0 hours are over; the same command with more hours goes on"):
        search(settings_in(tmp_path), dataclasses.replace(ONE, hours=0), events.append)
    assert events == []


FULL = r"study: the disk is full; free some space, and the same command goes on with the study"


def full_disk():
    """What Optuna raises where the disk is full."""
    from optuna.exceptions import StorageInternalError

    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = sqlite3.OperationalError("database or disk is full")
    return error


def raise_full_disk(*_, **__):
    raise full_disk()


@pytest.mark.parametrize("what", ["set_trial_intermediate_value", "set_trial_state_values"])
def test_a_full_disk_in_a_trial_is_one_line(what, tmp_path, monkeypatch, capfd):
    pytest.importorskip("optuna")
    fake_runs(monkeypatch, 0.5)
    monkeypatch.setattr(f"optuna.storages.RDBStorage.{what}", raise_full_disk)
    with pytest.raises(PoseError, match=FULL):
        search(settings_in(tmp_path), ONE)
    assert capfd.readouterr().err == ""


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_trial_that_cannot_say_that_it_is_there_goes_on_without_a_traceback(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    fake_runs(monkeypatch, 0.5)
    monkeypatch.setattr("optuna.storages.RDBStorage.record_heartbeat", raise_full_disk)
    assert search(settings_in(tmp_path), ONE).complete == 1


def test_a_full_disk_in_a_run_ends_the_search_whatever_the_run_makes_of_it(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    error = TrainingError("weights/last.safetensors can't be written")
    error.__cause__ = OSError(28, "No space left on device")
    fake_runs(monkeypatch, error)
    with pytest.raises(PoseError, match=FULL):
        search(settings_in(tmp_path), dataclasses.replace(ONE, trials=3))


def test_a_full_disk_leaves_no_empty_study(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    monkeypatch.setattr("pose_train.tune_study.check_training", lambda *_: None)

    def fill(connection, _record) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # the first page holds no table

    event.listen(Engine, "connect", fill)
    try:
        with pytest.raises(PoseError, match=FULL):
            search(settings_in(tmp_path), ONE)
    finally:
        event.remove(Engine, "connect", fill)
    assert list((tmp_path / "study").iterdir()) == []


def test_another_error_of_the_file_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    error = full_disk()
    error.__cause__ = sqlite3.OperationalError("attempt to write a readonly database")

    def fail(*_, **__):
        raise error

    fake_runs(monkeypatch, 0.5)
    monkeypatch.setattr("optuna.storages.RDBStorage.set_trial_state_values", fail)
    with pytest.raises(
        PoseError, match=r"study\.db: can't be read or written \(attempt to write a readonly database\)"
    ):
        search(settings_in(tmp_path), ONE)


def test_a_recipe_holds_what_was_found_and_given_but_not_what_the_search_chose(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    from pose_train.tune_recipe import recipe_of

    monkeypatch.chdir(tmp_path)
    for name in ("mine.yaml", "start.safetensors"):
        write(Path(name), "")
    of_the_search = {"name": "trial3", "tracker": ("mlflow",), "exist_ok": True}
    given = {"model": "start.safetensors", "data": "mine.yaml", "epochs": 20, "freeze": (0, 1)}
    recipe = recipe_of(settings_in(tmp_path, **of_the_search, **given, scale=0.5), found=("scale",))
    whole = {name: str(tmp_path / str(given[name])) for name in ("model", "data")}
    assert recipe == {**whole, "epochs": 20, "batch": 2, "imgsz": 64, "freeze": [0, 1], "scale": 0.5}


def test_a_run_with_what_was_found_has_pictures(studied):
    _, result, _ = studied
    settings = make_train_settings({"recipe": str(result.settings)}, source="test")
    assert (settings.plots, settings.workers, settings.epochs) == (True, TrainSettings().workers, 1)
    assert {"lr0": settings.lr0, "scale": settings.scale} == result.changes


def test_a_search_that_is_killed_leaves_the_best_so_far(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    fake_runs(monkeypatch, 0.5, 0.4, KeyboardInterrupt())
    events: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        search(settings_in(tmp_path), dataclasses.replace(ONE, trials=3), events.append)
    best = yaml.safe_load((tmp_path / "study" / "best.yaml").read_text(encoding="utf-8"))
    assert best["scale"] == next(event.changes["scale"] for event in events if isinstance(event, TrialEvent))
    assert read_image(tmp_path / "study" / "study.png").shape == (248, 732, 3)  # two panels


def test_a_picture_that_fails_does_not_end_the_search(tmp_path, monkeypatch):
    pytest.importorskip("optuna")

    def fail(*_):
        raise ValueError("no colours left")

    fake_runs(monkeypatch, 0.5, 0.6)
    monkeypatch.setattr("pose_train.tune_study.write_study_picture", fail)
    events: list[object] = []
    result = search(settings_in(tmp_path), dataclasses.replace(ONE, trials=2), events.append)
    assert (result.complete, result.value) == (2, 0.6)
    assert messages(events)[0] == "no picture of the study: ValueError: no colours left"


def test_no_trial_keeps_its_state_however_it_ends(tmp_path, monkeypatch):
    optuna = pytest.importorskip("optuna")
    ends = (0.5, optuna.TrialPruned(), TrainingError("the loss is nan"), KeyboardInterrupt())
    fake_runs(monkeypatch, *ends)
    with pytest.raises(KeyboardInterrupt):
        search(settings_in(tmp_path), dataclasses.replace(ONE, trials=4))
    weights = sorted((tmp_path / "study").glob("trial*/weights"))
    assert [list(folder.iterdir()) for folder in weights] == [[]] * len(ends)
