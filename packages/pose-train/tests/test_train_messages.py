"""What a run says is in its folder, a line for every message."""

import json
import re
from pathlib import Path

import pytest
from pose_data import write_people
from pose_train import MessageEvent, StartEvent, StepEvent, TrainSettings, train
from pose_train.messages import MessageLog

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def said_in(folder):
    """Read what was said, without its times."""
    lines = (folder / "messages.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.match(f"{TIME} ", line) for line in lines)
    return [line.partition(" ")[2] for line in lines]


def test_messages_are_kept_until_there_is_a_folder_and_every_event_is_passed_on(tmp_path):
    told = []
    events = [MessageEvent("before"), StartEvent(tmp_path), MessageEvent("two\nlines"), MessageEvent("after")]
    log = MessageLog(told.append)
    for event in events:
        log(event)
    assert said_in(tmp_path) == ["before", "two lines", "after"]
    assert told == events


def test_what_was_left_out_of_the_data_is_in_the_run_folder(tmp_path):
    data = write_people(tmp_path / "people", train=4, val=1, size=64)
    label = sorted((data.parent / "labels" / "train").glob("*.txt"))[0]
    label.write_text("0 what is this\n", encoding="utf-8")
    plain = {"epochs": 1, "imgsz": 64, "batch": 2, "workers": 0, "device": "cpu", "plots": False, "val": False}
    settings = TrainSettings(data=str(data), project=str(tmp_path / "run"), skip_bad=True, **plain)
    folder = train(settings).run_folder
    assert any(line.endswith("train: 1 bad rows and images were left out") for line in said_in(folder))
    (left_out,) = json.loads((folder / "record.json").read_text(encoding="utf-8"))["train"]["left_out"]
    assert left_out.startswith(f"{label}:1: ")


def test_a_run_that_goes_on_adds_to_its_messages_and_one_in_its_place_begins_anew(tiny, tmp_path):
    told = []

    def listen(event):
        told.extend([event.text] if isinstance(event, MessageEvent) else [])

    settings = tiny.settings(tmp_path, epochs=1, val=False, exist_ok=True)
    folder = tiny(settings, listen).run_folder
    tiny(TrainSettings(resume=str(folder)), listen)
    assert said_in(folder) == told
    assert told[-1] == "going on after epoch 1 of 1"
    told.clear()
    tiny(settings, listen)
    assert said_in(folder) == told


def test_messages_are_on_disk_before_the_first_step(tiny, tmp_path):
    there = []

    def listen(event):
        if isinstance(event, StepEvent):
            there.append(said_in(tmp_path / "run"))

    tiny(tiny.settings(tmp_path, epochs=1, val=False), listen)
    assert there[0][0].startswith("AdamW")


def test_why_a_run_was_stopped_is_its_last_message(tiny, tmp_path):
    def stop(event):
        if isinstance(event, StepEvent):
            raise KeyboardInterrupt("enough")

    with pytest.raises(KeyboardInterrupt):
        tiny(tiny.settings(tmp_path, val=False), stop)
    assert said_in(tmp_path / "run")[-1] == "enough"


@pytest.mark.parametrize("holds_data", [True, False])
def test_a_folder_called_as_the_drawn_people_is_told_apart_from_them(holds_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if holds_data:
        write_people(Path("people"), train=2, val=1, size=64)
    else:
        Path("people").mkdir()
    plain = {"epochs": 1, "imgsz": 64, "batch": 2, "workers": 0, "device": "cpu", "plots": False, "val": False}
    folder = train(TrainSettings(data="people", fraction=1.0 if holds_data else 0.002, **plain)).run_folder
    taken = f"the folder '{tmp_path / 'people'}'" if holds_data else "the drawn people that come along"
    assert said_in(folder)[0].startswith(f"data=people: {taken}")
