"""`pose tune` and `pose data check --overfit`, from words to what they leave."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from pose_data import load_settings
from pose_train import TrainSettings

TINY = ("epochs=1", "imgsz=64", "batch=2", "workers=0", "device=cpu")


def test_a_search_prints_each_trial_and_the_best(run, dataset, weights, in_empty_folder) -> None:
    pytest.importorskip("optuna")
    outcome = run("tune", weights, dataset, *TINY, "trials=2", "space=[lr0,scale]")
    assert outcome.status == 0, outcome.err
    assert "trial 1/2  complete  keypoint AP " in outcome.err
    assert "2 trials complete, 0 stopped early, 0 failed; best keypoint AP " in outcome.out
    assert "train with the best settings: pose train recipe=runs/tune/best.yaml\n" in outcome.out
    assert sorted(path.name for path in Path("runs/tune").iterdir()) == [
        *("best.yaml", "study.db", "study.png", "trial0", "trial1")
    ]


def test_a_full_disk_is_one_line_and_leaves_no_study(run, dataset, weights, in_empty_folder, monkeypatch) -> None:
    pytest.importorskip("optuna")

    def fill(*_: object) -> None:
        Path("runs/tune/study.db").touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pose_train.tune_file._open_study", fill)
    outcome = run("tune", weights, dataset, *TINY, "trials=1")
    line = "runs/tune: the disk is full; free some space, and the same command goes on with the study"
    assert (outcome.status, outcome.err) == (2, f"pose: {line}\n")
    assert list(Path("runs/tune").iterdir()) == []


def test_a_recipe_gives_what_no_word_says(run, dataset, weights, tmp_path, in_empty_folder) -> None:
    pytest.importorskip("optuna")
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("epochs: 1\nhsv_h: 0.25\nbatch: 4\n", encoding="utf-8")
    outcome = run("tune", weights, dataset, *TINY, f"recipe={recipe}", "trials=1", "space=[scale]")
    assert outcome.status == 0, outcome.err
    settings = load_settings(TrainSettings, Path("runs/tune/trial0/settings.yaml"))
    assert (settings.hsv_h, settings.batch) == (0.25, 2)


def test_what_a_run_says_is_shown_once(run, dataset, weights, in_empty_folder) -> None:
    pytest.importorskip("optuna")
    outcome = run("tune", weights, dataset, *TINY, "trials=2", "space=[scale]")
    assert outcome.err.count("tensors taken") == 1


def test_a_mistyped_setting_of_the_search_is_one_line(run) -> None:
    outcome = run("tune", "trails=3")
    assert (outcome.status, outcome.err) == (2, "pose: tune: no setting 'trails'; did you mean 'trials'?\n")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("iterations=3", "no setting 'iterations' here; use trials=N"),
        ("project=afile", "project: the folder 'afile' can't be made ("),
        ("space=[epochs]", "space: epochs must stay the same in all trials; leave it out"),
        ("space=[imgsz]", "got 'imgsz'; write a YAML file with its range and give that"),
    ],
)
def test_a_wrong_word_is_one_line_with_the_way_out(word: str, message: str, run, in_empty_folder) -> None:
    pytest.importorskip("optuna")
    (in_empty_folder / "afile").touch()
    outcome = run("tune", word)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert message in outcome.err


def test_a_space_of_unknown_settings_is_one_line(run, dataset, in_empty_folder) -> None:
    pytest.importorskip("optuna")
    outcome = run("tune", dataset, *TINY, "space=[mosaik]")
    assert outcome.status == 2
    assert "got 'mosaik'; did you mean 'mosaic'?" in outcome.err


def test_images_that_are_not_learnt_are_named_with_status_1(run, dataset, weights, in_empty_folder) -> None:
    outcome = run("data", "check", dataset, "--overfit", "2", f"model={weights}", "steps=10", "imgsz=64", "device=cpu")
    assert outcome.status == 1, outcome.err
    assert "not learnt after 10 steps on 2 images: keypoint AP " in outcome.out
    assert "Worst by OKS: " in outcome.out
    assert [path.name for path in in_empty_folder.iterdir()] == ["runs"]


@pytest.mark.parametrize(("model", "got"), [("nope.pt", "there is no such file"), ("is.onnx", "got an exported file")])
def test_only_weights_can_be_learnt_on(model: str, got: str, run, dataset, in_empty_folder) -> None:
    (in_empty_folder / "is.onnx").touch()
    outcome = run("data", "check", dataset, "overfit=2", f"model={model}")
    assert outcome.status == 2
    way_out = "give a file that ends in .safetensors or .pt, or a network's name"
    assert outcome.err == f"pose: {model}: must be weights to learn on; {got}; {way_out}\n"


def test_faults_come_before_learning(run, dataset, tmp_path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(f"train: {tmp_path / 'gone'}\nval: {tmp_path / 'gone'}\nnames: [a]\nkpt_shape: [1, 3]\n", "utf-8")
    outcome = run("data", "check", bad, "overfit=2")
    assert outcome.status == 1
    assert "learnt" not in outcome.out
