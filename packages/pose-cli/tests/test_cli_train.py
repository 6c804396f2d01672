"""`pose train` and `pose demo`, from words to weights, and how a run is shown."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pose_cli.progress import duration, progress_shown
from pose_data import COCO_PERSON, ModelCard
from pose_nn import build_network, load_checkpoint, save_checkpoint
from pose_train import (
    REFUSED_SETTINGS,
    EpochEvent,
    Listener,
    StartEvent,
    StepEvent,
    TrainEvent,
    TrainSettings,
    ValidationEvent,
    train,
)
from rich.console import Console

TINY = ("epochs=1", "imgsz=64", "batch=2", "workers=0", "device=cpu")


def test_train_prints_every_epoch_and_where_the_weights_are(run, dataset, weights, in_empty_folder) -> None:
    outcome = run("train", weights, dataset, *TINY)
    assert outcome.status == 0, outcome.err
    assert "epoch 1/1" in outcome.err
    assert "best weights: runs/train/weights/best.safetensors" in outcome.out
    assert Path("runs/train/weights/best.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "origin"),
    [
        ((), "started from people-n.safetensors"),
        (("model=",), "started from people-n.safetensors"),
        (("model=yolov8n-pose.yaml",), "trained from scratch"),
        (("recipe=published",), "trained from scratch"),
    ],
)
def test_train_begins_with_the_shipped_weights_unless_a_network_is_named(
    run, dataset, in_empty_folder, words: tuple[str, ...], origin: str
) -> None:
    outcome = run("train", f"data={dataset}", *words, *TINY, "val=False", "plots=False")
    assert outcome.status == 0, outcome.err
    assert ("tensors taken" in outcome.err) == origin.startswith("started")
    assert origin in load_checkpoint(Path("runs/train/weights/last.safetensors")).card.provenance


def test_train_with_a_mistyped_word_is_one_line(run) -> None:
    outcome = run("train", "epoch=3")
    assert (outcome.status, outcome.err) == (2, "pose: train: no setting 'epoch'; did you mean 'epochs'?\n")


@pytest.mark.parametrize("name", sorted(REFUSED_SETTINGS.keys() - {"mode"}))
@pytest.mark.parametrize("verb", ["train", "tune"])
def test_a_word_of_other_trainers_gets_what_to_write_instead(verb: str, name: str, run) -> None:
    outcome = run(verb, f"{name}=7")
    assert (outcome.status, outcome.err) == (2, f"pose: {verb}: no setting '{name}' here; {REFUSED_SETTINGS[name]}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.yaml", "b.yaml"), "data must be one data set; got 'a.yaml' and 'b.yaml'; for a network use model="),
        (("data=a.yaml", "b.yaml"), "data must be one data set; got 'a.yaml' and 'b.yaml'; for a network use model="),
        (("classes=[0]",), "no setting 'classes' here; all classes of the data YAML are learnt"),
        (("agnostic_nms=True",), "no setting 'agnostic_nms' here; people of each class are selected apart"),
        (("optimizer=MuSGD",), "got 'MuSGD' (text); did you mean 'Muon'?"),
        (("project=afile/run",), "project: the folder 'afile/run' can't be made ("),
    ],
)
def test_a_wrong_word_is_one_line_with_the_way_out(words: tuple[str, ...], message: str, run, in_empty_folder) -> None:
    (in_empty_folder / "afile").touch()
    outcome = run("train", *words)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert message in outcome.err


@pytest.mark.parametrize("command", ["train", "tune", "demo"])
def test_a_seed_that_is_too_large_is_one_line(run, command: str) -> None:
    outcome = run(command, "seed=99999999999999999999999")
    assert outcome.status == 2
    assert outcome.err.startswith(f"pose: {command}: seed must be from 0 to 4294967295; got ")
    assert outcome.err.count("\n") == 1


def test_of_several_processes_only_the_one_that_is_told_prints_the_table(run, monkeypatch, tmp_path) -> None:
    import pose_train

    done = pose_train.TrainResult(tmp_path, tmp_path / "best", tmp_path / "last", None, epochs=1, seconds=1.0)
    monkeypatch.setattr(pose_train, "train", lambda settings, on_event: done)
    outcome = run("train", "epochs=1")
    assert (outcome.status, outcome.out) == (0, "")


def test_train_with_an_unknown_network_is_one_line(run, dataset, in_empty_folder) -> None:
    outcome = run("train", "model=yolov8q-pose.yaml", dataset, *TINY)
    assert outcome.status == 2
    assert "got 'yolov8q-pose.yaml'" in outcome.err.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither signal for one process")
@pytest.mark.parametrize(
    ("number", "send", "workers"),
    [(signal.SIGINT, os.kill, 0), (signal.SIGTERM, getattr(os, "killpg", None), 1)],
    ids=["ctrl-c", "scheduler-terminates-all-its-processes"],
)
def test_a_signal_ends_with_the_command_that_goes_on_in_the_same_epoch(
    dataset, weights, in_empty_folder, number, send, workers
) -> None:
    words = ["train", str(weights), str(dataset), "epochs=1000", *TINY[1:], "val=False", "plots=False"]
    words.append(f"workers={workers}")
    # A process that was started in the background of a shell ignores SIGINT, and so would its children.
    listening = "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = f"{listening}from pose_cli.main import main\nsys.exit(main({words}))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True)
    watchdog = threading.Timer(120, process.kill)  # so that a run that can't be interrupted fails rather than hangs
    watchdog.start()
    assert process.stderr is not None
    with process.stderr as stderr:
        first = next(line for line in stderr if line.startswith("epoch 1/"))
        send(process.pid, number)
        rest = first + stderr.read()
    assert process.wait(timeout=60) == 130
    watchdog.cancel()
    last = rest.splitlines()[-1]
    assert last.startswith("pose: stopped in epoch ")
    assert last.endswith("; go on with: pose train resume=runs/train")
    assert "Traceback" not in rest
    assert rest.count("go on with") == 1
    with Path("runs/train/results.csv").open(encoding="utf-8") as table:
        done = len(table.readlines()) - 1
    assert _first_epoch_of(TrainSettings(resume="runs/train")) == done + 1


def test_an_interrupt_that_says_nothing_ends_with_a_command_that_a_shell_takes(run, monkeypatch) -> None:
    import pose_train

    def stop(_settings: TrainSettings, *, on_event: Listener) -> None:
        on_event(StartEvent(Path("my runs/train")))
        raise KeyboardInterrupt

    monkeypatch.setattr(pose_train, "train", stop)
    outcome = run("train", "epochs=1")
    assert outcome.status == 130
    assert outcome.err.endswith("pose: interrupted; go on with: pose train resume='my runs/train'\n")


class _Stop(Exception):  # noqa: N818 - it is no error
    pass


def _first_epoch_of(settings: TrainSettings) -> int:
    epochs: list[int] = []

    def listen(event: TrainEvent) -> None:
        if isinstance(event, EpochEvent):
            epochs.append(event.epoch)
            raise _Stop

    with pytest.raises(_Stop):
        train(settings, on_event=listen)
    return epochs[0]


def test_durations_are_written_as_clocks_do() -> None:
    assert [duration(seconds) for seconds in (0, 42.4, 725, 10800)] == ["0:00", "0:42", "12:05", "3:00:00"]


def events() -> list[object]:
    losses = {"box": 1.0, "pose": 2.0}
    return [
        StartEvent(Path("runs/train")),
        StepEvent(1, 3, 1, 2, losses, 12.5, 65.0),
        ValidationEvent(2, 4),
        EpochEvent(1, 3, losses, None, 0.01, 5.0, True),
    ]


def shown(*, terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=160, color_system=None)
    with progress_shown(console) as listener:
        for event in events():
            listener(event)
    return file.getvalue()


def test_plain_lines_tell_messages_and_epochs_and_no_step_before_its_time() -> None:
    assert shown(terminal=False).splitlines() == [
        "writing to runs/train",
        "epoch 1/3  box 1.000 pose 2.000  0:05  best so far",
    ]


def test_a_terminal_shows_losses_speed_and_time_left() -> None:
    text = shown(terminal=True)
    assert [word for word in ("epoch 1/3", "box 1.000", "12.5 images/s", "1:05 left") if word not in text] == []


def test_demo_goes_all_the_way_and_prints_where_the_files_are(run, in_empty_folder) -> None:
    card = ModelCard("yolov8n-pose", ("person",), COCO_PERSON, imgsz=(64, 64))
    save_checkpoint(Path("start.safetensors"), build_network("yolov8n-pose"), card)
    tiny = (
        "model=start.safetensors",
        "seconds=1",
        "train_images=2",
        "val_images=2",
        "imgsz=64",
        "batch=2",
        "workers=0",
    )
    outcome = run("demo", *tiny, "device=cpu")
    assert outcome.status == 0, outcome.err
    for name in ("data/coco.yaml", "train/weights/best.safetensors", "people.onnx", "predictions.jpg"):
        assert (in_empty_folder / "quickstart" / name).is_file(), name
        assert f"quickstart/{name.split('/')[0]}" in outcome.out
    rows = ("weights as they come", "after ", "the same as ONNX")
    assert [row for row in rows if row not in outcome.out] == []
