"""What a run writes down about itself, and the picture of its curves."""

import dataclasses
import json
import shutil
import subprocess
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from pose_data import CheckpointError, DrawnPeople, open_dataset, read_data_settings, write_people
from pose_train import TrainSettings
from pose_train.checkout import describe_checkout, describe_code, git_commit
from pose_train.curves import draw_panel, draw_panels, write_curves
from pose_train.panels import SIZE
from pose_train.record import fingerprint, read_record, read_start_card
from pose_train.run_folder import RunFolder
from pose_train.tables import check_table, read_rows, write_row

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_run_writes_down_versions_seed_data_and_start(tiny, tmp_path):
    result = tiny(tiny.settings(tmp_path, epochs=1, val=False, seed=3))
    record = json.loads((result.run_folder / "record.json").read_text(encoding="utf-8"))
    assert record["seed"] == 3
    assert record["packages"].keys() >= {"pose-train", "torch", "numpy"}
    assert ("pose-cli" in record["packages"]) == (find_spec("pose_cli") is not None)
    assert record["train"]["images"] == 8
    assert record["val"] is None
    assert record["plan"]["optimizer"] == "AdamW"
    assert record["plan"]["lr0"] == 0.002
    assert record["mixed_precision"] == "no"
    assert read_start_card(result.run_folder / "record.json").provenance.endswith("data people, seed 3")


def test_each_time_that_a_run_goes_on_is_added_to_its_record(tiny, tmp_path):
    done = tiny(tiny.settings(tmp_path, epochs=1, val=False))
    path = done.run_folder / "record.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    tiny(TrainSettings(resume=str(done.run_folder)))
    tiny(TrainSettings(resume=str(done.run_folder)))
    after = json.loads(path.read_text(encoding="utf-8"))
    resumed = after.pop("resumed")
    assert after == before
    assert [(entry["after_epoch"], entry["after_step"], entry["processes"]) for entry in resumed] == [(1, 0, 1)] * 2
    assert before["began"] <= resumed[0]["at"] <= resumed[1]["at"]
    assert {name: resumed[0][name] for name in ("packages", "machine", "device", "git")} == {
        name: before[name] for name in ("packages", "machine", "device", "git")
    }


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("{", "text that isn't JSON"),
        ("", "text that isn't JSON"),
        ("[]", "a list"),
        ('{"train": 3}', "no 'start'"),
        ('{"start": {}, "train": 3}', "'train' without 'images' and 'labels_sha256'"),
    ],
)
def test_a_damaged_record_is_one_line(tmp_path, text, seen):
    path = tmp_path / "record.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError) as error:
        read_record(path)
    assert str(error.value).startswith(f"{path}: must be the record that the run wrote, with its 'start', ")
    assert f"got {seen}" in str(error.value)
    assert "\n" not in str(error.value)


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


def git(folder, *words):
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.org", *words],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def checkout(tmp_path):
    """A repository with one file in its first commit."""
    if not shutil.which("git"):
        pytest.skip("git isn't installed")
    git(tmp_path, "init")
    (tmp_path / "code.py").write_text("a = 1\n")
    (tmp_path / ".gitignore").write_text("installed\n")
    git(tmp_path, "add", "code.py", ".gitignore")
    git(tmp_path, "commit", "--message", "first")
    return tmp_path


def test_a_change_that_nobody_committed_is_told_beside_the_commit_but_no_new_file(checkout):
    (checkout / "data.csv").touch()
    assert describe_checkout(checkout) == {"commit": git_commit(checkout), "uncommitted_changes": False}
    (checkout / "code.py").write_text("a = 2\n")
    assert describe_checkout(checkout) == {"commit": git_commit(checkout), "uncommitted_changes": True}


def test_code_has_the_commit_of_the_repository_that_tracks_it_and_installed_code_that_of_none(checkout):
    installed = checkout / "installed" / "code.py"
    installed.parent.mkdir()
    installed.touch()
    assert describe_code(checkout / "code.py") == {"commit": git_commit(checkout), "uncommitted_changes": False}
    assert describe_code(installed) is None


def test_the_commits_of_the_working_folder_and_of_the_code_are_written_down(tiny, tmp_path, checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    monkeypatch.setattr("pose_train.record.__file__", str(checkout / "code.py"))
    (checkout / "code.py").write_text("a = 2\n")
    result = tiny(tiny.settings(tmp_path, epochs=1, val=False))
    changed = {"commit": git_commit(checkout), "uncommitted_changes": True}
    record = json.loads((result.run_folder / "record.json").read_text(encoding="utf-8"))
    assert record["git"] == {"working_folder": changed, "code": changed}


def test_without_git_the_commit_of_the_working_folder_is_known_and_nothing_of_changes(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert describe_checkout(checkout) == {"commit": git_commit(checkout), "uncommitted_changes": None}
    assert describe_code(checkout / "code.py") is None


def test_a_row_replaces_that_of_its_epoch_and_those_after(tmp_path):
    table = tmp_path / "results.csv"
    for epoch in (1, 2, 3):
        write_row(table, epoch, {"lr": epoch / 10})
    write_row(table, 2, {"lr": 0.5})
    assert read_rows(table) == [{"epoch": "1", "lr": "0.1"}, {"epoch": "2", "lr": "0.5"}]


def test_a_table_that_a_run_wrote_can_be_gone_on_with_and_one_that_is_not_there_too(tmp_path):
    table = tmp_path / "results.csv"
    check_table(table)
    assert not table.exists()
    write_row(table, 1, {"loss/box": float("nan"), "lr": 1e-5})
    write_row(table, 2, {"loss/box": 0.5, "lr": 1e-5, "pose/ap": -1.0})
    written = table.read_bytes()
    check_table(table)
    assert table.read_bytes() == written


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("\ufeffepoch;lr\n1;0,1\n".encode(), r"a first line that begins '\ufeffepoch;lr'"),
        ("epoch,lr\n".encode("utf-16"), "bytes that aren't UTF-8"),
        (b"", "an empty file"),
        (b"epoch,lr\n1,0.1\n2,fast\n", "line 3: '2,fast'"),
        (b"epoch,lr\n1,0,1\n", "line 2: '1,0,1'"),
    ],
    ids=["spreadsheet", "utf-16", "empty", "word", "comma"],
)
def test_a_table_that_something_else_saved_is_one_line(tmp_path, content, seen):
    table = tmp_path / "results.csv"
    table.write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        check_table(table)
    assert str(error.value) == (
        f"{table}: must be the table that the run wrote, UTF-8 with commas, 'epoch' first and a number in every cell; "
        f"got {seen}; put it back as it was, or move it elsewhere and the run begins a new one"
    )


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

    assert load_settings(TrainSettings, folder.settings) == settings
