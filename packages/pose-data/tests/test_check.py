from pathlib import Path

import numpy as np
import pytest
from pose_data import Skeleton, check_dataset, read_data_settings
from pose_data.datasets.check_statistics import mirror_warnings

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


@pytest.fixture
def check(write_dataset):
    def check(labels=None, **options):
        return check_dataset(read_data_settings(write_dataset(labels, **options)))

    return check


def reasons(report) -> str:
    return "\n".join(map(str, report.faults))


def test_a_good_data_set_has_no_fault_but_the_point_that_is_never_labelled(check, row: str):
    report = check({"train/a": row.replace("0 0 0", "0.3 0.3 2"), "val/b": ""})
    assert report.faults == ()
    assert report.counts["train"].objects == 1
    assert report.counts["train"].labelled == 3
    assert report.counts["train"].hidden == 1
    assert report.counts["val"].background == 1


def test_every_bad_row_is_an_error_with_its_line(check, row: str):
    report = check({"train/a": f"{row}\nx\n0 1\n", "val/b": "7" + row[1:]})
    assert [(f.file.name, f.line) for f in report.errors] == [("a.txt", 2), ("a.txt", 3), ("b.txt", 1)]


def test_the_text_lists_everything(check, row: str):
    text = str(check({"train/a": f"{row}\nx\n", "val/b": row}))
    assert "1 errors" in text
    assert "train: 1 images (0 with nobody), 1 objects, 2 labelled keypoints (1 hidden)" in text
    assert "a.txt:2: must have 14 columns" in text


def test_an_image_that_is_cut_off_is_an_error(write_dataset, tmp_path: Path):
    file = write_dataset()
    image = tmp_path / "images/train/a.png"
    image.write_bytes(image.read_bytes()[:-20])
    report = check_dataset(read_data_settings(file))
    assert [f.file for f in report.errors] == [image]
    assert "cut off" in report.errors[0].reason


def test_a_tiny_image_is_a_warning(write_dataset, write_image, tmp_path: Path):
    file = write_dataset()
    write_image(tmp_path / "images/train/a.png", height=8, width=80)
    report = check_dataset(read_data_settings(file))
    assert "a.png: must be at least 10 pixels on each side" in reasons(report)
    assert report.errors == ()


def test_a_label_without_an_image_is_a_warning(write_dataset, tmp_path: Path, row: str):
    file = write_dataset()
    (tmp_path / "labels/train/orphan.txt").write_text(row, encoding="utf-8")
    (tmp_path / "labels/train/classes.txt").write_text("mouse", encoding="utf-8")
    report = check_dataset(read_data_settings(file))
    assert "orphan.txt: no image for this label file" in reasons(report)
    assert "classes.txt" not in reasons(report)


def test_the_same_image_in_two_splits_is_a_warning(write_dataset, tmp_path: Path):
    file = write_dataset()
    (tmp_path / "images/val/d.png").write_bytes((tmp_path / "images/train/a.png").read_bytes())
    assert "d.png: the same image is in train too" in reasons(check_dataset(read_data_settings(file)))


def test_one_folder_for_two_splits_is_one_warning(write_dataset, row: str):
    file = write_dataset(
        {"train/a": row, "train/b": row}, yaml="train: images\nval: images\nnames: [m]\nkpt_shape: [3, 3]\n"
    )
    assert "val: 2 images are in train too" in reasons(check_dataset(read_data_settings(file)))


def test_a_split_without_images_is_an_error(write_dataset, row: str):
    report = check_dataset(read_data_settings(write_dataset({"train/a": row})))
    assert "val: " in report.errors[0].reason
    assert "no such file or folder" in report.errors[0].reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 0.5 0.5 0.2 0.2 0.5 0.5 2 0.5 0.9 2 0.5 0.5 2", "a.txt:1: 'left_ear' lies far outside its box"),
        ("0 0.1 0.1 0.2 0.2 0 0 2 0.1 0.1 2 0.1 0.1 2", "a.txt:1: 'nose' is labelled, at exactly 0 0"),
        ("0 0.5 0.5 0.01 0.5 0.5 0.5 2 0.5 0.5 2 0.5 0.5 2", "a.txt:1: the box is less than one pixel wide or high"),
        ("0 0.5 0.5 0.4 0.4 0.4 0.4 2 0.5 0.5 1 0 0 0", "'right_ear' is labelled in no object"),
        ("0 0.5 0.5 0.4 0.4 0 0 0 0 0 0 0 0 0", "labels must hold keypoints; got none"),
    ],
)
def test_odd_labels_are_named(check, text: str, reason: str):
    assert reason in reasons(check({"train/a": text, "val/b": ""}))


def test_settings_that_make_trouble_later_are_named(check, row: str):
    report = check({"train/a": row, "val/b": ""}, yaml="train: images/train\nnames: [mouse, rat]\nkpt_shape: [3, 3]\n")
    assert "class 'rat' is in names and in no label" in reasons(report)
    assert "images can't be flipped" in reasons(report)
    assert "no OKS sigmas" in reasons(report)


SIX = ("left_eye", "right_eye", "left_hip", "right_hip", "left_foot", "right_foot")
PAIRS = ((0, 1), (2, 3), (4, 5))


def crowd_of(x: list[float]):
    """Thirty objects with the same points at height 50 of a box of 100 x 100."""
    keypoints = np.zeros((30, len(x), 2), np.float32)
    keypoints[..., 0], keypoints[..., 1] = x, 50
    boxes = np.tile(np.array([0, 0, 100, 100], np.float32), (30, 1))
    return {"boxes": boxes, "keypoints": keypoints, "visibility": np.full((30, len(x)), 2, np.uint8)}


def test_pairs_that_agree_are_fine():
    assert mirror_warnings(Skeleton(SIX, PAIRS), **crowd_of([70, 30, 70, 30, 70, 30])) == []


def test_a_pair_that_lies_the_other_way_round_is_named():
    (warning,) = mirror_warnings(Skeleton(SIX, PAIRS), **crowd_of([70, 30, 30, 70, 70, 30]))
    assert warning.startswith("'left_hip' and 'right_hip' lie the other way round than the other pairs in 100% of 30")


def test_a_point_that_mirrors_itself_but_lies_like_one_of_a_pair_is_named():
    (warning,) = mirror_warnings(Skeleton(("nose", "ear", "horn"), ()), **crowd_of([50, 20, 80]))
    assert warning.startswith("'ear' and 'horn' lie like a left and a right, at 0.20 and 0.80")


def test_few_objects_say_nothing():
    few = {name: array[:5] for name, array in crowd_of([70, 30, 30, 70, 70, 30]).items()}
    assert mirror_warnings(Skeleton(SIX, PAIRS), **few) == []


def test_the_drawn_people_have_nothing_to_check():
    assert check_dataset(read_data_settings("people")).errors == ()


@pytest.mark.skipif(not (SHARED / "lspet-2000").exists(), reason="shared/data/lspet-2000 is not here")
def test_real_people_raise_no_alarm_about_sides(tmp_path: Path):
    folder = (SHARED / "lspet-2000").resolve()
    file = tmp_path / "lspet.yaml"
    file.write_text(
        f"path: {folder}\ntrain: {{images: images, annotations: lspet2000_keypoints.json}}\n", encoding="utf-8"
    )
    report = check_dataset(read_data_settings(file))
    assert report.errors == ()
    assert "other way round" not in reasons(report)
