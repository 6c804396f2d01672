"""A run from settings to weights: what it writes, that it repeats, that it goes on after a stop."""

import csv
import dataclasses
import errno
import math
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pose_train.run
import pose_train.training
import pytest
import torch
import yaml
from pose_data import COCO_PERSON, DrawnPeople, PoseError, SettingsError, load_settings
from pose_nn import load_checkpoint
from pose_train import EpochEvent, MessageEvent, StepEvent, TrainSettings, ValidationEvent, train
from pose_train.run_folder import claimed_run_folder
from safetensors.torch import load_file

PEOPLE = DrawnPeople(8, size=64, seed=1)
HELD_OUT = DrawnPeople(4, size=64, seed=2)


def settings_in(folder, **changes):
    plain = {"epochs": 2, "imgsz": 64, "batch": 4, "workers": 0, "device": "cpu", "plots": False, "nbs": 8}
    return TrainSettings(project=str(folder / "run"), **{**plain, **changes})


def run(settings, on_event=None):
    return train(settings, train_samples=PEOPLE, val_samples=HELD_OUT, on_event=on_event)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of three epochs that nothing interrupted."""
    return run(settings_in(tmp_path_factory.mktemp("whole"), epochs=3))


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory):
    """A run of two epochs that nothing interrupted."""
    return run(settings_in(tmp_path_factory.mktemp("two")))


def test_run_folder_holds_settings_table_and_weights(whole):
    settings = yaml.safe_load((whole.run_folder / "settings.yaml").read_text(encoding="utf-8"))
    assert settings["epochs"] == 3
    with (whole.run_folder / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[0]["loss/pose"]) > 0
    assert whole.best.exists()
    assert whole.last.exists()


def test_weights_know_what_they_are_and_where_they_came_from(whole):
    card = load_checkpoint(whole.last).card
    assert card.architecture == "yolov8n-pose"
    assert card.names == ("person",)
    assert card.data == "people"
    assert "trained from scratch" in card.provenance
    assert card.facts["epoch"] == "3"


def test_the_same_seed_gives_the_same_weights(whole, tmp_path):
    again = run(settings_in(tmp_path, epochs=3))
    first, second = load_file(whole.last), load_file(again.last)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_worker_processes_change_nothing(whole, tmp_path):
    again = run(settings_in(tmp_path, epochs=3, workers=2))
    first, second = load_file(whole.last), load_file(again.last)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_full_disk_stops_the_run_and_what_was_written_before_goes_on(two_epochs, tmp_path, monkeypatch):
    weights = tmp_path / "run" / "weights"
    write = Path.write_bytes

    def fill_up(path, content):
        if "resume" in path.name and (weights / "last.safetensors").exists():
            path.touch()
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(PoseError, match=r"resume\.safetensors: can't be written \(No space left on device\)") as error:
        run(settings_in(tmp_path))
    monkeypatch.undo()
    assert "\n" not in str(error.value)
    assert sorted(p.name for p in weights.iterdir()) == ["best.safetensors", "last.safetensors", "resume.safetensors"]
    resumed = run(TrainSettings(resume=str(tmp_path / "run")))
    first, second = load_file(two_epochs.last), load_file(resumed.last)
    assert all(torch.equal(first[name], second[name]) for name in first)


def fill_disk_at(monkeypatch, name):
    """Let no file be written any more from the first on that is named so."""
    full = []
    plain = Path.write_bytes

    def write(path, content):
        full.extend([path] if name in path.name else [])
        if full:
            path.touch()
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    monkeypatch.setattr(Path, "write_text", lambda path, text, encoding: write(path, text.encode(encoding)))


def test_a_disk_that_is_full_when_a_run_has_a_state_is_told_with_the_command_that_goes_on(tmp_path, monkeypatch):
    fill_disk_at(monkeypatch, "last")
    with pytest.raises(PoseError) as error:
        run(settings_in(tmp_path / "my runs", val=False))
    said = "last.safetensors: can't be written (No space left on device); free some space, and go on with: pose train "
    assert str(error.value).endswith(f"{said}resume='{(tmp_path / 'my runs' / 'run').as_posix()}'")


@pytest.mark.parametrize("exist_ok", [False, True])
@pytest.mark.parametrize("name", ["settings", "record", "resume"])
def test_a_disk_that_is_full_before_a_run_has_a_state_leaves_no_folder(tmp_path, monkeypatch, name, exist_ok):
    fill_disk_at(monkeypatch, name)
    with pytest.raises(PoseError, match=r"space left on device\); free some space, or name another place to write to$"):
        run(settings_in(tmp_path / "new", exist_ok=exist_ok))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_begin_removes_nothing_from_a_folder_that_it_was_to_take_as_it_is(tmp_path, monkeypatch):
    files = {tmp_path / "run" / name for name in ("results.csv", "weights/best.safetensors")}
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    with pytest.raises(SettingsError, match="yolov9"):
        run(settings_in(tmp_path, model="yolov9n-pose", exist_ok=True))
    assert all(file.exists() for file in files)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"project": "."}, "project must end with .* got '.'; name one, such as project=runs/train"),
        ({"project": ""}, "project must end with .* got ''; name one"),
        ({"project": "/"}, "project must end with .* got '/'; name one"),
        ({"project": ".."}, r"project must end with .* got '\.\.'; name one"),
        ({"project": "runs/train", "name": ".."}, r"name must end with .* got '\.\.'; name one, such as name=first"),
    ],
)
def test_a_place_that_no_number_can_be_put_after_is_one_line_and_nothing_is_made(tmp_path, monkeypatch, place, said):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(SettingsError, match=f"^{said}"):
        run(dataclasses.replace(settings_in(tmp_path), **place))
    assert list(tmp_path.rglob("*")) == [tmp_path / "here"]


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ({"project": ".", "name": "a"}, "here/a"),
        ({"project": "..", "exist_ok": True}, "."),
        ({"project": ".", "exist_ok": True}, "here"),
        ({"project": "no/../b"}, "here/b"),
    ],
)
def test_a_place_with_dots_is_the_folder_that_it_means(tmp_path, monkeypatch, place, where):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with claimed_run_folder(dataclasses.replace(settings_in(tmp_path), **place)) as folder:
        assert folder.path.resolve() == (tmp_path / where).resolve()
        assert not (tmp_path / "here" / "no").exists()


def test_a_setting_that_cannot_be_used_leaves_no_run_folder(tmp_path):
    with pytest.raises(SettingsError, match="yolov9"):
        run(settings_in(tmp_path, model="yolov9n-pose"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [{"name": "run"}, {"exist_ok": True}])
def test_a_file_in_place_of_the_run_folder_is_said_before_data_are_read(changes, tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(SettingsError, match=r"can't be made \('.*run' is a file\); give another 'project'"):
        train(settings_in(tmp_path, data="nothere.yaml", **changes))


def test_a_second_run_never_writes_over_the_first(whole):
    second = run(dataclasses.replace(settings_in(whole.run_folder.parent), epochs=1, val=False))
    assert second.run_folder.name == "run2"


def test_runs_that_start_together_get_folders_of_their_own(tmp_path):
    together = threading.Barrier(4)

    def start(_):
        together.wait()
        with claimed_run_folder(settings_in(tmp_path / "new")) as folder:
            together.wait()
            return folder.path.name

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(start, range(4))) == ["run", "run2", "run3", "run4"]


def test_a_start_that_fails_holds_its_folder_meanwhile_and_takes_away_all_that_it_made(tmp_path, monkeypatch):
    there = []

    def fail(*_):
        there.append((tmp_path / "new" / "run").is_dir())
        raise SettingsError("no such network")

    monkeypatch.setattr(pose_train.training, "make_start", fail)
    with pytest.raises(SettingsError, match="no such network"):
        run(settings_in(tmp_path / "new"))
    assert there == [True]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "new").touch()
    with pytest.raises(SettingsError, match=r"project: the folder '.*run' can't be made \('.*new' is a file\)"):
        run(settings_in(tmp_path / "new"))


def test_with_exist_ok_nothing_of_an_earlier_run_lies_beside_the_new_record(tmp_path):
    run(settings_in(tmp_path, plots=True, save_period=1))
    (tmp_path / "run" / "notes.txt").touch()
    run(settings_in(tmp_path, epochs=1, val=False, exist_ok=True))
    names = {path.name for path in (tmp_path / "run").rglob("*") if path.is_file()}
    weights = {"best.safetensors", "last.safetensors", "resume.safetensors"}
    tables = {"results.csv", "times.csv"}
    assert names == {"settings.yaml", "record.json", "messages.txt", "notes.txt"} | tables | weights


def test_with_exist_ok_weights_of_an_earlier_run_are_gone_before_the_first_epoch(whole, tmp_path):
    folder = shutil.copytree(whole.run_folder, tmp_path / "run")

    def stop(event):
        if isinstance(event, StepEvent):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(settings_in(tmp_path, exist_ok=True), on_event=stop)
    assert [path.name for path in (folder / "weights").iterdir()] == ["resume.safetensors"]


def test_with_exist_ok_a_run_does_not_remove_the_weights_that_it_begins_with(whole):
    settings = settings_in(whole.run_folder.parent, model=str(whole.best), exist_ok=True)
    with pytest.raises(SettingsError, match=r"model must be a file that the new run keeps; got .*; leave exist_ok out"):
        run(settings)
    assert whole.last.exists()


@pytest.mark.parametrize("given", [{"fliplr": 0.5}, {"flipud": 0.5}])
def test_flips_that_were_asked_for_are_refused_for_a_skeleton_without_mirror_pairs(given, tmp_path):
    with pytest.raises(SettingsError, match="fliplr"):
        train(settings_in(tmp_path, **given), train_samples=Unmirrored(4, size=64), val_samples=HELD_OUT)


@pytest.mark.parametrize(("people", "fliplr"), [(PEOPLE, 0.5), ("unmirrored", 0.0)])
def test_flips_that_nobody_spoke_of_are_settled_by_the_skeleton_and_no_flips_are_told(people, fliplr, tmp_path):
    told = []
    samples = Unmirrored(4, size=64) if people == "unmirrored" else people
    settings = settings_in(tmp_path, epochs=1, val=False)
    done = train(settings, train_samples=samples, on_event=lambda event: told.append(str(event)))
    assert load_settings(TrainSettings, done.run_folder / "settings.yaml").fliplr == fliplr
    assert sum("no mirror pairs, so images aren't flipped (fliplr=0)" in line for line in told) == (fliplr == 0)


class Unmirrored(DrawnPeople):
    """Drawn people of whom nobody said which points mirror each other."""

    @property
    def skeleton(self):
        return dataclasses.replace(COCO_PERSON, mirror=None)


def test_a_checkpoint_is_a_starting_point(whole, tmp_path):
    notes = []
    result = train(
        settings_in(tmp_path, model=str(whole.best), epochs=1),
        train_samples=PEOPLE,
        val_samples=HELD_OUT,
        on_event=lambda event: notes.append(str(event)),
    )
    assert "best.safetensors" in load_checkpoint(result.last).card.provenance


def test_patience_ends_a_run_that_gets_no_better(tmp_path):
    result = run(settings_in(tmp_path, epochs=30, patience=1, lr0=0.0, optimizer="SGD", warmup_epochs=0))
    assert result.epochs <= 3


def test_a_time_budget_sets_the_number_of_epochs(tmp_path):
    result = run(settings_in(tmp_path, epochs=1000, time=1e-6))
    assert result.epochs == 1


class QuarterHours:
    """A clock on which every step takes a quarter of an hour and nothing else takes any time."""

    def __init__(self, monkeypatch):
        self.seconds = 0.0
        monkeypatch.setattr(pose_train.run, "time", SimpleNamespace(perf_counter=lambda: self.seconds))

    def __call__(self, event):
        if isinstance(event, StepEvent):
            self.seconds += 900


def test_a_time_budget_of_some_epochs_has_as_many_as_fit(tmp_path, monkeypatch):
    settings = settings_in(tmp_path, epochs=1000, time=1.6, val=False, cos_lr=True, optimizer="SGD", warmup_epochs=0)
    result = run(settings, QuarterHours(monkeypatch))  # two steps make an epoch of half an hour
    assert (result.epochs, result.seconds) == (3, 3 * 1800)
    with (result.run_folder / "results.csv").open(encoding="utf-8") as file:
        rates = [float(row["lr"]) for row in csv.DictReader(file)]
    # the first epoch is one of a thousand, the others are the second and third of three
    share = [(1 + math.cos(math.pi * place)) / 2 for place in (0, 1 / 3, 2 / 3)]
    assert rates == pytest.approx([0.01 * (0.01 + 0.99 * s) for s in share], rel=1e-4)


def test_when_the_time_is_over_within_an_epoch_it_ends_there_with_all_that_a_last_epoch_leaves(tmp_path, monkeypatch):
    said, clock = [], QuarterHours(monkeypatch)

    def listen(event):
        said.append(event)
        clock(event)

    settings = settings_in(tmp_path, epochs=1000, time=1.6, batch=2, nbs=2)  # four steps make an epoch of an hour
    result = run(settings, listen)
    assert (result.epochs, result.seconds) == (2, 7 * 900)
    assert MessageEvent("1.6 hours are over: epoch 2 ends after step 3 of 4") in said
    assert [(e.epoch, e.epochs, e.metrics is None) for e in said if isinstance(e, EpochEvent)][1] == (2, 2, False)
    assert load_checkpoint(result.last).card.facts["epoch"] == "2"
    with (result.run_folder / "results.csv").open(encoding="utf-8") as file:
        box = float(list(csv.DictReader(file))[1]["loss/box"])
    learnt = [e.losses["box"] for e in said if isinstance(e, StepEvent)]
    assert len(learnt) == 7
    assert box == pytest.approx(learnt[-1], rel=1e-5)
    assert run(TrainSettings(resume=str(result.run_folder))).epochs == 2


def test_a_time_budget_has_a_step_of_the_optimizer_however_short_it_is(tmp_path):
    steps = []
    settings = settings_in(tmp_path, time=1e-6, batch=2, nbs=6, val=False, warmup_epochs=0)  # it takes three batches
    run(settings, lambda event: steps.append(event) if isinstance(event, StepEvent) else None)
    assert len(steps) == 3


def test_a_run_that_was_stopped_while_it_validated_what_it_had_time_for_learns_no_more(tmp_path, monkeypatch):
    clock = QuarterHours(monkeypatch)

    def stop(event):
        clock(event)
        if isinstance(event, ValidationEvent):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    settings = settings_in(tmp_path, time=0.2, nbs=4)
    with pytest.raises(KeyboardInterrupt, match="in epoch 1 after step 1"):
        run(settings, stop)
    signal.signal(signal.SIGINT, before)
    steps = []
    result = run(TrainSettings(resume=str(tmp_path / "run")), lambda event: steps.append(type(event)))
    assert result.epochs == 1
    assert result.metrics is not None
    assert StepEvent not in steps


def test_epochs_are_told_with_their_figures(tmp_path):
    events = []
    run(settings_in(tmp_path, epochs=1), on_event=events.append)
    epochs = [e for e in events if isinstance(e, EpochEvent)]
    assert [e.epoch for e in epochs] == [1]
    assert epochs[0].metrics is not None


def test_frozen_layers_stay_as_they_were(whole, tmp_path):
    before = load_file(whole.best)
    result = run(settings_in(tmp_path, model=str(whole.best), epochs=1, freeze=2, val=False))
    after = load_file(result.last)
    frozen = [name for name in before if name.startswith(("model.0.", "model.1."))]
    assert all(torch.equal(before[name], after[name]) for name in frozen if "num_batches" not in name)
    assert not torch.equal(before["model.2.cv1.conv.weight"], after["model.2.cv1.conv.weight"])


def test_figures_are_those_of_the_weights_as_their_file_has_them(tmp_path, monkeypatch):
    validated = []
    plain = pose_train.run.TorchRuntime

    def look(net, card, **words):
        validated.append({name: value.clone() for name, value in net.state_dict().items()})
        return plain(net, card, **words)

    monkeypatch.setattr(pose_train.run, "TorchRuntime", look)
    result = run(settings_in(tmp_path, epochs=1))
    kept = load_checkpoint(result.last).net.state_dict()
    assert [name for name in kept if not torch.equal(kept[name], validated[0][name])] == []


def test_a_run_without_images_to_validate_on_ends_before_it_learns(tmp_path):
    with pytest.raises(SettingsError, match="the split 'val' must hold at least one image to validate on; got none"):
        train(settings_in(tmp_path), train_samples=PEOPLE, val_samples=DrawnPeople(0, size=64))
    assert not (tmp_path / "run").exists()


def test_pictures_are_written(tmp_path):
    result = run(settings_in(tmp_path, epochs=1, plots=True))
    assert {p.name for p in result.run_folder.glob("*.jpg")} == {
        "train_batch1.jpg",
        "train_batch2.jpg",
        "validation.jpg",
    }
    drawn = {"results.png", "labels.png", "pr_curves.png", "keypoint_errors.png"}
    assert {p.name for p in result.run_folder.glob("*.png")} == drawn


def test_pictures_of_a_run_are_those_of_its_best_weights(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        pose_train.run, "write_evaluation_pictures", lambda _folder, evaluator, **_: drawn.append(evaluator.compute())
    )
    monkeypatch.setattr(pose_train.run, "fitness", lambda _: 1.0)  # the first epoch stays the best
    result = run(settings_in(tmp_path, epochs=2, plots=True))
    assert load_checkpoint(result.best).card.facts["epoch"] == "1"
    assert drawn[0].boxes.ap == result.metrics.boxes.ap
