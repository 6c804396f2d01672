"""The same run, whatever happens: killed anywhere and resumed, it ends with the same bits."""

import json
import multiprocessing
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pose_data import (
    CheckpointError,
    DataError,
    PoseDataset,
    SettingsError,
    open_dataset,
    read_data_settings,
    write_people,
)
from pose_nn import load_checkpoint
from pose_train import MessageEvent, StepEvent, TrainingError, TrainSettings, ValidationEvent, train
from pose_train.record import fingerprint
from safetensors.torch import load_file
from torch import distributed

EPOCHS = 3
# three batches make a step and four an epoch, so that gradients wait from one epoch to the next
WHOLE = {"epochs": EPOCHS, "heatmap": 1.0, "likelihood": 1.0, "batch": 2, "nbs": 6}
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Calculate in one thread, as a forked process must: sums of another number of threads may have other bits."""
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """A run that nothing interrupted, with everything that has a state of its own."""
    folder = tmp_path_factory.mktemp("whole")
    tiny(tiny.settings(folder, **WHOLE))
    return folder / "run"


def settings_of(tiny, folder):
    return tiny.settings(folder, **WHOLE)


def die_at_write(number):
    """Make the process kill itself when it has written half of its number-th file, tables and weights alike."""
    written = []
    plain = Path.write_bytes

    def write(path, content):
        written.append(path)
        if len(written) == number:
            plain(path, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(path, content)

    Path.write_bytes = write
    Path.write_text = lambda path, text, encoding: write(path, text.encode(encoding))


@can_fork
def test_killed_while_it_writes_any_kind_of_file_a_run_goes_on_to_the_same_bits(tiny, whole, tmp_path, assert_same_run):
    # a new run writes settings, record and state, one that goes on its record; an epoch its two tables, last, perhaps
    # best, and the state
    settings, resumed = settings_of(tiny, tmp_path), TrainSettings(resume=str(tmp_path / "run"))
    for number in (2, 4, 1, 8, 6):
        process = tiny.in_own_process(settings, lambda number=number: die_at_write(number))
        process.join()
        assert process.exitcode == -signal.SIGKILL
        settings = resumed
    tiny(resumed)
    assert_same_run(whole, tmp_path / "run")
    assert [p.name for p in (tmp_path / "run").rglob(".*")] == []


def wait_for(path, process):
    """Wait until a process has written a file, or has ended."""
    while not path.exists() and process.is_alive():
        time.sleep(0.005)


def lives_of(log):
    """How many processes went on with a run, as each of them wrote down before it did."""
    return log.read_text(encoding="utf-8").count("\n") if log.exists() else 0


@can_fork
@pytest.mark.parametrize("changes", [{}, {"workers": 2, "cache": "ram", "mixup": 0.5}], ids=["plain", "workers"])
def test_killed_ten_times_at_random_moments_a_run_goes_on_to_the_same_bits(tiny, tmp_path, assert_same_run, changes):
    kills, epochs = 10, 5
    changes = {**WHOLE, "epochs": epochs, "close_mosaic": 2, **changes}
    process = tiny.in_own_process(tiny.settings(tmp_path / "whole", **changes))
    wait_for(tmp_path / "whole" / "run" / "weights" / "resume.safetensors", process)
    started = time.monotonic()
    process.join()
    per_epoch = (time.monotonic() - started) / epochs

    log, state = tmp_path / "log", tmp_path / "run" / "weights" / "resume.safetensors"

    def note(event):
        if isinstance(event, MessageEvent) and event.text.startswith("going on after epoch"):
            with log.open("a", encoding="utf-8") as file:
                file.write(event.text + "\n")

    generator = random.Random(0)
    process = tiny.in_own_process(tiny.settings(tmp_path, **changes))
    wait_for(state, process)
    for life in range(kills):
        in_the_last = life and tiny.progress(tmp_path / "run")["epoch"] >= epochs - 1  # which must not end yet
        process.join(generator.uniform(0, 0.3 if in_the_last else 1.5) * per_epoch)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        process = tiny.in_own_process(TrainSettings(resume=str(tmp_path / "run")), on_event=note)
        while lives_of(log) <= life and process.is_alive():
            time.sleep(0.005)
    process.join()
    assert (process.exitcode, lives_of(log)) == (0, kills)
    assert_same_run(tmp_path / "whole" / "run", tmp_path / "run")


def signal_at(kind, count, number=signal.SIGINT):
    """Send a signal to this process at the count-th event of a kind."""
    seen = []

    def listen(event):
        if isinstance(event, kind):
            seen.append(event)
            if len(seen) == count:
                signal.raise_signal(number)

    return listen


@pytest.fixture
def listening():
    """Hear Ctrl-C, which a process ignores that was started in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(
    ("kind", "count", "number", "where"),
    [
        (StepEvent, 5, signal.SIGINT, "in epoch 2 after step 1"),
        (StepEvent, 6, signal.SIGTERM, "in epoch 2 after step 2"),
        (ValidationEvent, 3, signal.SIGINT, "in epoch 2 after step 4"),
    ],
    ids=["learning", "learning-terminated", "validating"],
)
def test_ctrl_c_or_sigterm_ends_after_the_step_says_how_to_go_on_and_loses_nothing(
    tiny, whole, tmp_path, assert_same_run, kind, count, number, where
):
    listen = signal_at(kind, count, number)
    with pytest.raises(KeyboardInterrupt) as stopped:
        tiny(settings_of(tiny, tmp_path), on_event=listen)
    assert str(stopped.value) == f"stopped {where}; go on with: pose train resume={(tmp_path / 'run').as_posix()}"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    tiny(TrainSettings(resume=str(tmp_path / "run")))
    assert_same_run(whole, tmp_path / "run")


def run_two(tiny, settings, on_event=None):
    """Run in two processes that share the batches; return what each ended with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    places = [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    processes = [tiny.in_own_process(settings, lambda p=p: os.environ.update(p), on_event) for p in places]
    processes[0].join()
    if processes[0].exitcode == -signal.SIGKILL:
        processes[1].kill()  # as torchrun does
    processes[1].join()
    return [process.exitcode for process in processes]


def signal_in_the_second_epoch(number):
    """Send a signal to this process after the first step of the second epoch."""

    def listen(event):
        if isinstance(event, StepEvent) and (event.epoch, event.step) == (2, 1):
            signal.raise_signal(number)

    return listen


@can_fork
@pytest.mark.skipif(not distributed.is_available(), reason="this torch has no distributed engine")
@pytest.mark.usefixtures("listening")
def test_two_processes_killed_and_then_stopped_go_on_to_the_bits_of_two_that_were_not(tiny, tmp_path, assert_same_run):
    changes = {"heatmap": 1.0, "likelihood": 1.0, "val": False}
    settings, resumed = tiny.settings(tmp_path, **changes), TrainSettings(resume=str(tmp_path / "run"))
    assert run_two(tiny, tiny.settings(tmp_path / "whole", **changes)) == [0, 0]

    first, second = run_two(tiny, settings, signal_in_the_second_epoch(signal.SIGKILL))
    assert first == -signal.SIGKILL
    assert second != 0  # killed too, or it heard first that the other was gone
    state = tiny.progress(tmp_path / "run")
    assert (state["epoch"], state["step"], state["waiting"]) == (1, 0, 1)  # with gradients that wait
    assert run_two(tiny, resumed, signal_in_the_second_epoch(signal.SIGINT)) == [1, 1]
    state = tiny.progress(tmp_path / "run")
    assert (state["epoch"], state["step"]) == (1, 1)
    assert run_two(tiny, resumed) == [0, 0]
    assert_same_run(tmp_path / "whole" / "run", tmp_path / "run")


@can_fork
@pytest.mark.skipif(not distributed.is_available(), reason="this torch has no distributed engine")
@pytest.mark.usefixtures("listening")
def test_two_processes_stop_in_the_middle_of_a_validation_with_the_epoch_kept(tiny, tmp_path, assert_same_run):
    terminate, heard = signal_at(ValidationEvent, 1, signal.SIGTERM), tmp_path / "heard.txt"

    def listen(event):
        if isinstance(event, ValidationEvent):
            with heard.open("a", encoding="utf-8") as file:
                file.write(f"{event.done} of {event.total}\n")
        terminate(event)

    settings = tiny.settings(tmp_path, batch=2)
    assert run_two(tiny, tiny.settings(tmp_path / "whole", batch=2)) == [0, 0]
    assert run_two(tiny, settings, listen) == [1, 1]
    assert heard.read_text(encoding="utf-8") == "1 of 2\n"
    state = tiny.progress(tmp_path / "run")
    assert (state["epoch"], state["step"]) == (0, 4)
    assert "stopped in epoch 1 after step 4" in (tmp_path / "run" / "messages.txt").read_text(encoding="utf-8")
    assert run_two(tiny, TrainSettings(resume=str(tmp_path / "run"))) == [0, 0]
    assert_same_run(tmp_path / "whole" / "run", tmp_path / "run")


@pytest.mark.usefixtures("listening")
def test_the_command_that_goes_on_is_one_for_a_shell_also_in_a_folder_with_a_space(tiny, tmp_path):
    with pytest.raises(KeyboardInterrupt) as stopped:
        tiny(tiny.settings(tmp_path / "my runs"), on_event=signal_at(StepEvent, 1))
    words = shlex.split(str(stopped.value).partition("go on with: ")[2])
    assert words == ["pose", "train", f"resume={(tmp_path / 'my runs' / 'run').as_posix()}"]


@pytest.mark.usefixtures("listening")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("cache", ["ram", "disk"])
def test_ctrl_c_is_heard_while_images_are_read_into_the_cache_and_leaves_no_run(tmp_path, monkeypatch, cache):
    data = write_people(tmp_path / "people", train=40, val=1, size=64)
    read, plain = [], PoseDataset.__getitem__

    def press(dataset, index):
        read.append(index)
        if len(read) == 3:
            os.kill(os.getpid(), signal.SIGINT)  # as a terminal does: it wakes the main thread
            time.sleep(0.2)
        return plain(dataset, index)

    monkeypatch.setattr(PoseDataset, "__getitem__", press)
    plain_words = {"epochs": 1, "imgsz": 64, "workers": 0, "device": "cpu", "plots": False}
    with pytest.raises(KeyboardInterrupt) as stopped:
        train(TrainSettings(data=str(data), project=str(tmp_path / "runs" / "run"), cache=cache, **plain_words))
    assert str(stopped.value) == ""
    assert len(read) < 40
    assert not (tmp_path / "runs" / "run").exists()
    assert [path.name for path in tmp_path.rglob(".*")] == []


@pytest.mark.usefixtures("listening")
def test_a_second_ctrl_c_ends_at_once(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("pose_train.interrupts.SAME_PRESS", 0.0)

    def press_twice(event):
        if isinstance(event, StepEvent):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("still there")

    with pytest.raises(KeyboardInterrupt):
        tiny(settings_of(tiny, tmp_path), on_event=press_twice)


def test_a_killed_worker_ends_the_run_in_a_line_with_the_command_that_goes_on(tiny, whole, tmp_path, assert_same_run):
    def kill_workers(event):
        if isinstance(event, StepEvent):
            for worker in multiprocessing.active_children():
                worker.kill()
            time.sleep(0.5)

    word = f"go on with: pose train resume={(tmp_path / 'run').as_posix()}"
    with pytest.raises(TrainingError, match=r"a process that reads images was killed.* lower 'workers:'") as stopped:
        tiny(tiny.settings(tmp_path, **WHOLE, workers=1), on_event=kill_workers)
    assert str(stopped.value).endswith(word)
    tiny(TrainSettings(resume=str(tmp_path / "run")))
    assert_same_run(whole, tmp_path / "run")


RAISES = """
from pose_data import DrawnPeople
from pose_train import StepEvent, TrainSettings, train


def refuse(event):
    if isinstance(event, StepEvent):
        raise ValueError("mine")


if __name__ == "__main__":
    plain = {"imgsz": 64, "batch": 4, "device": "cpu", "val": False, "plots": False}
    settings = TrainSettings(epochs=9, workers=1, project="run", **plain)
    train(settings, train_samples=DrawnPeople(64, size=64), on_event=refuse)
"""


def test_a_script_that_an_exception_ends_does_not_wait_for_its_workers(tmp_path):
    (tmp_path / "script.py").write_text(RAISES, encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stderr.endswith("ValueError: mine\n")


def test_an_exception_of_the_listener_leaves_the_last_checkpoint_whole(tiny, tmp_path):
    def interrupt(event):
        if isinstance(event, StepEvent) and event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny(tiny.settings(tmp_path), on_event=interrupt)
    assert load_checkpoint(tmp_path / "run" / "weights" / "last.safetensors").card.facts["epoch"] == "1"


def test_resume_true_means_the_run_of_the_model(tiny, tmp_path):
    done = tiny(tiny.settings(tmp_path, epochs=1, val=False))
    again = tiny(TrainSettings(resume=True, model=str(done.last)))
    assert (again.epochs, again.run_folder) == (1, done.run_folder)


def test_a_run_that_was_whole_before_it_was_resumed_still_knows_its_best(whole, tiny):
    before = load_file(whole / "weights" / "best.safetensors")
    again = tiny(TrainSettings(resume=str(whole)))
    assert again.metrics is not None
    assert all(torch.equal(before[k], v) for k, v in load_file(whole / "weights" / "best.safetensors").items())


def test_resume_true_without_a_model_asks_for_the_folder(tiny):
    with pytest.raises(SettingsError, match="got none; name the folder, such as resume=runs/train"):
        tiny(TrainSettings(resume=True))


def test_resume_with_another_setting_names_it(tiny, tmp_path):
    done = tiny(tiny.settings(tmp_path, epochs=1, val=False))
    with pytest.raises(SettingsError, match="goes on with epochs=1; got 4; leave it out, or begin another run with"):
        tiny(TrainSettings(resume=str(done.run_folder), epochs=4))


@pytest.fixture
def run_from(tmp_path, monkeypatch):
    """Run an epoch on images in files from another folder than what comes next; return their YAML and the run's."""

    def begin(*, beside, name, **changes):
        data = write_people(tmp_path / "people", train=4, val=2, size=64)
        monkeypatch.chdir(tmp_path / beside)
        plain = {"epochs": 1, "imgsz": 64, "batch": 4, "workers": 0, "device": "cpu", "plots": False}
        done = train(TrainSettings(data=name, project=str(tmp_path / "run"), **{**plain, **changes}))
        monkeypatch.chdir(tmp_path / "run")
        return data, done.run_folder

    return begin


@pytest.fixture
def run_of_files(run_from):
    return run_from(beside="people", name="data.yaml")


@pytest.mark.parametrize(("beside", "name"), [("people", "data.yaml"), (".", "people"), ("people", ".")])
def test_a_run_goes_on_from_another_folder_than_the_one_it_was_begun_in(run_from, beside, name):
    _, folder = run_from(beside=beside, name=name)
    assert train(TrainSettings(resume=str(folder))).epochs == 1


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_run_of_one_class_knows_its_files_too(run_from, split):
    data, folder = run_from(beside="people", name="data.yaml", single_cls=True)
    image = next((data.parent / "images" / split).iterdir())
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(DataError, match=f"the {split} images must be .* got files of other names or sizes"):
        train(TrainSettings(resume=str(folder)))


@pytest.mark.parametrize(
    ("split", "change"), [("train", "3 images in place of 4"), ("val", "other labels")], ids=["image", "label"]
)
def test_a_run_does_not_go_on_with_other_images_or_labels(run_of_files, split, change):
    data, folder = run_of_files
    label = next((data.parent / "labels" / split).glob("*.txt"))
    if split == "train":
        next((data.parent / "images" / split).glob(f"{label.stem}.*")).unlink()
    label.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=f"the {split} images must be those that the run began with; got {change}"):
        train(TrainSettings(resume=str(folder)))


def test_a_run_goes_on_where_its_data_have_moved_and_its_settings_say_so(run_of_files, tmp_path):
    data, folder = run_of_files
    shutil.move(data.parent, tmp_path / "elsewhere")
    with pytest.raises(SettingsError) as error:
        train(TrainSettings(resume=str(folder)))
    settings = folder / "settings.yaml"
    assert f"got nothing at '{data}'" in str(error.value)
    assert str(error.value).endswith(f"where they have moved, write their new place behind 'data:' in '{settings}'")
    moved = tmp_path / "elsewhere" / "data.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace(str(data), str(moved)), encoding="utf-8")
    moved.write_text(moved.read_text(encoding="utf-8").replace(str(data.parent), str(moved.parent)), encoding="utf-8")
    assert train(TrainSettings(resume=str(folder))).epochs == 1
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert record["train"]["root"] == str(data.parent / "images" / "train")
    assert record["resumed"][0]["data"] == str(moved)


def test_a_run_whose_record_knows_whole_paths_goes_on_until_the_data_move(run_of_files, tmp_path):
    data, folder = run_of_files
    path = folder / "record.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    for split in ("train", "val"):
        record[split] = fingerprint(open_dataset(read_data_settings(data), split), relative=False)
        del record[split]["root"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert train(TrainSettings(resume=str(folder))).epochs == 1
    next((data.parent / "images" / "train").iterdir()).rename(data.parent / "images" / "train" / "zzz.jpg")
    labels = sorted((data.parent / "labels" / "train").iterdir())
    labels[0].rename(labels[0].with_name("zzz.txt"))
    with pytest.raises(DataError, match=r"the train images must be .* got files at other paths, or of other sizes"):
        train(TrainSettings(resume=str(folder)))


@pytest.mark.parametrize("name", ["record.json", "results.csv", "times.csv"])
def test_a_run_with_a_damaged_file_does_not_go_on_and_is_as_it_was(tiny, tmp_path, name):
    done = tiny(tiny.settings(tmp_path, epochs=1, val=False))
    (done.run_folder / name).write_text("{", encoding="utf-8")
    before = {path: path.read_bytes() for path in done.run_folder.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match=rf"^.*{name}: must be the (record|table) that the run wrote[^\n]*$"):
        tiny(TrainSettings(resume=str(done.run_folder)))
    assert {path: path.read_bytes() for path in done.run_folder.rglob("*") if path.is_file()} == before


def test_resume_of_a_folder_without_a_run_says_what_is_missing(tiny, tmp_path):
    with pytest.raises(SettingsError, match="must be a run folder"):
        tiny(TrainSettings(resume=str(tmp_path)))


def test_resume_of_a_run_whose_state_was_removed_never_begins_anew(tiny, tmp_path):
    done = tiny(tiny.settings(tmp_path, epochs=1, val=False))
    (done.run_folder / "weights" / "resume.safetensors").unlink()
    with pytest.raises(SettingsError, match="must be a run folder"):
        tiny(TrainSettings(resume=str(done.run_folder)))


def test_damaged_state_is_named(tiny, tmp_path):
    tiny(tiny.settings(tmp_path, epochs=1, val=False))
    state = tmp_path / "run" / "weights" / "resume.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"resume\.safetensors"):
        tiny(TrainSettings(resume=str(tmp_path / "run")))
