"""The overfit check, on drawn people so small that a step costs nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from pose_data import DrawnPeople, PoseError, SettingsError
from pose_nn import load_checkpoint
from pose_train import LearntImage, OverfitResult, OverfitSettings, StartEvent, StepEvent, overfit, overfitting
from pose_train.overfitting import LEARNT_OKS, choose_labelled, is_learnt


class Unlabelled(DrawnPeople):
    """Drawn people, labelled in some images only."""

    def __init__(self, count: int, labelled: tuple[int, ...]) -> None:
        super().__init__(count, size=64)
        self.labelled = labelled

    def targets(self, index: int):
        targets = super().targets(0)  # somebody is in image 0
        return targets if index in self.labelled else targets[:0]


class Perfect:
    """Metrics of a network that has learnt all, or almost."""

    def __init__(self, ap50: float, mean_oks: float) -> None:
        self.keypoints = type("Metrics", (), {"ap": ap50, "ap50": ap50})
        self.mean_oks = mean_oks


def test_learnt_means_found_and_no_further_off_than_annotators_differ():
    assert pytest.approx(0.8825, abs=1e-4) == LEARNT_OKS
    assert is_learnt(Perfect(1.0, 0.89))
    assert not is_learnt(Perfect(1.0, 0.88))
    assert not is_learnt(Perfect(0.9, 0.99))


def test_images_are_spread_over_the_data_set():
    assert choose_labelled(DrawnPeople(100, size=64), 4) == [0, 25, 50, 75]


def test_images_without_labels_are_passed_over():
    assert choose_labelled(Unlabelled(8, labelled=(1, 3, 7)), 2) == [1, 7]


def test_what_a_part_lacks_is_taken_from_others():
    assert choose_labelled(Unlabelled(16, labelled=(2, 12, 13, 14, 15)), 4) == [2, 12, 13, 14]
    assert choose_labelled(Unlabelled(16, labelled=(14, 15)), 4) == [14, 15]


def test_a_data_set_without_labels_is_refused():
    with pytest.raises(SettingsError, match="must have labelled keypoints; got none"):
        choose_labelled(Unlabelled(4, labelled=()), 2)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A check that is given up after ten steps, and the folder it was done in."""
    folder = tmp_path_factory.mktemp("overfit")
    settings = OverfitSettings(images=2, steps=10, imgsz=64, device="cpu", project=str(folder / "run"))
    return folder, overfit(settings, DrawnPeople(8, size=64))


def test_a_check_that_is_stopped_promises_no_way_to_go_on(tmp_path):
    def stop(event):
        if isinstance(event, StepEvent):
            raise KeyboardInterrupt

    settings = OverfitSettings(images=2, steps=10, imgsz=64, device="cpu", project=str(tmp_path / "run"))
    with pytest.raises(KeyboardInterrupt) as stopped:
        overfit(settings, DrawnPeople(8, size=64), on_event=stop)
    assert str(stopped.value) == "stopped before the images were learnt; the same command begins again"


def test_what_was_not_learnt_is_said_with_the_worst_images_first(checked):
    _, result = checked
    assert (result.learnt, result.steps, len(result.images)) == (False, 10, 2)
    assert result.images[0].oks <= result.images[1].oks
    assert f"Worst by OKS: {result.images[0].name}" in str(result)


def test_nothing_is_written_but_the_run_folder(checked):
    folder, result = checked
    assert [path.name for path in folder.iterdir()] == ["run"]
    assert (result.run_folder / "validation.jpg").is_file()
    assert load_checkpoint(result.run_folder / "weights" / "best.safetensors").card.names == ("person",)


def test_the_run_ends_as_soon_as_all_is_learnt(tmp_path, monkeypatch):
    monkeypatch.setattr(overfitting, "is_learnt", lambda _metrics: True)
    events: list[object] = []
    settings = OverfitSettings(images=2, steps=1000, imgsz=64, device="cpu", project=str(tmp_path / "run"))
    result = overfit(settings, DrawnPeople(2, size=64), on_event=events.append)
    assert (result.learnt, result.steps) == (True, 10)
    assert str(result).startswith("learnt after 10 steps on 2 images")
    assert any(isinstance(event, StartEvent) for event in events)


@pytest.mark.parametrize("name", ["resume", "last", "validation"])
def test_a_check_on_a_full_disk_leaves_no_folder_and_promises_no_way_on(tmp_path, monkeypatch, name):
    plain = Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if name in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    settings = OverfitSettings(images=2, steps=10, imgsz=64, device="cpu", project=str(tmp_path / "run"))
    with pytest.raises(PoseError, match=r"free some space, or name another place to write to$"):
        overfit(settings, DrawnPeople(2, size=64))
    assert list(tmp_path.iterdir()) == []


def test_a_learnt_data_set_is_said_to_be_consistent_and_where_to_look():
    result = OverfitResult(Path("run"), 40, True, Perfect(1.0, 0.9), (LearntImage("a.png", 0.9),))
    assert "Images and labels fit each other" in str(result)
    assert str(Path("run") / "validation.jpg") in str(result)
