"""Every bit of the arrays and the summary equals pycocotools: on published files and on random problems."""

import copy
import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_eval import COCO_SIGMAS, AreaRange, box_rules, evaluate_coco, keypoint_rules
from pose_eval.compat import COCO, COCOeval

EXAMPLES = int(os.environ.get("POSE_EVAL_EXAMPLES", "700"))
DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
PAIRS = [
    ("oks/xtcoco_example_coco_val.json", "oks/xtcoco_example_coco_preds.json", "xtcoco_coco"),
    ("oks/fce_keypoints_gt_dataset.json", "oks/fce_keypoints_dt_dataset.json", "faster_coco_eval"),
    *(
        (
            f"coco-mini/annotations/person_keypoints_{split}.json",
            f"oks/dt_{model}_cocomini_{split}.json",
            f"cocomini_{split}_{model}",
        )
        for split in ("val2017", "train2017")
        for model in ("yolo11n", "movenet256", "movenet384")
    ),
]


def assert_same_bits(ours, reference):
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(getattr(ours, name), reference.eval[name]), name
    assert np.array_equal(ours.stats, reference.stats)


def read(name):
    if not (DATA / name).is_file():
        pytest.skip(f"the shared data file {name} is not beside the repository")
    return json.loads((DATA / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("iou_type", ["keypoints", "bbox"])
@pytest.mark.parametrize(("truth", "found", "name"), PAIRS, ids=[pair[2] for pair in PAIRS])
def test_published_files(truth, found, name, iou_type, pycocotools_result):
    truth, found = read(truth), read(found)
    ours = evaluate_coco(truth, found, iou_type=iou_type)
    assert_same_bits(ours, pycocotools_result(truth, found, iou_type))


@pytest.mark.parametrize(("truth", "found", "name"), PAIRS, ids=[pair[2] for pair in PAIRS])
def test_published_figures(truth, found, name):
    published = read("oks/pycocotools_reference.json")["results"][name]["keypoints"]
    assert evaluate_coco(read(truth), read(found)).stats == pytest.approx(published, abs=6e-7)


class RandomProblem:
    """A small problem that has the traps: ties, crowds, blanks, empty images, edges of ranges, ids 0 and doubled."""

    def __init__(self, seed, count):
        self.rng = rng = np.random.default_rng(seed)
        self.count = count
        self.whole = rng.random() < 0.5  # integer coordinates, as in COCO's own files
        self.images = sorted(rng.choice(50, rng.integers(1, 7), replace=False).tolist())
        self.categories = sorted(rng.choice(20, rng.integers(1, 4), replace=False).tolist())
        self.identity = int(rng.integers(0, 2))
        self.annotations = [self.annotation(i) for i in self.images for _ in range(rng.integers(0, 5))]
        self.found = [self.detection(i) for i in self.images for _ in range(rng.choice([0, 1, 5, 30]))]
        self.found = [self.found[i] for i in rng.permutation(len(self.found))]
        self.truth = {
            "images": [{"id": i} for i in rng.permutation(self.images).tolist()],
            "annotations": [self.annotations[i] for i in rng.permutation(len(self.annotations))],
            "categories": [{"id": i, "name": str(i)} for i in rng.permutation(self.categories).tolist()],
        }
        if rng.random() < 0.5:
            for detection in self.found:
                detection["bbox"] = self.box(np.reshape(detection["keypoints"], (-1, 3))[:, :2], rng.random(2) * 20)

    def points(self):
        points = self.rng.random(2) * 150 + self.rng.random((self.count, 2)) * self.rng.choice([10, 32, 60, 96, 200])
        return np.round(points) if self.whole else points

    def box(self, points, more=0.0):
        box = [*points.min(axis=0).tolist(), *(np.ptp(points, axis=0) + more).tolist()]
        return [int(side) for side in box] if self.whole and not np.any(more) else box

    def annotation(self, image):
        rng, points = self.rng, self.points()
        flags = rng.choice([0, 1, 2], self.count) if rng.random() < 0.8 else np.zeros(self.count)
        flat = np.concatenate([points, flags[:, None]], axis=1).ravel().tolist()
        self.identity += rng.random() < 0.95
        return {
            "id": self.identity - 1,
            "image_id": image,
            "category_id": int(rng.choice(self.categories)),
            "iscrowd": int(rng.random() < 0.15),
            "num_keypoints": int((flags > 0).sum()) if rng.random() < 0.9 else int(rng.integers(0, 3)),
            "area": float(rng.choice([0, 1024, 9216, 1023.9, 9216.01, 300, rng.random() * 20000])),
            "bbox": self.box(points),
            "keypoints": [int(value) for value in flat] if self.whole else flat,
        } | ({"ignore": 1} if rng.random() < 0.1 else {})

    def detection(self, image):
        rng = self.rng
        near = [person for person in self.annotations if person["image_id"] == image]
        points, category = self.points(), int(rng.choice(self.categories))
        if near and rng.random() < 0.8:
            person = near[rng.integers(len(near))]
            points = np.reshape(person["keypoints"], (-1, 3))[:, :2] + rng.normal(size=points.shape) * rng.choice(
                [0, 1, 4, 12]
            )
            points = np.round(points) if self.whole else points
            category = person["category_id"] if rng.random() < 0.9 else category
        return {
            "image_id": image,
            "category_id": category,
            "score": float(np.round(rng.random(), rng.choice([0, 1, 3]))),
            "keypoints": np.concatenate([points, np.ones((self.count, 1))], axis=1).ravel().tolist(),
        }


def chosen(option, problem, rules):
    """Return an option's arguments for ours and for pycocotools."""
    if option == "limits":
        return {"rules": replace(rules, max_detections=(1, 5, 20))}, {"maxDets": [1, 5, 20]}
    if option == "subset":
        image, category = problem.images[:1], problem.categories[-1:]
        return {"rules": rules, "image_ids": image, "category_ids": category}, {"imgIds": image, "catIds": category}
    if option == "joined":
        return {"rules": replace(rules, by_category=False)}, {"useCats": 0}
    if option == "ranges":
        ranges = (AreaRange("all", 0, 1e10), AreaRange("medium", 500, 9216))
        spans = {"areaRng": [[0, 1e10], [500, 9216]], "areaRngLbl": ["all", "medium"]}
        return {"rules": replace(rules, area_ranges=ranges)}, spans
    if option == "thresholds":
        thresholds, recalls = np.array([0.3, 0.5, 0.75, 1.0]), np.array([0.5, 0.9, 0.1, 0.0])
        return (
            {"rules": replace(rules, thresholds=thresholds, recalls=recalls)},
            {"iouThrs": thresholds, "recThrs": recalls},
        )
    return {"rules": rules}, {}


OPTIONS = st.sampled_from(["plain", "plain", "limits", "subset", "joined", "ranges", "thresholds"])


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), count=st.sampled_from([1, 2, 3, 5, 9, 17, 133]), option=OPTIONS)
def test_random_keypoints(seed, count, option, pycocotools_result):
    problem = RandomProblem(seed, count)
    if not problem.found:
        return  # pycocotools can't load an empty list
    sigmas = np.array(COCO_SIGMAS) if count == 17 else problem.rng.random(count) * 0.1 + 0.02
    ours, theirs = chosen(option, problem, keypoint_rules(sigmas, strict=True))
    reference = pycocotools_result(problem.truth, problem.found, kpt_oks_sigmas=sigmas, **theirs)
    assert_same_bits(evaluate_coco(problem.truth, problem.found, **ours), reference)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), option=OPTIONS.filter(lambda option: option != "limits"))
def test_random_boxes(seed, option, pycocotools_result):
    problem = RandomProblem(seed, 3)
    if not problem.found:
        return
    ours, theirs = chosen(option, problem, box_rules(strict=True))
    reference = pycocotools_result(problem.truth, problem.found, "bbox", **theirs)
    assert_same_bits(evaluate_coco(problem.truth, problem.found, **ours), reference)


def run_compat(problem, iou_type, **params):
    truth = COCO()
    truth.dataset = copy.deepcopy(problem.truth)
    truth.createIndex()
    evaluator = COCOeval(truth, truth.loadRes(problem.found), iou_type)
    for name, value in params.items():
        setattr(evaluator.params, name, value)
    evaluator.evaluate()
    return evaluator


@settings(max_examples=EXAMPLES // 2, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    iou_type=st.sampled_from(["keypoints", "bbox"]),
    option=OPTIONS.filter(lambda option: option != "limits"),
)
def test_random_results_per_image(seed, iou_type, option, pycocotools_result):
    problem = RandomProblem(seed, 3)
    if not problem.found:
        return
    sigmas = np.array([0.05, 0.07, 0.1])
    _, params = chosen(option, problem, keypoint_rules(sigmas))
    params |= {"kpt_oks_sigmas": sigmas}
    reference = pycocotools_result(problem.truth, problem.found, iou_type, **params)
    ours = run_compat(problem, iou_type, **params)
    assert len(ours.evalImgs) == len(reference.evalImgs)
    for mine, theirs in zip(ours.evalImgs, reference.evalImgs, strict=True):
        assert (mine is None) == (theirs is None)
        for key, value in (theirs or {}).items():
            assert np.array_equal(mine[key], value), key
    assert ours.ious.keys() == reference.ious.keys()
    for key, value in reference.ious.items():
        assert np.array_equal(ours.ious[key], value), key


@settings(max_examples=EXAMPLES // 2, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_default_mode_is_pycocotools_where_no_warning_is_given(seed, pycocotools_result):
    problem = RandomProblem(seed, 3)
    if not problem.found:
        return
    sigmas = np.array([0.05, 0.07, 0.1])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        ours = evaluate_coco(problem.truth, problem.found, sigmas=sigmas)
    if not seen:
        assert_same_bits(ours, pycocotools_result(problem.truth, problem.found, kpt_oks_sigmas=sigmas))
