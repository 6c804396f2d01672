"""The four localisation errors, and what each costs."""

import numpy as np
import pytest
from pose_eval import EvalError, box_rules, diagnose_errors, evaluate_coco, mirror_of_names
from pose_eval.errors import KINDS

SIGMAS = [0.05] * 3  # with an area of 100 a keypoint off by d has a similarity of exp(-d² / 2)
MIRROR = [1, 0, 2]
HERE = np.array([[10.0, 10.0], [40.0, 10.0], [25.0, 30.0]])
THERE = HERE + 100


def diagnosed(make, found, *, people=(HERE,), mirror=MIRROR):
    truth = make.truth([make.person(keypoints=points, identity=row + 1) for row, points in enumerate(people)])
    results = [make.found(keypoints=points, score=0.9 - row / 10) for row, points in enumerate(found)]
    return diagnose_errors(evaluate_coco(truth, results, sigmas=SIGMAS).evaluation, mirror=mirror)


def kinds(diagnosis):
    return [[KINDS[kind] if kind >= 0 else None for kind in row] for row in diagnosis.kinds]


def moved(*offsets):
    return HERE + np.array([[offset, 0] for offset in offsets])


def test_exact_points_are_good(make):
    diagnosis = diagnosed(make, [HERE])
    assert kinds(diagnosis) == [["good"] * 3]
    assert set(diagnosis.costs.values()) == {0.0}


@pytest.mark.parametrize(("offset", "kind"), [(0.5, "good"), (0.6, "jitter"), (1.1, "jitter"), (1.2, "miss")])
def test_distance_decides_between_good_jitter_and_miss(offset, kind, make):
    # exp(-.5² / 2) = .88, exp(-.6² / 2) = .84, exp(-1.1² / 2) = .55, exp(-1.2² / 2) = .49
    assert kinds(diagnosed(make, [moved(0, 0, offset)]))[0][2] == kind


def test_point_on_the_mirror_keypoint_is_an_inversion(make):
    assert kinds(diagnosed(make, [HERE[[1, 1, 2]]]))[0] == ["inversion", "good", "good"]


def test_without_sides_there_is_no_inversion(make):
    assert kinds(diagnosed(make, [HERE[[1, 1, 2]]], mirror=None))[0] == ["miss", "good", "good"]


def test_point_on_another_person_is_a_swap(make):
    points = HERE.copy()
    points[2] = THERE[2]
    assert kinds(diagnosed(make, [points, THERE], people=[HERE, THERE]))[0] == ["good", "good", "swap"]


def test_point_on_the_mirror_of_another_person_is_a_swap(make):
    points = HERE.copy()
    points[0] = THERE[1]
    assert kinds(diagnosed(make, [points, THERE], people=[HERE, THERE]))[0] == ["swap", "good", "good"]


def test_unlabelled_point_has_no_kind(make):
    truth = make.truth([make.person(keypoints=HERE, visibility=[2, 2, 0])])
    evaluation = evaluate_coco(truth, [make.found(keypoints=HERE)], sigmas=SIGMAS).evaluation
    assert kinds(diagnose_errors(evaluation)) == [["good", "good", None]]


def test_error_costs_what_its_correction_wins(make):
    # Two of three points exact: OKS 2/3 reaches 4 of 10 thresholds.
    diagnosis = diagnosed(make, [moved(0, 0, 50)])
    assert diagnosis.ap == pytest.approx(0.4)
    assert diagnosis.costs["miss"] == pytest.approx(0.6)
    assert diagnosis.costs["jitter"] == 0
    assert diagnosis.counts.sum(axis=1).tolist() == [2, 0, 0, 0, 1]


def test_background_costs_what_taking_it_out_wins(make):
    diagnosis = diagnosed(make, [HERE + 300, HERE])
    assert (diagnosis.background, diagnosis.missed) == (1, 0)
    assert diagnosis.costs["background"] == pytest.approx(0.5)


def test_missed_person_costs_what_leaving_it_out_wins(make):
    diagnosis = diagnosed(make, [HERE], people=[HERE, THERE])
    assert (diagnosis.background, diagnosis.missed) == (0, 1)
    assert diagnosis.costs["missed"] == pytest.approx(1 - 51 / 101)


def test_nobody_and_nothing_has_no_errors(make):
    diagnosis = diagnosed(make, [], people=[])
    assert diagnosis.kinds.shape == (0, 3)
    assert diagnosis.ap == -1


def test_mirror_must_be_its_own_inverse(make):
    with pytest.raises(EvalError, match="mirror must be a permutation of 0 to 2 that is its own inverse"):
        diagnosed(make, [HERE], mirror=[1, 2, 0])


def test_boxes_have_no_keypoint_errors(make):
    truth = make.truth([make.person(keypoints=HERE)])
    evaluation = evaluate_coco(truth, [make.found(keypoints=HERE)], rules=box_rules()).evaluation
    with pytest.raises(EvalError, match="must come from an evaluation of keypoints"):
        diagnose_errors(evaluation)


def test_mirror_is_found_by_name():
    assert mirror_of_names(["nose", "left_eye", "right_eye"]).tolist() == [0, 2, 1]
    assert mirror_of_names(["nose", "tail"]) is None
