"""Classes with keypoints of their own: one skeleton of all points, and which of them each class has."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pose_data import (
    CheckpointError,
    DataError,
    LabelForm,
    ModelCard,
    Poses,
    PoseTargets,
    Predictor,
    SettingsError,
    Skeleton,
    card_from_json,
    check_dataset,
    convert_to_coco,
    convert_to_yolo,
    draw_poses,
    flip_left_right,
    open_dataset,
    poses_to_label_text,
    poses_to_rows,
    read_coco_keypoints,
    read_data_settings,
    read_labels,
    select,
    write_coco_keypoints,
)

POINTS = ("nose", "left_wrist", "right_wrist", "tail")
SKELETON = Skeleton(POINTS, mirror=((1, 2),), classes=((0, 1, 2), (0, 3)))

HEAD = "train: images/train\nval: images/val\nnames: {0: person, 1: dog}\n"
CLASSES = "  classes:\n    person: [nose, left_wrist, right_wrist]\n    dog: [nose, tail]\n"
BLOCK = "skeleton:\n  names: [nose, left_wrist, right_wrist, tail]\n  sigmas: [0.1, 0.1, 0.1, 0.1]\n"
YAML = HEAD + BLOCK + CLASSES

PERSON = "0 0.25 0.5 0.4 0.4 0.2 0.4 2 0.3 0.5 1 0.15 0.5 2 0 0 0"
DOG = "1 0.75 0.5 0.4 0.4 0.7 0.4 2 0 0 0 0 0 0 0.8 0.5 2"


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str):
        file = tmp_path / "data.yaml"
        file.write_text(text, encoding="utf-8")
        return read_data_settings(file)

    return read


@pytest.fixture
def pets(write_dataset):
    """A data set of label files with a person and a dog."""
    return write_dataset({"train/a": f"{PERSON}\n{DOG}\n", "val/b": DOG}, yaml=YAML)


@pytest.fixture
def content() -> dict[str, object]:
    """A COCO file of a dog and a person, whose categories list their own keypoints."""
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 80, "height": 40}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 5, "bbox": [40, 10, 30, 20], "keypoints": [60, 25, 2, 50, 15, 1]},
            {
                "id": 2,
                "image_id": 7,
                "category_id": 2,
                "bbox": [5, 10, 30, 20],
                "keypoints": [10, 12, 2, 8, 20, 2, 0, 0, 0],
            },
        ],
        "categories": [
            {"id": 5, "name": "dog", "keypoints": ["tail", "nose"], "skeleton": [[1, 2]]},
            {
                "id": 2,
                "name": "person",
                "keypoints": ["nose", "left_wrist", "right_wrist"],
                "skeleton": [[1, 2], [1, 3]],
            },
        ],
    }


@pytest.fixture
def write_coco(tmp_path: Path, write_image, content):
    def write(yaml: str = "", change=lambda content: None) -> Path:
        write_image(tmp_path / "pictures/a.png")
        change(content)
        (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
        file = tmp_path / "coco.yaml"
        file.write_text(f"train: {{images: pictures, annotations: a.json}}\n{yaml}", encoding="utf-8")
        return file

    return write


# The skeleton


def test_a_skeleton_says_which_class_has_which_points():
    assert SKELETON.class_points is not None
    assert SKELETON.class_points.tolist() == [[True, True, True, False], [True, False, False, True]]
    assert Skeleton(POINTS).class_points is None


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (((0, 1, 2), ()), r"at least one; got \[\] for class 1"),
        (((0, 1, 2), (3, 0)), r"rising indices of 4 keypoints, at least one; got \[3, 0\] for class 1"),
        (((0, 1, 2), (3, 4)), r"got \[3, 4\] for class 1"),
        (((0, 0, 1, 2), (3,)), r"got \[0, 0, 1, 2\] for class 0"),
        (((0, 2), (0, 3)), "got 'right_wrist' without 'left_wrist' for class 0"),
    ],
)
def test_a_skeleton_refuses_classes_that_can_not_be(classes, reason: str):
    with pytest.raises(SettingsError, match=reason):
        Skeleton(POINTS, mirror=((1, 2),), classes=classes)


# The YAML


def test_the_yaml_lists_the_points_of_each_class(read):
    settings = read(YAML)
    assert settings.skeleton == replace(SKELETON, sigmas=(0.1, 0.1, 0.1, 0.1))
    assert settings.names == ("person", "dog")


def test_other_tools_keys_may_name_the_points(read):
    settings = read(HEAD + "kpt_names: [nose, left_wrist, right_wrist, tail]\nskeleton:\n" + CLASSES)
    assert settings.skeleton == SKELETON


def test_classes_that_all_have_all_points_are_one_skeleton_for_all(read):
    everything = (
        "  classes: {person: [nose, left_wrist, right_wrist, tail], dog: [tail, nose, right_wrist, left_wrist]}\n"
    )
    assert read(HEAD + BLOCK + everything).skeleton.classes is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "{persn: [nose, left_wrist, right_wrist], dog: [nose, tail]}",
            "must name classes; got 'persn'; did you mean 'person'?",
        ),
        ("{person: [nose, left_wrist, right_wrist, tail]}", "got none for 'dog'; add 'dog: [...]'"),
        (
            "{person: [nose, left_wrist, right_wrist, tail], dog: []}",
            "must list the keypoints of every class, at least one; got none for 'dog'",
        ),
        (
            "{person: [nose, left_wrist, right_wrist], dog: [nose, tial]}",
            "must name keypoints; got 'tial' for 'dog'; did you mean 'tail'?",
        ),
        (
            "{person: [nose, left_wrist, right_wrist], dog: [nose, hoof]}",
            "got 'hoof' for 'dog'; the names are nose, left_wrist, right_wrist, tail",
        ),
        (
            "{person: [nose, left_wrist, right_wrist], dog: [nose]}",
            "must give every keypoint to a class; got none that has 'tail'; add it to a class, or take it out",
        ),
        (
            "{person: [nose, left_wrist, right_wrist, nose], dog: [nose, tail]}",
            "must name a keypoint once; got 'nose' twice for 'person'; drop one",
        ),
        (
            "{person: [nose, left_wrist, right_wrist], dog: [nose, tail, left_wrist]}",
            "both points of a mirror pair to a class, or neither; got 'left_wrist' without 'right_wrist' for 'dog'; "
            "add 'right_wrist', whose v is 0 where it isn't labelled, or drop 'left_wrist'",
        ),
        ("[[nose], [tail]]", "must be a mapping of text to a list"),
    ],
)
def test_what_is_wrong_with_classes_is_one_line(read, tmp_path: Path, line: str, reason: str):
    with pytest.raises(SettingsError) as caught:
        read(HEAD + BLOCK + f"  classes: {line}\n")
    assert reason in str(caught.value)
    assert "skeleton: classes" in str(caught.value)
    assert str(tmp_path / "data.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_given_twice_is_refused(read):
    with pytest.raises(SettingsError, match="the key 'dog' twice"):
        read(YAML + "    dog: [tail]\n")


# Label files


def test_rows_have_room_for_all_points(pets):
    targets = open_dataset(read_data_settings(pets), "train").targets(0)
    assert targets.labels.tolist() == [0, 1]
    assert targets.visibility.tolist() == [[2, 1, 2, 0], [2, 0, 0, 2]]


def test_a_label_of_a_point_that_the_class_lacks_is_a_fault_with_its_line(pets, tmp_path: Path):
    label = tmp_path / "labels/train/a.txt"
    label.write_text(f"{PERSON}\n{DOG[: -len('0.8 0.5 2')].replace('0 0 0 0 0 0', '0 0 0 0.7 0.6 1')}0.8 0.5 2\n")
    report = check_dataset(read_data_settings(pets))
    (fault,) = report.errors
    assert str(fault) == (
        f"{label}:2: keypoint 2 (from 0) must not be labelled, for class 1 has only 0, 3; got 0.7 0.6 1; "
        "write 0 0 0, or add the point to the class in 'skeleton: classes'"
    )
    with pytest.raises(DataError, match=r"a\.txt:2: keypoint 2"):
        open_dataset(read_data_settings(pets), "train")


def test_a_row_with_the_points_of_its_class_alone_is_told_to_have_all(tmp_path: Path):
    file = tmp_path / "a.txt"
    file.write_text("1 0.75 0.5 0.4 0.4 0.7 0.4 2 0.8 0.5 2\n", encoding="utf-8")
    reason = r"a\.txt:1: must have 17 columns .*; got 11, the keypoints of one class; write all 4, those that the class"
    with pytest.raises(DataError, match=reason):
        read_labels(file, LabelForm(2, 4, 3, SKELETON.classes), size=(40, 80))


def test_a_bad_class_is_still_said_first(tmp_path: Path):
    file = tmp_path / "a.txt"
    file.write_text("7" + DOG[1:], encoding="utf-8")
    form = LabelForm(2, 4, 3, SKELETON.classes)
    with pytest.raises(DataError, match="class must be a whole number from 0 to 1"):
        read_labels(file, form, size=(40, 80))


def test_without_visibility_only_zeros_say_that_a_class_lacks_a_point(tmp_path: Path):
    form = LabelForm(2, 4, 2, SKELETON.classes)
    file = tmp_path / "a.txt"
    file.write_text("1 0.5 0.5 0.4 0.4 0.4 0.4 0 0 0 0 0.6 0.6\n", encoding="utf-8")
    assert read_labels(file, form, size=(40, 80)).visibility.tolist() == [[2, 0, 0, 2]]
    file.write_text("1 0.5 0.5 0.4 0.4 0.4 0.4 0.5 0.5 0 0 0.6 0.6\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"keypoint 1 \(from 0\) must not be labelled.*got 0.5 0.5; write 0 0,"):
        read_labels(file, form, size=(40, 80))


# COCO files


def test_categories_with_keypoints_of_their_own_are_read_as_they_are(write_coco):
    settings = read_data_settings(write_coco())
    assert settings.names == ("person", "dog")  # by id
    assert settings.skeleton.names == ("nose", "left_wrist", "right_wrist", "tail")
    assert settings.skeleton.classes == ((0, 1, 2), (0, 3))
    assert settings.skeleton.mirror == ((1, 2),)
    assert settings.skeleton.edges == ((0, 1), (0, 2), (0, 3))
    targets = open_dataset(settings, "train").targets(0)
    assert targets.labels.tolist() == [1, 0]
    assert targets.visibility.tolist() == [[1, 0, 0, 2], [2, 2, 0, 0]]
    assert targets.keypoints.tolist() == [
        [[50, 15], [0, 0], [0, 0], [60, 25]],
        [[10, 12], [8, 20], [0, 0], [0, 0]],
    ]


def test_the_yaml_orders_classes_and_points(write_coco):
    settings = read_data_settings(
        write_coco("names: [dog, person]\nkpt_names: [tail, nose, left_wrist, right_wrist]\nskeleton:\n" + CLASSES)
    )
    assert settings.skeleton.classes == ((0, 1), (1, 2, 3))
    targets = open_dataset(settings, "train").targets(0)
    assert targets.labels.tolist() == [0, 1]
    assert targets.visibility.tolist() == [[2, 1, 0, 0], [0, 2, 2, 0]]


def test_one_of_the_categories_has_its_own_points_alone(write_coco):
    settings = read_data_settings(write_coco("names: [dog]\n"))
    assert settings.skeleton == Skeleton(("tail", "nose"), edges=((0, 1),))
    assert open_dataset(settings, "train").targets(0).visibility.tolist() == [[2, 1]]


def test_the_same_points_in_another_order_are_one_skeleton(write_coco):
    def reorder(content):
        content["categories"][1].update(keypoints=["nose", "tail"])
        content["annotations"][1]["keypoints"] = [10, 12, 2, 8, 20, 1]

    settings = read_data_settings(write_coco(change=reorder))
    assert settings.skeleton.names == ("nose", "tail")
    assert settings.skeleton.classes is None
    assert open_dataset(settings, "train").targets(0).visibility.tolist() == [[1, 2], [2, 1]]


@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        (
            "names: [person, dog]\nskeleton: {names: [nose, left_wrist, right_wrist, tail]}\n",
            "its categories have keypoints of their own, and the data YAML must say so",
        ),
        (
            "names: [person, dog]\nskeleton:\n  names: [nose, left_wrist, right_wrist, tail, ear]\n"
            "  classes: {person: [nose, left_wrist, right_wrist, ear], dog: [nose, ear]}\n",
            "must give every keypoint to a class; got none that has 'tail'",
        ),
        (
            "names: [person, dog]\nskeleton:\n  names: [nose, left_wrist, right_wrist, ear]\n"
            "  classes: {person: [nose, left_wrist, right_wrist], dog: [nose, ear]}\n",
            "no keypoints but those that the data YAML gives to the class, nose, ear; got 'tail'",
        ),
    ],
)
def test_a_yaml_that_says_other_points_than_the_file_is_refused(write_coco, yaml: str, reason: str):
    with pytest.raises((DataError, SettingsError)) as caught:
        open_dataset(read_data_settings(write_coco(yaml)), "train")
    assert reason in str(caught.value)


def test_names_in_the_yaml_that_the_categories_do_not_have_are_refused(write_coco):
    with pytest.raises(SettingsError, match="categories of the COCO file must name keypoints; got 'nose' for 'person'"):
        read_data_settings(write_coco("kpt_names: [snout, left_wrist, right_wrist, tail]\n"))


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (["nose", "nose"], "categories must name a keypoint once; got 'nose' twice for 'dog'"),
        (["nose", "left_wrist"], "got 'left_wrist' without 'right_wrist' for 'dog'"),
    ],
)
def test_a_category_with_points_that_can_not_be_is_refused(write_coco, points, reason: str):
    with pytest.raises(DataError) as caught:
        read_data_settings(write_coco(change=lambda c: c["categories"][0].update(keypoints=points)))
    assert reason in str(caught.value)
    assert "a.json" in str(caught.value)


def test_an_annotation_of_another_length_than_its_category_is_a_fault(write_coco, tmp_path: Path):
    write_coco(change=lambda c: c["annotations"][0].update(keypoints=[1, 2, 2, 0, 0, 0, 0, 0, 0]))
    (fault,) = read_coco_keypoints(tmp_path / "a.json").faults
    assert "annotation 1: keypoints must be 6 numbers, x y v for each of 2; got 9" in str(fault)


def test_where_all_categories_list_all_points_one_that_the_class_lacks_is_a_fault(write_coco):
    def all_points(content):
        for entry in content["categories"]:
            entry["keypoints"] = list(POINTS)
        content["annotations"][0]["keypoints"] = [50, 15, 2, 60, 20, 2, 0, 0, 0, 60, 25, 2]
        content["annotations"][1]["keypoints"] += [0, 0, 0]

    settings = read_data_settings(write_coco("skeleton:\n" + CLASSES, all_points))
    (fault,) = check_dataset(settings).errors
    assert "annotation 1: 'left_wrist' must not be labelled, for class 'dog' doesn't have it" in str(fault)


def test_what_is_written_lists_the_points_of_each_category(write_coco, tmp_path: Path):
    write_coco()
    annotated = read_coco_keypoints(tmp_path / "a.json")
    write_coco_keypoints(tmp_path / "b.json", annotated)
    content = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert content["categories"] == [
        {
            "id": 2,
            "name": "person",
            "keypoints": ["nose", "left_wrist", "right_wrist"],
            "skeleton": [[1, 2], [1, 3]],
        },
        {"id": 5, "name": "dog", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]},
    ]
    assert [a["keypoints"] for a in content["annotations"]] == [[50, 15, 1, 60, 25, 2], [10, 12, 2, 8, 20, 2, 0, 0, 0]]
    assert [a["num_keypoints"] for a in content["annotations"]] == [2, 2]
    back = read_coco_keypoints(tmp_path / "b.json")
    assert back.categories.skeleton == annotated.categories.skeleton
    assert np.array_equal(back.targets.keypoints, annotated.targets.keypoints)


# Conversion


def test_both_ways_keep_the_points_of_each_class(pets, tmp_path: Path):
    first = read_data_settings(pets)
    second = read_data_settings(convert_to_coco(first, tmp_path / "coco").file)
    third = read_data_settings(convert_to_yolo(second, tmp_path / "yolo").file)
    assert second.skeleton == third.skeleton == first.skeleton
    old, json_, new = (open_dataset(settings, "train").targets(0) for settings in (first, second, third))
    assert json_.visibility.tolist() == new.visibility.tolist() == old.visibility.tolist()
    assert json_.keypoints == pytest.approx(old.keypoints)
    assert new.keypoints == pytest.approx(old.keypoints)


def test_the_written_coco_file_says_it_alone(pets, tmp_path: Path):
    convert_to_coco(read_data_settings(pets), tmp_path / "coco")
    categories = read_coco_keypoints(tmp_path / "coco/annotations/keypoints_train.json").categories
    assert categories.skeleton is not None
    assert categories.skeleton.classes == SKELETON.classes


# Flips


def test_a_flip_keeps_every_point_within_its_class(pets):
    sample = open_dataset(read_data_settings(pets), "train")[0]
    _, flipped = flip_left_right(sample.image, sample.targets, skeleton=SKELETON)
    assert flipped.visibility.tolist() == [[2, 2, 1, 0], [2, 0, 0, 2]]


# The model card


def test_a_card_keeps_which_class_has_which_points():
    card = ModelCard("net", ("person", "dog"), SKELETON)
    assert card_from_json(card.to_json(), source="") == card


def test_readers_that_do_not_know_classes_find_all_else_as_it_was():
    plain = json.loads(ModelCard("net", ("person", "dog"), replace(SKELETON, classes=None)).to_json())
    content = json.loads(ModelCard("net", ("person", "dog"), SKELETON).to_json())
    assert content["skeleton"].pop("classes") == [[0, 1, 2], [0, 3]]
    assert content == plain
    assert content["format"] == 1


def test_a_card_without_classes_is_read_as_before():
    old = (
        '{"format": 1, "architecture": "net", "names": ["a", "b"], "skeleton": {"names": ["x", "y"], "mirror": null, '
        '"edges": [], "sigmas": [0.1, 0.1]}, "keypoint_dims": 3, "stride": 32, "imgsz": [64, 64], "dynamic": true, '
        '"batch": 1, "contract": "raw", "precision": "float32", "data": "", "licence": "", "provenance": "", '
        '"facts": {}}'
    )
    card = card_from_json(old, source="")
    assert card.skeleton == Skeleton(("x", "y"), sigmas=(0.1, 0.1))
    assert card.to_json() == old


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        ([[0, 1, 2]], "classes must be 2, one for each name; got 1"),
        ([[0, 1, 2], [9]], r"got \[9\] for class 1"),
        ([[0, 1, 2], ["x"]], "can't be read"),
        (3, "can't be read"),
    ],
)
def test_a_card_with_other_classes_than_names_is_refused(classes, reason: str):
    content = json.loads(ModelCard("net", ("person", "dog"), SKELETON).to_json())
    content["skeleton"]["classes"] = classes
    with pytest.raises(CheckpointError, match=reason):
        card_from_json(json.dumps(content), source="a.onnx")


# Prediction


def _raw(labels, dims=3):
    """The output of a network that finds one object per label, side by side, all of its points scored 0.9."""
    raw = np.zeros((1, 4 + 2 + 4 * dims, len(labels)), np.float32)
    for i, label in enumerate(labels):
        raw[0, :4, i] = 100 * i + 50, 50, 20, 20
        raw[0, 4 + label, i] = 0.8 - 0.1 * i
        raw[0, 6:, i] = 0.9
    return raw


def test_points_that_a_class_lacks_score_zero_and_stay_where_they_are():
    found = {
        points is None: select(_raw([0, 1]), num_classes=2, keypoint_dims=3, conf=0.25, iou=0.7, class_points=points)[0]
        for points in (None, SKELETON.class_points)
    }
    scores = np.float32(0.9) * np.float32([[1, 1, 1, 0], [1, 0, 0, 1]])
    assert np.array_equal(found[False].keypoint_scores, scores)
    assert found[False].keypoint_scores.dtype == np.float32
    assert np.array_equal(found[True].keypoint_scores, np.full((2, 4), 0.9, np.float32))
    for name in ("boxes", "scores", "labels", "keypoints"):
        assert np.array_equal(getattr(found[False], name), getattr(found[True], name)), name


@pytest.mark.parametrize("dims", [2, 3])
def test_a_predictor_reads_the_classes_off_the_card(dims: int):
    class Finder:
        card = ModelCard("finder", ("person", "dog"), SKELETON, keypoint_dims=dims, imgsz=(64, 64))

        def __call__(self, images):
            return np.repeat(_raw([1, 0], dims), len(images), axis=0)

    poses = Predictor(Finder())(np.zeros((64, 64, 3), np.uint8))
    assert poses.labels.tolist() == [1, 0]
    assert (poses.keypoint_scores > 0).tolist() == [[True, False, False, True], [True, True, True, False]]


def _dog(score: float) -> Poses:
    points = np.array([[[10, 10], [40, 12], [42, 30], [12, 30]]], np.float32)
    scores = np.array([[score, 0, 0, score]], np.float32)
    box = np.array([[5, 5, 45, 35]], np.float32)
    return Poses(box, np.array([0.9], np.float32), np.array([1]), points, scores)


def test_points_that_score_zero_are_never_drawn():
    image = np.zeros((50, 50, 3), np.uint8)
    drawn = draw_poses(image, _dog(0.9), SKELETON, keypoint_threshold=0.0)
    assert drawn[28:33, 10:15].any()
    assert not drawn[28:33, 38:43].any()


def test_label_text_without_scores_writes_them_as_not_labelled():
    text = poses_to_label_text(_dog(1.0), (50, 50), keypoint_dims=2)
    assert text == "1 0.5 0.4 0.8 0.6 0.2 0.2 0 0 0 0 0.24 0.6\n"


def test_rows_for_json_say_that_they_are_not_visible():
    (row,) = poses_to_rows(_dog(1.0), names=("person", "dog"))
    assert row["keypoints"]["visible"] == [1, 0, 0, 1]


def test_nobody_found_has_no_points_to_lack():
    (poses,) = select(_raw([]), num_classes=2, keypoint_dims=3, conf=0.25, iou=0.7, class_points=SKELETON.class_points)
    assert poses.keypoint_scores.shape == (0, 4)


def test_the_new_data_set_of_a_class_alone_has_no_targets_of_others(write_coco):
    targets = open_dataset(read_data_settings(write_coco("names: [person]\n")), "train").targets(0)
    assert isinstance(targets, PoseTargets)
    assert targets.visibility.tolist() == [[2, 2, 0]]
