"""Wrong files and records: one line that names the record, what was expected and the way out; and the two modes."""

import json
import re

import numpy as np
import pytest
from pose_eval import EvalError, EvalWarning, box_rules, evaluate_coco, keypoint_rules

SIGMAS = [0.05, 0.05, 0.05]
HERE = np.array([[10.0, 10.0], [20.0, 10.0], [15.0, 20.0]])


def refusal(truth, found, **options):
    """Evaluate what must be refused and return the one line that says why."""
    with pytest.raises(EvalError) as caught:
        evaluate_coco(truth, found, **({"sigmas": SIGMAS} | options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def good(make):
    return make.truth([make.person(keypoints=HERE, identity=7)]), [make.found(keypoints=HERE)]


@pytest.mark.parametrize("key", ["id", "image_id", "category_id", "area", "bbox", "keypoints"])
def test_annotation_without_a_key(key, good):
    truth, found = good
    del truth["annotations"][0][key]
    options = {"sigmas": SIGMAS}
    assert re.search(f"ground truth: annotation .* must have '{key}'; got none", refusal(truth, found, **options))


@pytest.mark.parametrize("key", ["iscrowd", "num_keypoints"])
def test_annotation_without_a_key_that_can_be_known(key, good):
    truth, found = good
    del truth["annotations"][0][key]
    assert evaluate_coco(truth, found, sigmas=SIGMAS).stats[0] == pytest.approx(1)
    assert re.search(f"annotation id 7, image 1 must have '{key}'", refusal(truth, found, sigmas=SIGMAS, strict=True))


@pytest.mark.parametrize("key", ["image_id", "category_id", "score", "keypoints"])
def test_result_without_a_key(key, good):
    truth, found = good
    del found[0][key]
    assert re.search(
        f"detections: detection number 1.* must have '{key}'; got none; (a result is|write x, y)", refusal(truth, found)
    )


def test_result_without_a_box_or_keypoints(good):
    truth, found = good
    del found[0]["keypoints"]
    assert re.search("must have 'bbox' or 'keypoints'; got neither", refusal(truth, found, iou_type="bbox"))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("image_id", 9, "number 1, image 9: 'image_id' must be one of ground truth; got 9"),
        ("category_id", 5, "'category_id' must be one of ground truth; got 5"),
        ("image_id", "1", "'image_id' must be one of ground truth; got '1'"),
        ("image_id", [1], "an id must be a number or a text; got \\[1\\]"),
        ("image_id", None, "an id must be a number or a text; got None"),
        ("score", float("nan"), "'score' must be finite; got nan"),
        ("score", "high", "'score' must be a number; got 'high'"),
        ("score", None, "'score' must be (a number|finite)"),
        ("keypoints", [1, 2], "'keypoints' must be 9 numbers; got 2"),
        ("keypoints", 3, "'keypoints' must be 9 numbers; got 3"),
        ("keypoints", [1] * 8 + [float("inf")], "'keypoints' must be finite; got inf"),
        ("keypoints", [1] * 8 + ["x"], "'keypoints' must hold numbers only"),
    ],
)
def test_wrong_value_in_a_result(key, value, message, good):
    truth, found = good
    found[0][key] = value
    assert re.search(message, refusal(truth, found))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("area", -1, "annotation id 7, image 1: 'area' must be 0 or more; got -1"),
        ("area", float("inf"), "'area' must be finite"),
        ("bbox", [1, 2, 3], "'bbox' must be 4 numbers; got 3"),
        ("keypoints", [1] * 6, "sigmas must be 2, one per keypoint; got 3"),
        ("id", "seven", "'id' must be a number; got 'seven'"),
    ],
)
def test_wrong_value_in_an_annotation(key, value, message, good):
    truth, found = good
    truth["annotations"][0][key] = value
    assert re.search(message, refusal(truth, found))


def test_results_that_are_not_a_list(good):
    assert re.search("detections must be a list of results; got dict", refusal(good[0], {"annotations": good[1]}))


def test_truth_that_is_not_an_object(good):
    assert re.search("ground truth must be an object with 'images'.*; got list", refusal(good[1], good[0]))


@pytest.mark.parametrize("key", ["images", "annotations"])
def test_truth_without_a_list(key, good):
    truth, found = good
    del truth[key]
    assert re.search(f"ground truth must hold a list '{key}'; got NoneType", refusal(truth, found))


def test_result_that_is_not_an_object(good):
    assert re.search("detection number 1 must be an object with 'image_id'; got list", refusal(good[0], [[1, 2]]))


def test_unknown_iou_type(good):
    assert re.search("iou_type must be 'keypoints' or 'bbox'; got 'segm'", refusal(*good, iou_type="segm"))


def test_other_skeleton_without_sigmas(good):
    assert re.search(
        "sigmas must be given for a skeleton of 3 keypoints; got none; only COCO's 17", refusal(*good, sigmas=None)
    )


def test_missing_file(tmp_path):
    assert re.search("no.json must be a readable JSON file; got No such file", refusal(tmp_path / "no.json", []))


@pytest.mark.parametrize(
    ("content", "message"), [("", "got an empty file"), ('[{"a": 1', "must hold JSON; got .*; was it cut off")]
)
def test_broken_file(content, message, tmp_path, good):
    (tmp_path / "found.json").write_text(content, encoding="utf-8")
    assert re.search(message, refusal(good[0], tmp_path / "found.json"))


def test_error_in_a_file_names_the_file(tmp_path, good):
    truth, found = good
    found[0]["score"] = float("nan")
    (tmp_path / "found.json").write_text(json.dumps(found), encoding="utf-8")
    assert re.search(
        "found.json: detection number 1, image 1: 'score' must be finite", refusal(truth, tmp_path / "found.json")
    )


def test_files_give_the_numbers_of_their_content(tmp_path, good):
    for name, content in zip(("truth.json", "found.json"), good, strict=True):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    from_files = evaluate_coco(tmp_path / "truth.json", str(tmp_path / "found.json"), sigmas=SIGMAS)
    assert np.array_equal(from_files.precision, evaluate_coco(*good, sigmas=SIGMAS).precision)


def test_image_ids_may_be_texts(make):
    truth = make.truth([make.person(image="b", keypoints=HERE)], images=["b", "a"])
    assert evaluate_coco(truth, [make.found(image="b", keypoints=HERE)], sigmas=SIGMAS).stats[0] == pytest.approx(1)


def test_arguments_are_not_altered(good):
    before = json.dumps(good)
    evaluate_coco(*good, sigmas=SIGMAS)
    assert json.dumps(good) == before


def test_annotation_id_zero_counts_and_is_named(make):
    truth = make.truth([make.person(keypoints=HERE, identity=0)])
    with pytest.warns(EvalWarning, match="annotation id 0 was matched"):
        assert evaluate_coco(truth, [make.found(keypoints=HERE)], sigmas=SIGMAS).stats[0] == pytest.approx(1)


def test_strict_takes_annotation_id_zero_for_no_match(make):
    truth = make.truth([make.person(keypoints=HERE, identity=0)])
    assert evaluate_coco(truth, [make.found(keypoints=HERE)], sigmas=SIGMAS, strict=True).stats[0] == 0


def test_annotations_with_one_id_each_count_and_are_named(make):
    truth = make.truth([make.person(keypoints=HERE), make.person(keypoints=HERE + 200)])
    found = [make.found(keypoints=HERE), make.found(keypoints=HERE + 200)]
    with pytest.warns(EvalWarning, match="annotation id 1 must be used once"):
        assert evaluate_coco(truth, found, sigmas=SIGMAS).stats[0] == pytest.approx(1)
    assert evaluate_coco(truth, found, sigmas=SIGMAS, strict=True).stats[5] == pytest.approx(0.5)


@pytest.mark.filterwarnings("error")
def test_clean_files_give_no_warning(good):
    assert evaluate_coco(*good, sigmas=SIGMAS).stats[0] == pytest.approx(1)


def test_keypoints_without_categories_are_compared_and_named(make):
    truth = make.truth([make.person(keypoints=HERE)], categories=[1, 2])
    found = [make.found(keypoints=HERE, category=2)]
    rules = keypoint_rules(SIGMAS)
    rules = type(rules)(**{**vars(rules), "by_category": False})
    with pytest.warns(EvalWarning, match="keypoints without categories are compared here; pycocotools"):
        assert evaluate_coco(truth, found, rules=rules).stats[0] == pytest.approx(1)


def test_boxes_need_no_keypoints():
    truth = {
        "images": [{"id": 1}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "area": 100, "bbox": [0, 0, 10, 10]}],
    }
    found = [{"image_id": 1, "category_id": 3, "score": 1, "bbox": [0, 0, 10, 10]}]
    assert evaluate_coco(truth, found, rules=box_rules()).stats[0] == pytest.approx(1)


def test_area_can_be_taken_from_the_box_on_request(good):
    truth, found = good
    del truth["annotations"][0]["area"]
    result = evaluate_coco(truth, found, sigmas=SIGMAS, box_area_factor=0.5)
    assert result.evaluation.problem.truths.areas.tolist() == [50]  # the box is 10 by 10


def test_box_factor_leaves_given_areas_alone(good):
    result = evaluate_coco(*good, sigmas=SIGMAS, box_area_factor=0.5)
    assert result.evaluation.problem.truths.areas.tolist() == [100]


def test_ids_may_be_numpy_numbers_or_whole_floats(good):
    truth, found = good
    found[0]["image_id"], found[0]["category_id"] = np.int64(1), 1.0
    assert evaluate_coco(truth, found, sigmas=SIGMAS).stats[0] == pytest.approx(1)


def test_ids_of_both_kinds_are_refused(good):
    truth, found = good
    truth["images"].append({"id": "two"})
    assert re.search("ids of one kind must be all numbers or all texts; got both", refusal(truth, found))
