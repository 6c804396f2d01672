from pathlib import Path

import numpy as np
import pytest
from pose_data import DataError, LabelForm, PoseTargets, format_labels, read_labels, write_labels

FORM = LabelForm(num_classes=2, num_keypoints=3, keypoint_dims=3)
FLAT = LabelForm(num_classes=2, num_keypoints=3, keypoint_dims=2)
SIZE = (100, 200)  # height, width


def read(tmp_path: Path, text: str | bytes, form: LabelForm = FORM) -> PoseTargets:
    file = tmp_path / "a.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(file, form, size=SIZE)


def test_fractions_become_pixels(tmp_path: Path, row: str):
    targets = read(tmp_path, row)
    assert targets.labels.tolist() == [0]
    assert targets.boxes == pytest.approx(np.array([[60, 30, 140, 70]]))
    assert targets.keypoints == pytest.approx(np.array([[[80, 40], [100, 50], [0, 0]]]))
    assert targets.visibility.tolist() == [[2, 1, 0]]
    assert targets.areas == pytest.approx([80 * 40 * 0.53])
    assert not targets.crowd.any()


def test_a_missing_file_is_an_image_with_nobody(tmp_path: Path):
    targets = read_labels(tmp_path / "none.txt", FORM, size=SIZE)
    assert targets.keypoints.shape == (0, 3, 2)


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "  \t "])
def test_an_empty_file_is_an_image_with_nobody(tmp_path: Path, text: str):
    assert len(read(tmp_path, text)) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda row: "\ufeff" + row,
        lambda row: "\n" + row.replace(" ", "\t") + "\r\n\r\n",
        lambda row: "0.0" + row[1:],
        lambda row: row.replace("0.5 0.5 1", "1.005 0.5 1"),
        lambda row: row.replace("0.5 0.5 1", "-0.005 0.5 1"),
        lambda row: row.replace("0 0 0", "-7 9 0"),
        lambda row: "0 -0.005 0.5 0.4 0.4" + row[17:],
    ],
    ids=["BOM", "tabs and blank lines", "class 0.0", "point 1.005", "point -0.005", "unlabelled outside", "box edge"],
)
def test_harmless_oddities_are_accepted(tmp_path: Path, row: str, change):
    assert len(read(tmp_path, change(row))) == 1


def test_a_point_just_outside_is_put_on_the_border(tmp_path: Path, row: str):
    targets = read(tmp_path, row.replace("0.5 0.5 1", "1.005 -0.005 1"))
    assert targets.keypoints[0, 1].tolist() == [200, 0]


def test_a_box_is_cut_at_the_border(tmp_path: Path, row: str):
    targets = read(tmp_path, "0 0.9 0.5 0.4 0.4" + row[17:])
    assert targets.boxes[0] == pytest.approx([140, 30, 200, 70])


def test_a_row_that_is_there_twice_counts_once(tmp_path: Path, row: str):
    assert len(read(tmp_path, f"{row}\n{row}\n")) == 1


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("0 0 0", "0 0", "must have 14 columns (class, 4 for the box, 3 x 3 for kpt_shape [3, 3]); got 13"),
        (" 0.4 0.4 2 0.5 0.5 1 0 0 0", "", "got 5, a box without keypoints"),
        (" 2 0.5 0.5 1 0 0 0", " 0.5 0.5 0 0", "got 11; did you mean kpt_shape [3, 2] in the data YAML?"),
        ("0 0 0", "0 0 0 1 1 2", "got 17, which is 4 keypoints"),
        (" ", ",", "got 1; separate the numbers by spaces, not commas"),
        ("0.5 0.5 1", "1.02 0.5 1", "keypoint 1 (from 0) must be in the image, from 0 to 1; got 1.02 0.5"),
        ("0.5 0.5 1", "0.5 -0.02 1", "keypoint 1 (from 0) must be in the image, from 0 to 1; got 0.5 -0.02"),
        ("0 0.5 0.5 0.4", "0 1.02 0.5 0.4", "box centre must be in the image, from 0 to 1; got 1.02 0.5"),
        ("0 0.5 0.5 0.4", "0 0.5 0.5 1.5", "box width and height must be fractions of the image, at most 1; got 1.5"),
        ("0 0.5 0.5 0.4", "0 0.5 0.5 0", "box width and height must be above 0; got 0 0.4"),
        ("0 0.5 0.5 0.4", "0 0.5 0.5 -0.005", "box width and height must be above 0; got -0.005 0.4"),
        ("0.5 0.5 1", "0.5 0.5 5", "visibility must be 0 (not labelled), 1 (hidden) or 2 (visible); got 5"),
        ("0.5 0.5 1", "0.5 0.5 0.5", "visibility must be 0 (not labelled), 1 (hidden) or 2 (visible); got 0.5"),
        ("0.5 0.5 1", "0.5 0.5 -1", "visibility must be 0 (not labelled), 1 (hidden) or 2 (visible); got -1"),
        ("0.5 0.5 1", "nan 0.5 1", "column 9 must be a number; got nan"),
        ("0.5 0.5 1", "x 0.5 1", "column 9 must be a number; got 'x'"),
        ("0 0.5 0.5 0.4", "2 0.5 0.5 0.4", "class must be a whole number from 0 to 1 (names has 2); got 2"),
        ("0 0.5 0.5 0.4", "-1 0.5 0.5 0.4", "class must be a whole number from 0 to 1 (names has 2); got -1"),
        ("0 0.5 0.5 0.4", "0.5 0.5 0.5 0.4", "class must be a whole number from 0 to 1 (names has 2); got 0.5"),
        ("0 0.5 0.5 0.4", "mouse 0.5 0.5 0.4", "column 1 must be a number; got 'mouse'"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_reason(tmp_path: Path, row: str, old: str, new: str, reason: str):
    bad = row.replace(old, new, -1 if old == " " else 1)
    with pytest.raises(DataError) as caught:
        read(tmp_path, f"{row}\n{bad}\n")
    assert "a.txt:2: " in str(caught.value)
    assert reason in str(caught.value)


def test_all_bad_rows_are_listed(tmp_path: Path, row: str):
    with pytest.raises(DataError, match="2 bad rows") as caught:
        read(tmp_path, f"0 1\n{row}\n9{row[1:]}\n")
    assert ":1: must have" in str(caught.value)
    assert ":3: class" in str(caught.value)


def test_text_that_is_not_utf_8_is_a_bad_row(tmp_path: Path, row: str):
    with pytest.raises(DataError, match=r"a\.txt:1: must be text in UTF-8; got bytes that aren't; save"):
        read(tmp_path, b"\xff\xfe" + row.encode())


def test_without_visibility_a_point_is_visible_unless_it_is_zero_or_negative(tmp_path: Path):
    targets = read(tmp_path, "0 0.5 0.5 0.4 0.4 0.5 0.5 0 0 -0.005 0.4", FLAT)
    assert targets.visibility.tolist() == [[2, 0, 0]]


def test_without_visibility_a_point_far_outside_is_a_fault(tmp_path: Path):
    with pytest.raises(DataError, match="keypoint 2"):
        read(tmp_path, "0 0.5 0.5 0.4 0.4 0.5 0.5 0 0 -0.02 0.4", FLAT)


def make_targets() -> PoseTargets:
    return PoseTargets(
        boxes=np.array([[10.25, 20.5, 110.75, 90.1]], np.float32),
        labels=np.array([1]),
        keypoints=np.array([[[33.3, 44.4], [123, 77], [0, 0]]], np.float32),
        visibility=np.array([[2, 1, 0]], np.uint8),
        areas=np.array([1000], np.float32),
        crowd=np.array([False]),
    )


def test_what_is_written_is_read_back_to_the_last_bit(tmp_path: Path):
    targets = make_targets()
    write_labels(tmp_path / "a.txt", targets, size=SIZE)
    back = read_labels(tmp_path / "a.txt", FORM, size=SIZE)
    assert np.array_equal(back.keypoints, targets.keypoints)
    assert back.boxes == pytest.approx(targets.boxes, rel=1e-6)
    assert np.array_equal(back.visibility, targets.visibility)
    assert np.array_equal(back.labels, targets.labels)


def test_two_columns_a_point_keep_what_is_labelled(tmp_path: Path):
    write_labels(tmp_path / "a.txt", make_targets(), size=SIZE, keypoint_dims=2)
    back = read_labels(tmp_path / "a.txt", FLAT, size=SIZE)
    assert back.visibility.tolist() == [[2, 2, 0]]


def test_nobody_is_an_empty_text():
    assert format_labels(PoseTargets.empty(3), size=SIZE) == ""
