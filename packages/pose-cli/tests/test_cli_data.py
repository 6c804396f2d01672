"""`pose data check` and `pose data convert`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def copied(dataset: Path, tmp_path: Path) -> Path:
    """A copy of the data set that a test may spoil."""
    shutil.copytree(dataset.parent, tmp_path / "copy")
    return tmp_path / "copy" / "data.yaml"


def test_a_good_data_set_has_status_0(run, dataset) -> None:
    outcome = run("data", "check", dataset)
    assert outcome.status == 0
    assert "0 errors" in outcome.out


def test_a_fault_is_listed_as_file_and_line_and_has_status_1(run, copied) -> None:
    label = copied.parent / "labels" / "train" / "a.txt"
    label.write_text(label.read_text(encoding="utf-8") + "7 0.5 0.5 0.5 0.5\n", encoding="utf-8")
    outcome = run("data", "check", f"data={copied}")
    assert outcome.status == 1
    assert f"{label}:2: " in outcome.out


def test_a_data_set_that_is_not_there_has_status_2(run, tmp_path) -> None:
    outcome = run("data", "check", tmp_path / "gone.yaml")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "gone.yaml" in outcome.err


def test_check_needs_to_be_told_what_to_look_at(run) -> None:
    assert "add data=FILE.yaml" in run("data", "check").err


def test_labels_become_coco_and_labels_again(run, dataset, tmp_path) -> None:
    coco, yolo = tmp_path / "coco", tmp_path / "yolo"
    assert run("data", "convert", dataset, coco, "to=coco").status == 0
    outcome = run("data", "convert", coco / "data.yaml", yolo, "to=yolo")
    assert (outcome.status, outcome.out) == (0, f"{yolo / 'data.yaml'}: 4 images, 4 objects\n")
    numbers = [
        [float(word) for word in (folder / "labels" / "val" / "a.txt").read_text(encoding="utf-8").split()]
        for folder in (dataset.parent, yolo)
    ]
    assert numbers[1] == pytest.approx(numbers[0])


def test_a_bare_coco_file_is_told_which_line_of_yaml_it_needs(run, tmp_path) -> None:
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    outcome = run("data", "convert", tmp_path / "a.json", tmp_path / "out")
    assert outcome.status == 2
    assert "train: {images: FOLDER, annotations: " in outcome.err


def test_a_folder_with_files_is_not_written_into(run, dataset, tmp_path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    outcome = run("data", "convert", dataset, tmp_path / "full")
    assert outcome.status == 2
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
