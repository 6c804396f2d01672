"""People in the forms that others read."""

import json

import numpy as np
from pose_data import Poses, crop_people, poses_to_coco, poses_to_label_text, poses_to_rows, poses_to_track_rows


def _people():
    return Poses(
        boxes=np.array([[10, 20, 30, 60], [0, 0, 5, 5]], np.float32),
        scores=np.array([0.9, 0.5], np.float32),
        labels=np.array([1, 0]),
        keypoints=np.array([[[10, 20], [50, 40], [100, 80]], [[0, 0]] * 3], np.float32),
        keypoint_scores=np.array([[0.25, 0.5, 1], [0, 0, 0]], np.float32),
    )


def test_label_text_is_in_parts_of_the_image():
    text = poses_to_label_text(_people()[:1], (80, 100))
    assert text == "1 0.2 0.5 0.2 0.5 0.1 0.25 0.25 0.5 0.5 0.5 1 1 1\n"


def test_label_text_may_leave_out_keypoint_scores_and_add_the_persons():
    text = poses_to_label_text(_people(), (80, 100), keypoint_dims=2, with_scores=True)
    first, second = text.splitlines()
    assert first == "1 0.2 0.5 0.2 0.5 0.1 0.25 0.5 0.5 1 1 0.9"
    assert second == "0 0.025 0.03125 0.05 0.0625 0 0 0 0 0 0 0.5"


def test_a_line_ends_with_the_id_of_who_is_followed():
    text = poses_to_label_text(_people(), (80, 100), keypoint_dims=2, with_scores=True, ids=np.array([12345678, -1]))
    assert [line.split()[-2:] for line in text.splitlines()] == [["0.9", "12345678"], ["0.5", "-1"]]


def test_track_rows_hold_who_is_followed():
    (row,) = poses_to_track_rows(_people(), np.array([4, -1]), frame=7)
    assert row == {
        "frame": 7,
        "track_id": 4,
        "class": 1,
        "box": [10, 20, 30, 60],
        "score": 0.9,
        "keypoints": [10, 20, 0.25, 50, 40, 0.5, 100, 80, 1],
    }
    assert json.loads(json.dumps(row)) == row
    assert poses_to_track_rows(Poses.empty(3), np.zeros(0, np.int64), frame=0) == []


def test_nobody_is_the_empty_text():
    assert poses_to_label_text(Poses.empty(3), (80, 100)) == ""


def test_rows_name_the_class_and_hold_plain_numbers():
    (row,) = poses_to_rows(_people()[:1], names=("cat", "dog"))
    assert row == {
        "name": "dog",
        "class": 1,
        "confidence": 0.9,
        "box": {"x1": 10, "y1": 20, "x2": 30, "y2": 60},
        "keypoints": {"x": [10, 50, 100], "y": [20, 40, 80], "visible": [0.25, 0.5, 1]},
    }
    assert json.loads(json.dumps(row)) == row


def test_a_coco_entry_has_width_and_height_and_flat_keypoints():
    first, second = poses_to_coco(_people(), image_id=7, file_name="a.jpg")
    assert first == {
        "image_id": 7,
        "file_name": "a.jpg",
        "category_id": 2,
        "bbox": [10, 20, 20, 40],
        "score": 0.9,
        "keypoints": [10, 20, 0.25, 50, 40, 0.5, 100, 80, 1],
    }
    assert second["category_id"] == 1


def test_coco_categories_may_have_other_numbers():
    assert [row["category_id"] for row in poses_to_coco(_people(), image_id=7, file_name="", category_ids=[3, 18])] == [
        18,
        3,
    ]


def test_crops_are_the_boxes():
    image = np.zeros((80, 100, 3), np.uint8)
    image[20:60, 10:30] = 255
    first, second = crop_people(image, _people())
    assert first.shape == (40, 20, 3)
    assert (first == 255).all()
    assert second.shape == (5, 5, 3)
    assert not np.shares_memory(first, image)


def test_a_box_without_a_size_still_gives_a_pixel():
    people = Poses.empty(3)
    boxes = np.array([[100, 80, 100, 80], [-5, -5, -1, -1]], np.float32)
    people = Poses(boxes, *(np.zeros((2, *shape)) for shape in ((), (), (3, 2), (3,))))
    assert [crop.shape for crop in crop_people(np.zeros((80, 100, 3), np.uint8), people)] == [(1, 1, 3), (1, 1, 3)]
