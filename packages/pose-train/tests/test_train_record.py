"""What a run writes down about itself, and the picture of its curves."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
from pose_data import DrawnPeople, open_dataset, read_data_settings, write_people
from pose_train.curves import draw_panel, draw_panels, write_curves
from pose_train.panels import SIZE
from pose_train.record import fingerprint, git_commit, read_start_card
from pose_train.run_folder import RunFolder, read_rows, write_row

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_run_writes_down_versions_seed_data_and_start(tiny, tmp_path):
    result = tiny(tiny.settings(tmp_path, epochs=1, val=False, seed=3))
    record = json.loads((result.run_folder / "record.json").read_text(encoding="utf-8"))
    assert record["seed"] == 3
    assert record["packages"].keys() >= {"pose-train", "torch", "numpy"}
    assert record["train"]["images"] == 8
    assert record["val"] is None
    assert record["plan"]["optimizer"] == "AdamW"
    assert record["plan"]["lr0"] == 0.002
    assert record["mixed_precision"] == "no"
    assert read_start_card(result.run_folder / "record.json").provenance.endswith("data people, seed 3")


def test_a_changed_label_changes_the_hash_of_labels_and_a_changed_image_that_of_files(tmp_path):
    settings = read_data_settings(write_people(tmp_path / "people", train=2, val=1, size=64))
    before = fingerprint(open_dataset(settings, "train"))
    assert (before["kind"], before["images"]) == ("files", 2)
    label = next((tmp_path / "people" / "labels" / "train").glob("*.txt"))
    text = label.read_text(encoding="utf-8")
    label.write_text(
        text.replace("0.5", "0.4", 1) if "0.5" in text else text.replace("0.4", "0.3", 1), encoding="utf-8"
    )
    relabelled = fingerprint(open_dataset(settings, "train"))
    assert relabelled["labels_sha256"] != before["labels_sha256"]
    assert relabelled["files_sha256"] == before["files_sha256"]
    image = open_dataset(settings, "train").image_path(0)
    image.write_bytes(image.read_bytes() + b"\0")
    assert fingerprint(open_dataset(settings, "train"))["files_sha256"] != before["files_sha256"]


def test_another_area_of_a_person_changes_the_hash_of_labels():
    class Larger(DrawnPeople):
        def targets(self, index):
            targets = super().targets(index)
            return dataclasses.replace(targets, areas=2 * targets.areas)

    assert fingerprint(Larger(4, size=64))["labels_sha256"] != fingerprint(DrawnPeople(4, size=64))["labels_sha256"]


def test_drawn_people_are_told_apart_by_their_seed():
    one, two = (fingerprint(DrawnPeople(40, size=64, seed=seed)) for seed in (1, 2))
    assert one["labels_sha256"] != two["labels_sha256"]
    assert one["labels_sampled"] == 16


def test_the_commit_is_found_from_a_folder_inside_of_the_repository(tmp_path):
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    (git / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert git_commit(inside) == COMMIT
    (git / "refs" / "heads" / "main").write_text("f" * 40 + "\n")
    assert git_commit(inside) == "f" * 40
    (git / "HEAD").write_text(COMMIT + "\n")
    assert git_commit(inside) == COMMIT


def test_a_row_replaces_that_of_its_epoch_and_those_after(tmp_path):
    table = tmp_path / "results.csv"
    for epoch in (1, 2, 3):
        write_row(table, epoch, {"lr": epoch / 10})
    write_row(table, 2, {"lr": 0.5})
    assert read_rows(table) == [{"epoch": "1", "lr": "0.1"}, {"epoch": "2", "lr": "0.5"}]


def test_only_what_a_killed_process_left_is_cleared(tmp_path):
    folder = RunFolder(tmp_path)
    folder.last.parent.mkdir()
    leftovers = (tmp_path / ".results.0123456789ab.csv", folder.last.parent / ".last.0123456789ab.safetensors")
    for file in (*leftovers, tmp_path / ".gitignore", folder.last):
        file.touch()
    folder.clear_leftovers()
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [".gitignore", "last.safetensors"]


def test_a_curve_from_nothing_to_its_highest_goes_from_corner_to_corner():
    panel = draw_panel("loss", np.array([1.0, 2.0]), {"loss": np.array([0.0, 4.0])})
    assert panel.shape == (*SIZE, 3)
    blue = (panel[..., 2].astype(int) - panel[..., 0]) > 100
    rows, columns = blue.nonzero()
    first, last = columns.argmin(), columns.argmax()  # the frame is 58 to 344 pixels across and 30 to 214 down
    assert (columns[first], rows[first]) == pytest.approx((58, 214), abs=2)
    assert (columns[last], rows[last]) == pytest.approx((344, 30), abs=2)


def test_epochs_without_a_figure_leave_a_gap_and_absent_columns_have_no_panel():
    rows = [{"epoch": "1", "loss/box": "2", "pose/ap": "-1"}, {"epoch": "2", "loss/box": "1", "pose/ap": "0.5"}]
    assert len(draw_panels(rows)) == 2
    assert draw_panels([]) == []


def test_curves_are_written_as_a_picture(tmp_path):
    write_curves(tmp_path / "results.png", [{"epoch": "1", "loss/box": "2", "lr": "0.01"}])
    assert cv2.imread(str(tmp_path / "results.png")).shape == (SIZE[0] + 8, 2 * SIZE[1] + 12, 3)


def test_settings_with_lists_are_written_and_read_back(tiny, tmp_path):
    settings = dataclasses.replace(tiny.settings(tmp_path), freeze=(0, 2))
    folder = RunFolder(tmp_path)
    folder.write_settings(settings)
    from pose_data import load_settings
    from pose_train import TrainSettings

    assert load_settings(TrainSettings, folder.settings) == settings
