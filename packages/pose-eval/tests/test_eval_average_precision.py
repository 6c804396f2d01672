"""AP and AR of problems whose numbers can be worked out on paper."""

from dataclasses import replace

import numpy as np
import pytest
from pose_eval import COCO_SIGMAS, AreaRange, EvalError, Rules, evaluate, evaluate_coco, keypoint_rules

SIGMAS = [0.05, 0.05, 0.05]
HERE = np.array([[10.0, 10.0], [20.0, 10.0], [15.0, 20.0]])
THERE = HERE + 200
NOWHERE = HERE + 400
AP, AP50, AP75, AP_MEDIUM, AP_LARGE, AR, AR50, AR75, AR_MEDIUM, AR_LARGE = range(10)


def stats(truth, found, **options):
    return evaluate_coco(truth, found, sigmas=SIGMAS, **options).stats


def test_exact_people_give_one(make):
    truth = make.truth([make.person(keypoints=HERE), make.person(keypoints=THERE, identity=2)])
    found = [make.found(keypoints=HERE), make.found(keypoints=THERE)]
    assert stats(truth, found)[[AP, AP50, AP75, AR]] == pytest.approx(1)


def test_false_alarm_above_the_person_halves_precision(make):
    truth = make.truth([make.person(keypoints=HERE)])
    found = [make.found(keypoints=HERE, score=0.5), make.found(keypoints=NOWHERE, score=0.9)]
    assert stats(truth, found)[[AP, AR]] == pytest.approx([0.5, 1])


def test_false_alarm_below_all_people_costs_nothing(make):
    truth = make.truth([make.person(keypoints=HERE)])
    found = [make.found(keypoints=HERE, score=0.9), make.found(keypoints=NOWHERE, score=0.5)]
    assert stats(truth, found)[AP] == pytest.approx(1)


def test_one_of_two_people_fills_recall_up_to_a_half(make):
    # Recall .5 is reached at 51 of the 101 recall values.
    truth = make.truth([make.person(keypoints=HERE), make.person(keypoints=THERE, identity=2)])
    assert stats(truth, [make.found(keypoints=HERE)])[[AP, AR]] == pytest.approx([51 / 101, 0.5])


def test_similarity_between_thresholds_counts_below_it_only(make):
    # Every point moved by d: OKS = exp(-d² / 2); .625 lies above 3 of the 10 thresholds.
    moved = HERE + np.array([np.sqrt(-2 * np.log(0.625)), 0])
    result = stats(make.truth([make.person(keypoints=HERE)]), [make.found(keypoints=moved)])
    assert result[[AP, AP50, AP75]] == pytest.approx([0.3, 1, 0])


def test_nothing_to_find_is_minus_one(make):
    assert stats(make.truth([]), [make.found(keypoints=HERE)]).tolist() == [-1] * 10


def test_nothing_found_is_zero(make):
    assert stats(make.truth([make.person(keypoints=HERE)]), [])[[AP, AR]].tolist() == [0, 0]


def test_size_without_people_is_minus_one(make):
    truth = make.truth([make.person(keypoints=HERE, area=2000.0)])
    assert stats(truth, [make.found(keypoints=HERE)])[[AP_MEDIUM, AP_LARGE]] == pytest.approx([1, -1])


def test_person_on_the_edge_belongs_to_both_sizes(make):
    truth = make.truth([make.person(keypoints=HERE, area=96.0**2)])
    assert stats(truth, [make.found(keypoints=HERE)])[[AP_MEDIUM, AP_LARGE]] == pytest.approx(1)


def test_unmatched_detection_of_another_size_is_left_out(make):
    wide = np.array([[500.0, 500.0], [700.0, 500.0], [500.0, 700.0]])  # extent 40,000 px²: large
    truth = make.truth([make.person(keypoints=HERE, area=2000.0)])
    found = [make.found(keypoints=wide, score=0.9), make.found(keypoints=HERE, score=0.5)]
    assert stats(truth, found)[[AP, AP_MEDIUM]] == pytest.approx([0.5, 1])


def test_first_result_with_a_box_takes_sizes_from_boxes(make):
    truth = make.truth([make.person(keypoints=HERE, area=2000.0)])
    alarm = make.found(keypoints=NOWHERE, score=0.9, bbox=[0, 0, 50, 50])
    found = [alarm, make.found(keypoints=HERE, score=0.5, bbox=[0, 0, 1, 1])]
    assert stats(truth, found)[AP_MEDIUM] == pytest.approx(0.5)


def test_second_detection_of_a_person_is_false(make):
    truth = make.truth([make.person(keypoints=HERE), make.person(keypoints=THERE, identity=2)])
    found = [make.found(keypoints=points, score=s) for points, s in ((HERE, 0.9), (HERE, 0.8), (THERE, 0.7))]
    # Precision 1 up to recall .5 (51 values), then 2 of 3 (50 values).
    assert stats(truth, found)[AP] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_crowd_takes_any_number_of_detections(make):
    truth = make.truth([make.person(keypoints=HERE), make.person(keypoints=THERE, identity=2, crowd=1)])
    found = [make.found(keypoints=THERE, score=0.9)] * 3 + [make.found(keypoints=HERE, score=0.5)]
    assert stats(truth, found)[AP] == pytest.approx(1)


def test_unlabelled_person_takes_one_detection_only(make):
    blank = make.person(keypoints=THERE, visibility=[0, 0, 0], identity=2)
    found = [make.found(keypoints=THERE, score=0.9)] * 3 + [make.found(keypoints=HERE, score=0.5)]
    assert stats(make.truth([make.person(keypoints=HERE), blank]), found)[AP] == pytest.approx(1 / 3)


def test_person_that_counts_goes_before_a_more_similar_crowd(make):
    crowd = make.person(keypoints=HERE + 0.5, identity=2, crowd=1)
    result = stats(make.truth([crowd, make.person(keypoints=HERE)]), [make.found(keypoints=HERE + 0.5)])
    assert result[AR50] == pytest.approx(1)


def test_twenty_best_detections_of_an_image_count(make):
    truth = make.truth([make.person(keypoints=HERE)])
    alarms = [make.found(keypoints=NOWHERE, score=0.9)] * 20
    assert stats(truth, [*alarms, make.found(keypoints=HERE, score=0.5)])[AR] == 0


def test_equal_scores_are_ranked_by_image(make):
    truth = make.truth([make.person(image=2, keypoints=HERE)], images=[1, 2])
    found = [make.found(image=2, keypoints=HERE), make.found(image=1, keypoints=NOWHERE)]
    assert stats(truth, found)[AP] == pytest.approx(0.5)


def test_category_without_people_is_left_out_of_the_mean(make):
    truth = make.truth([make.person(keypoints=HERE)], categories=[1, 2])
    result = evaluate_coco(truth, [make.found(keypoints=HERE)], sigmas=SIGMAS)
    assert result.stats[AP] == pytest.approx(1)
    assert np.all(result.precision[:, :, 1] == -1)


def test_own_thresholds_and_ranges_are_used(make):
    rules = Rules(
        "keypoints",
        (AreaRange("all", 0, 1e10), AreaRange("tiny", 0, 50)),
        (1, 20),
        sigmas=np.array(SIGMAS),
        thresholds=np.array([0.1, 0.2]),
        recalls=np.array([0.0, 0.5, 1.0]),
    )
    result = evaluate_coco(make.truth([make.person(keypoints=HERE)]), [make.found(keypoints=HERE)], rules=rules)
    assert result.precision.shape == (2, 3, 1, 2, 2)
    assert np.all(result.precision[:, :, 0, 0] == pytest.approx(1))
    assert np.all(result.precision[:, :, 0, 1] == -1)


def test_boxes_give_twelve_numbers(make):
    truth = make.truth([make.person(keypoints=HERE, area=100.0)])
    result = evaluate_coco(truth, [make.found(keypoints=HERE, bbox=[10, 10, 10, 10])], iou_type="bbox").stats
    # AP AP50 AP75, small, (no medium or large), AR at 1, 10 and 100, small.
    assert result == pytest.approx([1, 1, 1, 1, -1, -1, 1, 1, 1, 1, -1, -1])


def test_boxes_of_keypoint_results_are_their_extents(make):
    truth = make.truth([make.person(keypoints=HERE)])
    assert evaluate_coco(truth, [make.found(keypoints=HERE)], iou_type="bbox").stats[AP] == pytest.approx(1)


def test_coco_sigmas_are_the_rounded_quotients():
    assert COCO_SIGMAS.tolist() == [value / 10 for value in
        [.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89]]  # fmt: skip
    assert not COCO_SIGMAS.flags.writeable


def test_thresholds_are_those_of_coco():
    assert keypoint_rules(SIGMAS).thresholds.tolist() == np.linspace(0.5, 0.95, 10).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_detections": ()}, "max_detections must hold at least one entry"),
        ({"thresholds": np.zeros(0)}, "thresholds must hold at least one entry"),
        ({"max_detections": (20, 5)}, r"must be rising numbers from 1 on; got \(20, 5\)"),
        ({"sigmas": None}, "sigmas must be given for keypoints and for nothing else; got iou_type 'keypoints' with no"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(change, message):
    with pytest.raises(EvalError, match=message):
        replace(keypoint_rules(SIGMAS), **change)


def test_rules_of_another_skeleton_are_refused(make):
    problem = evaluate_coco(
        make.truth([make.person(keypoints=HERE)]), [make.found(keypoints=HERE)], sigmas=SIGMAS
    ).evaluation.problem
    with pytest.raises(EvalError, match="annotated keypoints must be 2 per person, one per sigma; got 3"):
        evaluate(problem, keypoint_rules(SIGMAS[:2]))
