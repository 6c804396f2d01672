"""`pose download`: what it would fetch, and what it says when it can't."""

from __future__ import annotations

import io

import pytest
from pose_cli.work import work_shown
from rich.console import Console


def test_a_dry_run_says_what_would_be_fetched_and_writes_nothing(run, in_empty_folder) -> None:
    outcome = run("download", "coco-pose", "split=val", "dry_run=True")
    assert outcome.status == 0
    assert outcome.out.splitlines() == [
        "datasets/coco-pose: 2 files to fetch, 1.1 GB",
        "  http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
        "  http://images.cocodataset.org/zips/val2017.zip",
    ]
    assert list(in_empty_folder.iterdir()) == []


def test_without_a_name_it_says_what_there_is(run) -> None:
    outcome = run("download")
    assert (outcome.status, outcome.err) == (
        2,
        "pose: download: nothing to fetch; name a data set: pose download coco-pose\n",
    )


def test_an_unknown_data_set_gets_the_nearest_right_one(run) -> None:
    assert "did you mean 'coco-pose'?" in run("download", "coco-pos").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("coco",), "name must be coco-pose; got 'coco' (text); did you mean 'coco-pose'?"),
        (("people",), "'people' needs no download, as it is drawn: pose train data=people"),
        (("coco-pose", "site=ftp://x"), "site must be an http or https address; got 'ftp://x'; leave it out for http"),
        (("coco-pose", "folder=afile"), "folder must be a folder to write to; got the file 'afile'; name another"),
        (("coco-pose", "folder=afile/in"), "got the file '"),
    ],
)
def test_what_can_not_be_fetched_is_one_line(words: tuple[str, ...], message: str, run, in_empty_folder) -> None:
    (in_empty_folder / "afile").touch()
    outcome = run("download", *words)
    assert (outcome.status, outcome.err.count("\n"), outcome.out) == (2, 1, "")
    assert message in outcome.err


def test_no_network_is_one_line_and_exit_2(run, in_empty_folder, monkeypatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 10**12}))
    outcome = run("download", "coco-pose", "split=val", "site=http://127.0.0.1:9")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "check the connection" in outcome.err
    assert list(in_empty_folder.iterdir()) == []


def test_training_without_the_data_says_the_command_that_fetches_them(run, in_empty_folder) -> None:
    outcome = run("train", "data=coco-pose", "model=yolov8n-pose.yaml")
    assert outcome.status == 2
    assert "with: pose download coco-pose" in outcome.err
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.parametrize("terminal", [False, True])
def test_work_is_shown_with_its_share(terminal: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, color_system=None)
    with work_shown(console) as say:
        say("fetching a.zip", 1, 4)
        say("fetching a.zip", 2, 4)
        say("fetching a.zip", 4, 4)
    assert "fetching a.zip" in file.getvalue()
    if not terminal:
        assert file.getvalue().splitlines() == ["fetching a.zip: 25 %", "fetching a.zip: 100 %"]
