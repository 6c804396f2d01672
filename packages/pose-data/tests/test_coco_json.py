import copy
import json
from pathlib import Path

import numpy as np
import pytest
from pose_data import (
    COCO_PERSON,
    DataError,
    read_categories,
    read_coco_keypoints,
    write_coco_keypoints,
)

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


@pytest.fixture
def read(tmp_path: Path, coco_content):
    def read(change=lambda content: None, **options):
        content = copy.deepcopy(coco_content)
        change(content)
        file = tmp_path / "a.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        return read_coco_keypoints(file, **options)

    return read


def test_annotations_are_read_as_they_are(read):
    annotated = read()
    mouse = annotated.targets_of(0)
    assert mouse.boxes.tolist() == [[10, 5, 40, 25], [0, 0, 80, 40]]
    assert mouse.keypoints[0].tolist() == [[12, 8], [20.5, 10], [0, 0]]
    assert mouse.visibility.tolist() == [[2, 1, 0], [0, 0, 0]]
    assert mouse.areas.tolist() == [350.5, 3000]
    assert mouse.crowd.tolist() == [False, True]
    assert mouse.labels.tolist() == [0, 0]


def test_an_image_without_annotations_has_nobody(read):
    assert len(read().targets_of(1)) == 0


def test_images_and_ids_are_kept(read):
    annotated = read()
    assert annotated.image_files == ("a.png", "b.png")
    assert annotated.image_ids.tolist() == [7, 9]
    assert annotated.sizes.tolist() == [[40, 80], [40, 80]]
    assert annotated.categories.ids == (3,)


def test_annotations_may_come_in_any_order(read):
    def shuffle(content):
        content["annotations"][0]["image_id"] = 9

    annotated = read(shuffle)
    assert annotated.annotation_ids.tolist() == [101, 100]
    assert annotated.targets_of(1).areas.tolist() == [350.5]


def test_a_file_without_annotations_keeps_k(read):
    annotated = read(lambda content: content.update(annotations=[]))
    assert annotated.targets.keypoints.shape == (0, 3, 2)
    assert annotated.offsets.tolist() == [0, 0, 0]


def test_a_missing_area_is_taken_from_the_box_and_noted(read):
    annotated = read(lambda content: content["annotations"][0].pop("area"))
    assert annotated.targets_of(0).areas[0] == pytest.approx(30 * 20 * 0.53)
    assert "1 annotations without 'area'" in annotated.notes[0]


def test_a_box_without_extent_is_left_out_and_noted(read):
    annotated = read(lambda content: content["annotations"][0].update(bbox=[10, 5, 0, 20]))
    assert len(annotated.targets) == 1
    assert "no width or height" in annotated.notes[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"keypoints": [1, 2, 2]}, "annotation 100: keypoints must be 9 numbers, x y v for each of 3; got 3"),
        ({"keypoints": None}, "annotation 100: keypoints must be 9 numbers, x y v for each of 3; got none"),
        ({"keypoints": [1, 2, 5, 0, 0, 0, 0, 0, 0]}, "visibility must be 0 (not labelled), 1 (hidden) or 2 (visible)"),
        ({"keypoints": ["a", 2, 2, 0, 0, 0, 0, 0, 0]}, "keypoints must be 9 numbers, x y v for each of 3; got others"),
        ({"bbox": [1, 2, 3]}, "bbox must be 4 numbers, x y width height; got [1, 2, 3]"),
        ({"image_id": 5}, "image_id must be the id of one of the images; got 5"),
        ({"area": -1}, "area must be a number of square pixels; got -1"),
    ],
)
def test_an_annotation_that_can_not_be_used_is_a_fault(read, change, reason: str):
    annotated = read(lambda content: content["annotations"][0].update(change))
    assert len(annotated.faults) == 1
    assert reason in str(annotated.faults[0])
    assert len(annotated.targets) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.pop("images"), "must have a list 'images'"),
        (lambda c: c.pop("categories"), "must have a list 'categories'"),
        (lambda c: [a.pop("keypoints") for a in c["annotations"]], "must hold keypoints; got boxes alone"),
        (lambda c: c["images"][1].update(id=7), "image ids must differ; got 7 twice"),
        (lambda c: c["images"][0].pop("file_name"), "an image must have a whole number 'id' and a 'file_name'"),
        (lambda c: c["categories"][0].pop("name"), "a category must have a whole number 'id' and a 'name'"),
        (
            lambda c: c["categories"].append({"id": 4, "name": "rat", "keypoints": "tail"}),
            "'keypoints' of a category must be a list of names; got something else",
        ),
    ],
)
def test_a_file_that_can_not_be_used_is_refused(read, change, reason: str):
    with pytest.raises(DataError) as caught:
        read(change)
    assert reason in str(caught.value)


def test_a_file_cut_off_is_refused(tmp_path: Path, coco_content):
    file = tmp_path / "a.json"
    file.write_text(json.dumps(coco_content)[:-20], encoding="utf-8")
    with pytest.raises(DataError, match="must be JSON"):
        read_coco_keypoints(file)


def test_names_choose_and_order_the_categories(read):
    def add_rat(content):
        content["categories"].append({**content["categories"][0], "id": 1, "name": "rat"})
        content["annotations"][1]["category_id"] = 1

    assert read(add_rat).targets.labels.tolist() == [1, 0]
    assert read(add_rat, names=("mouse", "rat")).targets.labels.tolist() == [0, 1]
    alone = read(add_rat, names=("mouse",))
    assert alone.targets.labels.tolist() == [0]
    assert "1 annotations of other categories" in alone.notes[0]


def test_a_name_that_the_file_does_not_have_is_refused(read):
    with pytest.raises(DataError, match="got none for 'cat'; its categories are mouse"):
        read(names=("cat",))


def test_categories_are_found_without_reading_the_rest(tmp_path: Path, coco_content):
    file = tmp_path / "a.json"
    content = {"info": {"categories": "of mice"}, **coco_content}
    file.write_text(json.dumps(content), encoding="utf-8")
    assert read_categories(file).names == ("mouse",)


def test_what_is_written_is_read_back(read, tmp_path: Path):
    annotated = read()
    write_coco_keypoints(tmp_path / "b.json", annotated)
    back = read_coco_keypoints(tmp_path / "b.json")
    assert back.image_files == annotated.image_files
    assert back.image_ids.tolist() == annotated.image_ids.tolist()
    assert back.categories == annotated.categories
    for name in ("boxes", "labels", "keypoints", "visibility", "areas", "crowd"):
        assert np.array_equal(getattr(back.targets, name), getattr(annotated.targets, name)), name


def test_written_files_count_labelled_points(read, tmp_path: Path):
    write_coco_keypoints(tmp_path / "b.json", read())
    content = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert [a["num_keypoints"] for a in content["annotations"]] == [2, 0]
    assert content["categories"][0]["skeleton"] == [[1, 2], [1, 3]]


@pytest.mark.skipif(not (SHARED / "coco-mini").exists(), reason="shared/data/coco-mini is not here")
def test_cocos_own_file_is_read_whole():
    annotated = read_coco_keypoints(SHARED / "coco-mini/annotations/person_keypoints_train2017.json")
    assert annotated.categories.skeleton == COCO_PERSON
    assert len(annotated.image_files) == 80
    assert len(annotated.targets) == 172
    assert annotated.faults == ()
    assert annotated.targets.crowd.sum() == 5


@pytest.mark.skipif(not (SHARED / "lspet-2000").exists(), reason="shared/data/lspet-2000 is not here")
def test_fourteen_joints_get_their_pairs_and_no_sigmas():
    annotated = read_coco_keypoints(SHARED / "lspet-2000/lspet2000_keypoints.json")
    skeleton = annotated.categories.skeleton
    assert skeleton is not None
    assert skeleton.mirror == ((0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9))
    assert skeleton.sigmas is None
    assert len(annotated.targets) == 2000
