"""Numbers per keypoint, per image, per slice and per score."""

import numpy as np
import pytest
from pose_eval import (
    EvalError,
    best_f1,
    box_rules,
    choose_images,
    crowd_levels,
    evaluate,
    evaluate_coco,
    evaluate_parts,
    evaluate_slices,
    image_numbers,
    keypoint_numbers,
    score_curve,
)

SIGMAS = [0.05] * 3
HERE = np.array([[10.0, 10.0], [40.0, 10.0], [25.0, 30.0]])
AWAY = HERE + 300


def evaluated(make, people, found, *, images=(1,), **options):
    people = [make.person(keypoints=points, image=image, identity=i + 1) for i, (image, points) in enumerate(people)]
    found = [make.found(keypoints=points, image=image, score=score) for image, points, score in found]
    return evaluate_coco(make.truth(people, images=images), found, sigmas=SIGMAS, **options).evaluation


def test_wrong_keypoint_is_named(make):
    guess = HERE.copy()
    guess[1, 0] += 3
    numbers = keypoint_numbers(evaluated(make, [(1, HERE)], [(1, guess, 0.9)]))
    assert numbers.ap == pytest.approx([1, 0, 1])  # exp(-3² / 2) = .011
    assert numbers.oks == pytest.approx([1, np.exp(-4.5), 1])
    assert numbers.pixels == pytest.approx([0, 3, 0])
    assert numbers.of_size == pytest.approx([0, 0.3, 0])
    assert numbers.of_box == pytest.approx([0, 0.1, 0])  # the box is 30 px wide
    assert numbers.found.tolist() == [1, 1, 1]


def test_error_is_told_in_units_of_lengths_that_the_caller_has(make):
    guess = HERE.copy()
    guess[1, 0] += 3
    evaluation = evaluated(make, [(1, HERE), (1, AWAY)], [(1, guess, 0.9), (1, AWAY, 0.8)])
    numbers = keypoint_numbers(evaluation, lengths={"torso": np.array([6.0, 0.0])})
    assert numbers.of_lengths["torso"] == pytest.approx([0, 0.5, 0])  # the person without a torso is left out
    with pytest.raises(EvalError, match=r"lengths 'torso' must be \(2,\), one per annotation; got \(1,\)"):
        keypoint_numbers(evaluation, lengths={"torso": np.ones(1)})


def test_share_of_labelled_points_is_over_people_that_count(make):
    people = [
        make.person(keypoints=HERE, visibility=[2, 0, 1]),
        make.person(keypoints=AWAY, visibility=[2, 0, 0], identity=2),
        make.person(keypoints=AWAY, identity=3, crowd=1),
    ]
    evaluation = evaluate_coco(make.truth(people), [make.found(keypoints=HERE)], sigmas=SIGMAS).evaluation
    assert keypoint_numbers(evaluation).labelled == pytest.approx([1, 0, 0.5])


def test_keypoint_without_label_has_no_numbers(make):
    truth = make.truth([make.person(keypoints=HERE, visibility=[2, 0, 2])])
    numbers = keypoint_numbers(evaluate_coco(truth, [make.found(keypoints=HERE)], sigmas=SIGMAS).evaluation)
    assert numbers.ap[1] == -1
    assert np.isnan([numbers.oks[1], numbers.pixels[1], numbers.calibration[1]]).all()


def test_calibration_is_the_gap_between_score_and_similarity(make):
    found = make.found(keypoints=HERE)
    found["keypoints"][2::3] = [1.0, 0.75, 0.25]
    numbers = keypoint_numbers(
        evaluate_coco(make.truth([make.person(keypoints=HERE)]), [found], sigmas=SIGMAS).evaluation
    )
    assert numbers.calibration == pytest.approx([0, 0.25, 0.75])


def test_boxes_have_no_keypoints(make):
    with pytest.raises(EvalError, match="must come from an evaluation of keypoints"):
        keypoint_numbers(evaluated(make, [(1, HERE)], [(1, HERE, 0.9)], iou_type="bbox"))


def test_best_threshold_cuts_false_alarms_off(make):
    evaluation = evaluated(make, [(1, HERE), (1, AWAY)], [(1, HERE, 0.9), (1, AWAY, 0.6), (1, HERE + 600, 0.3)])
    best = best_f1(score_curve(evaluation))
    assert (best.score, best.precision, best.recall, best.f1) == (0.6, 1, 1, 1)


def test_curve_has_one_point_per_score(make):
    evaluation = evaluated(make, [(1, HERE)], [(1, HERE, 0.9), (1, AWAY, 0.9), (1, AWAY, 0.2)])
    curve = score_curve(evaluation)
    assert curve.scores.tolist() == [0.9, 0.2]
    assert curve.precision == pytest.approx([1 / 2, 1 / 3])
    assert curve.recall == pytest.approx([1, 1])
    assert curve.f1 == pytest.approx([2 / 3, 1 / 2])


def test_detection_on_a_crowd_is_left_out_of_the_curve(make):
    people = [make.person(keypoints=HERE), make.person(keypoints=AWAY, identity=2, crowd=1)]
    found = [make.found(keypoints=HERE, score=0.5), make.found(keypoints=AWAY, score=0.9)]
    curve = score_curve(evaluate_coco(make.truth(people), found, sigmas=SIGMAS).evaluation)
    assert curve.precision[-1] == 1


def test_nothing_to_find_has_no_best_threshold(make):
    assert np.isnan(best_f1(score_curve(evaluated(make, [], [(1, HERE, 0.9)]))).score)


def test_curve_at_a_threshold_without_rules_is_refused(make):
    with pytest.raises(EvalError, match=r"threshold must be one of .*; got 0.33"):
        score_curve(evaluated(make, [(1, HERE)], []), threshold=0.33)


def test_curve_of_one_category_leaves_the_others_out(make):
    people = [make.person(keypoints=HERE), make.person(keypoints=AWAY, identity=2, category=2)]
    truth = make.truth(people, categories=[1, 2])
    evaluation = evaluate_coco(truth, [make.found(keypoints=HERE)], sigmas=SIGMAS).evaluation
    assert score_curve(evaluation, category=0).recall.tolist() == [1]
    assert score_curve(evaluation, category=1).recall.tolist() == []


def test_worst_image_comes_first(make):
    people = [(1, HERE), (2, HERE), (3, HERE), (3, AWAY)]
    found = [(1, HERE, 0.9), (2, AWAY, 0.9), (3, HERE, 0.9), (3, AWAY, 0.9)]
    numbers = image_numbers(evaluated(make, people, found, images=[1, 2, 3, 4]), score=0.5)
    assert numbers.people.tolist() == [1, 1, 2, 0]
    assert numbers.hits.tolist() == [1, 0, 2, 0]
    assert numbers.false_alarms.tolist() == [0, 1, 0, 0]
    assert numbers.worst_first()[0] == 1
    assert 3 not in numbers.worst_first()


def test_slices_are_evaluated_alone(make):
    whole = evaluated(make, [(1, HERE), (2, HERE)], [(1, HERE, 0.9)], images=[1, 2])
    parts = evaluate_slices(whole, {"first": np.array([0]), "second": np.array([False, True])})
    assert parts["first"].stats[0] == pytest.approx(1)
    assert parts["second"].stats[0] == 0
    assert parts["second"].problem.image_ids.tolist() == [2]


def test_all_images_are_the_whole(make):
    whole = evaluated(make, [(1, HERE), (2, HERE)], [(1, HERE, 0.9), (2, AWAY, 0.8)], images=[1, 2])
    again = evaluate(choose_images(whole.problem, np.array([True, True])), whole.rules)
    assert np.array_equal(again.curves.precision, whole.curves.precision)


def test_crowd_levels_are_those_of_crowdpose():
    levels = crowd_levels(np.array([0.0, 0.1, 0.2, 0.8, 0.9]))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in levels.items()} == {
        "easy": [0, 1],
        "medium": [2, 3],
        "hard": [4],
    }


def test_crowd_index_outside_its_range_is_refused():
    with pytest.raises(EvalError, match=r"a crowd index must be between 0 and 1; got 1\.5"):
        crowd_levels(np.array([0.5, 1.5]))


def test_evaluation_of_boxes_has_images_and_curves(make):
    evaluation = evaluated(make, [(1, HERE)], [(1, HERE, 0.9)], rules=box_rules())
    assert best_f1(score_curve(evaluation)).f1 == 1
    assert image_numbers(evaluation).hits.tolist() == [1]


def test_part_of_the_skeleton_is_evaluated_alone(make):
    guess = HERE.copy()
    guess[2] += 50
    parts = evaluate_parts(
        evaluated(make, [(1, HERE)], [(1, guess, 0.9)]), {"eyes": np.array([0, 1]), "nose": np.array([2])}
    )
    assert (parts["eyes"].stats[0], parts["nose"].stats[0]) == (pytest.approx(1), 0)


def test_part_with_all_keypoints_is_the_whole(make):
    whole = evaluated(make, [(1, HERE)], [(1, HERE + 0.9, 0.9)])
    part = evaluate_parts(whole, {"all": np.arange(3)})["all"]
    assert np.array_equal(part.curves.precision, whole.curves.precision)


@pytest.mark.parametrize("points", [[], [3], [-1]])
def test_part_without_its_keypoints_is_refused(points, make):
    whole = evaluated(make, [(1, HERE)], [(1, HERE, 0.9)])
    with pytest.raises(EvalError, match="part 'hand' must be keypoints from 0 to 2"):
        evaluate_parts(whole, {"hand": np.array(points, int)})
