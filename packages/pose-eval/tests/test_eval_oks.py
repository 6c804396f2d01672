"""OKS and overlap: values worked out by hand, and the bits of pycocotools."""

import math

import numpy as np
import pytest
from pose_eval import COCO_SIGMAS, EvalError, box_iou, compute_oks

SIGMAS = np.array([0.05, 0.05, 0.1])
TRIANGLE = np.array([[[10.0, 10.0], [20.0, 10.0], [15.0, 20.0]]])


def similarity(found, *, truth=TRIANGLE, labelled=(True, True, True), area=100.0, box=(10.0, 10.0, 10.0, 10.0)):
    return compute_oks(
        np.asarray(found, float),
        truth_keypoints=truth,
        labelled=np.array([labelled]),
        areas=np.array([area]),
        boxes=np.array([box]),
        sigmas=SIGMAS,
    )


def test_same_points_give_one():
    assert similarity(TRIANGLE).tolist() == [[1.0]]


def test_one_point_at_half_falloff_gives_five_sixths():
    # (2 sigma)² area 2 = .01 * 100 * 2 = 2, so d² = 2 ln 2 halves the point's term: (1/2 + 1 + 1) / 3.
    moved = TRIANGLE.copy()
    moved[0, 0, 0] += math.sqrt(2 * math.log(2))
    assert similarity(moved)[0, 0] == pytest.approx(2.5 / 3, abs=1e-12)


def test_larger_sigma_forgives_more():
    first, last = TRIANGLE.copy(), TRIANGLE.copy()
    first[0, 0, 0] += 1
    last[0, 2, 0] += 1
    assert similarity(last)[0, 0] > similarity(first)[0, 0]


def test_points_without_label_are_left_out():
    moved = TRIANGLE.copy()
    moved[0, 0] = 1000
    assert similarity(moved, labelled=(False, True, True)).tolist() == [[1.0]]


def test_without_any_label_points_inside_the_grown_box_count_as_exact():
    # The box 10..20 grows to 0..30 on both axes.
    assert similarity([[[0, 0], [30, 30], [15, 0]]], labelled=(False,) * 3).tolist() == [[1.0]]


def test_without_any_label_the_distance_starts_at_the_grown_box():
    found = [[[30 + math.sqrt(2 * math.log(2)), 15], [15, 15], [15, 15]]]
    assert similarity(found, labelled=(False,) * 3)[0, 0] == pytest.approx(2.5 / 3, abs=1e-12)


def test_area_zero_gives_one_only_for_exact_points():
    assert similarity(np.concatenate([TRIANGLE, TRIANGLE + 1]), area=0.0).ravel().tolist() == [1.0, 0.0]


def test_nobody_found_keeps_the_people_axis():
    assert similarity(np.zeros((0, 3, 2))).shape == (0, 1)


def test_wrong_number_of_keypoints_is_refused():
    with pytest.raises(EvalError, match="keypoints must be 3 per person, one per sigma; got 2 found"):
        similarity(np.zeros((1, 2, 2)))


@pytest.mark.parametrize("sigmas", [[], [0.1, -0.1], [0.1, math.nan], [[0.1]]])
def test_bad_sigmas_are_refused(sigmas):
    person = {"truth_keypoints": TRIANGLE, "labelled": np.ones((1, 3)), "areas": [1], "boxes": [[0] * 4]}
    with pytest.raises(EvalError, match="sigmas must be one positive number per keypoint"):
        compute_oks(TRIANGLE, **person, sigmas=sigmas)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 17, 64, 133])
def test_bits_equal_pycocotools(count, make, pycocotools_result):
    rng = np.random.default_rng(count)
    truth = rng.random((4, count, 2)) * 100
    flags = rng.integers(0, 3, (4, count))
    flags[3] = 0
    found = truth[rng.integers(0, 4, 15)] + rng.normal(size=(15, count, 2)) * 5
    areas = rng.random(4) * 9000
    sigmas = COCO_SIGMAS if count == 17 else rng.random(count) * 0.1 + 0.02
    people = [
        make.person(keypoints=points, visibility=seen, area=area, identity=row + 1)
        for row, (points, seen, area) in enumerate(zip(truth, flags, areas, strict=True))
    ]
    results = [make.found(keypoints=points, score=1 - row / 20) for row, points in enumerate(found)]
    reference = pycocotools_result(make.truth(people), results, kpt_oks_sigmas=np.array(sigmas)).ious[1, 1]
    ours = compute_oks(
        found,
        truth_keypoints=truth,
        labelled=flags > 0,
        areas=areas,
        boxes=np.array([person["bbox"] for person in people]),
        sigmas=sigmas,
    )
    assert np.array_equal(ours, reference)


def overlap(truth, *, crowd=False):
    found = np.array([[0.0, 0.0, 10.0, 10.0]])
    return box_iou(found, truth_boxes=np.array([truth], float), crowd=np.array([crowd]))[0, 0]


def test_overlap_of_half_a_box_is_a_third():
    assert overlap([5, 0, 10, 10]) == pytest.approx(1 / 3)


def test_overlap_with_a_crowd_is_the_share_of_the_detection():
    assert overlap([5, 0, 100, 10], crowd=True) == pytest.approx(0.5)


def test_touching_boxes_do_not_overlap():
    assert overlap([10, 0, 10, 10]) == 0
