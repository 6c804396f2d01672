"""The drop-in for pycocotools: the same names, numbers and printed text."""

import copy
import json
import re

import numpy as np
import pytest
from pose_eval import EvalError
from pose_eval.compat import COCO, COCOeval

POINTS = np.random.default_rng(0).random((17, 2)) * 60 + 20


@pytest.fixture
def files(make):
    people = [make.person(keypoints=POINTS + 3 * row, area=2000.0, identity=row + 1, image=row % 3) for row in range(6)]
    truth = make.truth(people, images=[0, 1, 2])
    found = [make.found(keypoints=POINTS + 4 * row, score=1 - row / 10, image=row % 3) for row in range(6)]
    return truth, found


def run(files, iou_type="keypoints", **params):
    truth = COCO()
    truth.dataset = copy.deepcopy(files[0])
    truth.createIndex()
    evaluator = COCOeval(truth, truth.loadRes(files[1]), iou_type)
    for name, value in params.items():
        setattr(evaluator.params, name, value)
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return evaluator


def without_times(text):
    return re.sub(r"t=\d+\.\d+s", "t=", text)


@pytest.mark.parametrize("iou_type", ["keypoints", "bbox"])
def test_numbers_and_printed_text_are_those_of_pycocotools(iou_type, files, pycocotools_result, capsys):
    theirs = pycocotools_result(*files, iou_type)
    capsys.readouterr()
    ours = run(files, iou_type)
    assert without_times(capsys.readouterr().out) == without_times(theirs.printed)
    assert np.array_equal(ours.stats, theirs.stats)
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(ours.eval[name], theirs.eval[name])
    assert ours.eval["counts"] == theirs.eval["counts"]


def test_parameters_are_honoured(files, pycocotools_result):
    params = {
        "kpt_oks_sigmas": np.full(17, 0.1),
        "imgIds": [2, 0],
        "maxDets": [20, 1],
        "areaRng": [[0, 1e10], [1, 1000], [1000, 5000]],
        "iouThrs": np.array([0.5, 0.9]),
        "recThrs": np.array([0.0, 0.3]),
    }
    ours, theirs = run(files, **params), pycocotools_result(*files, **params)
    assert np.array_equal(ours.eval["precision"], theirs.eval["precision"])
    assert np.array_equal(ours.stats, theirs.stats)


def test_pycocotools_own_objects_are_understood(files, pycocotools_result):
    theirs = pycocotools_result(*files)
    ours = COCOeval(theirs.cocoGt, theirs.cocoDt, "keypoints")
    ours.evaluate()
    ours.accumulate()
    assert np.array_equal(ours.eval["precision"], theirs.eval["precision"])


def test_lookups_equal_those_of_pycocotools(files, pycocotools_result):
    theirs, ours = pycocotools_result(*files).cocoGt, run(files).cocoGt
    for arguments in ({}, {"imgIds": 1}, {"imgIds": [0, 2], "catIds": 1}, {"areaRng": [0, 100]}, {"iscrowd": False}):
        assert ours.getAnnIds(**arguments) == theirs.getAnnIds(**arguments)
    for arguments in ({}, {"catNms": "kind 1"}, {"catIds": [2]}):
        assert ours.getCatIds(**arguments) == theirs.getCatIds(**arguments)
    for arguments in ({}, {"catIds": 1}, {"imgIds": [0], "catIds": [1]}):
        assert ours.getImgIds(**arguments) == theirs.getImgIds(**arguments)
    assert [item["id"] for item in ours.loadAnns([2, 1])] == [2, 1]
    assert ours.loadImgs(1) == theirs.loadImgs(1)
    assert ours.loadCats([1]) == theirs.loadCats([1])


def test_results_get_the_areas_of_pycocotools(files, pycocotools_result):
    theirs, ours = pycocotools_result(*files).cocoDt, run(files).cocoDt
    for key in ("id", "area", "bbox"):
        assert [item[key] for item in ours.loadAnns([1, 2, 3])] == [item[key] for item in theirs.loadAnns([1, 2, 3])]


def test_ground_truth_is_read_from_a_file(files, tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(files[0]), encoding="utf-8")
    assert sorted(COCO(str(tmp_path / "truth.json")).getImgIds()) == [0, 1, 2]


def test_given_results_are_left_as_they_are(files):
    before = copy.deepcopy(files[1])
    run(files)
    assert files[1] == before


def test_result_on_an_unknown_image_is_refused(files):
    files[1][2]["image_id"] = 99
    with pytest.raises(EvalError, match="number 3, image 99: 'image_id' must be in the ground truth; got 99"):
        run(files)


def test_masks_are_refused(files):
    with pytest.raises(EvalError, match="iouType must be 'keypoints' or 'bbox'; got 'segm'; use pycocotools"):
        run(files, "segm")


@pytest.mark.parametrize("step", ["accumulate", "summarize"])
def test_steps_in_the_wrong_order_are_refused(step, files):
    truth = COCO()
    truth.dataset = files[0]
    truth.createIndex()
    with pytest.raises(EvalError, match="must come after"):
        getattr(COCOeval(truth, truth.loadRes(files[1])), step)()
