"""PoseEvaluator: arrays image by image, at any time, across processes."""

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from pose_eval import COCO_SIGMAS, EvalError, PoseEvaluator, evaluate_coco

SIGMAS = [0.05, 0.05, 0.05]
HERE = np.array([[10.0, 10.0], [20.0, 10.0], [15.0, 20.0]])
NOBODY = np.zeros((0, 3, 2))


def numbers(metrics):
    return {key: np.asarray(value).tolist() for key, value in asdict(metrics).items()}


def filled(make, images, *, names=None):
    evaluator = PoseEvaluator(SIGMAS)
    for index, (found, score) in enumerate(images):
        evaluator.update(make.poses(found, score), make.targets([HERE]), name=names and names[index])
    return evaluator


def test_exact_people_give_one_for_keypoints_and_boxes(make):
    metrics = filled(make, [([HERE], [0.9])]).compute()
    assert (metrics.keypoints.ap, metrics.boxes.ap) == pytest.approx((1, 1))
    assert (metrics.images, metrics.people, metrics.mean_oks) == (1, 1, 1)
    assert metrics.keypoint_errors.tolist() == [0, 0, 0]


def test_numbers_equal_those_of_the_same_problem_as_coco_files(make):
    rng = np.random.default_rng(0)
    evaluator, people, found = PoseEvaluator(COCO_SIGMAS, num_classes=2), [], []
    for image in range(30):
        truth = np.round(rng.random((3, 17, 2)) * 60 + rng.random((3, 1, 2)) * 200).astype(np.float32)
        guess = np.round(truth + rng.normal(size=truth.shape) * rng.choice([1, 4], (3, 1, 1))).astype(np.float32)
        labels, scores = rng.integers(0, 2, 3), np.round(rng.random(3), 1).astype(np.float32)
        flags, areas = rng.integers(0, 3, (3, 17)), rng.random(3).astype(np.float32) * 9000
        flags[0] *= rng.random() < 0.7
        crowd = rng.random(3) < 0.2
        targets = make.targets(truth, labels=labels, visibility=flags, areas=areas, crowd=crowd)
        evaluator.update(make.poses(guess, scores, labels), targets, name=f"{image:03}")
        for row in range(3):
            people.append(
                make.person(
                    image=image,
                    keypoints=truth[row],
                    visibility=flags[row],
                    area=float(areas[row]),
                    identity=len(people) + 1,
                    category=int(labels[row]),
                    crowd=int(crowd[row]),
                )
            )
            category = int(labels[row])
            found.append(make.found(image, keypoints=guess[row], score=float(scores[row]), category=category))
    truth = make.truth(people, images=range(30), categories=[0, 1])
    ours = evaluator.compute()
    keys = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar", "ar50", "ar75", "ar_medium", "ar_large")
    assert [getattr(ours.keypoints, key) for key in keys] == evaluate_coco(truth, found).stats.tolist()
    boxes = evaluate_coco(truth, found, iou_type="bbox").stats
    keys = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
    assert [getattr(ours.boxes, key) for key in keys] == boxes[:6].tolist()
    assert [ours.boxes.ar, ours.boxes.ar_small] == boxes[[8, 9]].tolist()


def test_class_numbers_are_kept_apart(make):
    evaluator = PoseEvaluator(SIGMAS, num_classes=3, names=["cat", "dog", "hen"])
    targets = make.targets([HERE, HERE + 100], labels=[0, 1])
    evaluator.update(make.poses([HERE, HERE + 100], [0.9, 0.8], [0, 0]), targets)
    assert evaluator.compute().keypoints.per_class == pytest.approx([1, 0, -1])
    assert evaluator.compute().names == ("cat", "dog", "hen")


def test_image_without_anybody_counts_as_image(make):
    evaluator = PoseEvaluator(SIGMAS)
    evaluator.update(make.poses(NOBODY, []), make.targets(NOBODY))
    metrics = evaluator.compute()
    assert (metrics.images, metrics.people, metrics.keypoints.ap, metrics.boxes.ap) == (1, 0, -1, -1)
    assert (metrics.mean_oks, np.isnan(metrics.keypoint_errors).all()) == (-1, True)


def test_false_alarm_on_an_empty_image_costs_precision(make):
    evaluator = filled(make, [([HERE], [0.5])])
    evaluator.update(make.poses([HERE], [0.9]), make.targets(NOBODY))
    assert evaluator.compute().keypoints.ap == pytest.approx(0.5)


def test_person_without_labelled_keypoints_counts_for_boxes_only(make):
    evaluator = PoseEvaluator(SIGMAS)
    evaluator.update(make.poses([HERE], [0.9]), make.targets([HERE], visibility=[[0, 0, 0]]))
    metrics = evaluator.compute()
    assert (metrics.keypoints.ap, metrics.boxes.ap) == (-1, pytest.approx(1))


def test_missed_person_has_oks_zero_in_the_mean(make):
    evaluator = filled(make, [([HERE], [0.9])])
    evaluator.update(make.poses(NOBODY, []), make.targets([HERE]))
    assert evaluator.compute().mean_oks == 0.5


def test_keypoint_error_is_in_units_of_the_root_of_the_area(make):
    moved = HERE.copy()
    moved[1, 0] += 1  # one pixel; the area is 100 px²
    assert filled(make, [([moved], [0.9])]).compute().keypoint_errors == pytest.approx([0, 0.1, 0])


def test_without_sigmas_only_boxes_are_evaluated(make):
    evaluator = PoseEvaluator(None)
    evaluator.update(make.poses([HERE], [0.9]), make.targets([HERE]))
    metrics = evaluator.compute()
    assert (metrics.boxes.ap, metrics.keypoints.ap) == (pytest.approx(1), -1)


def test_compute_may_be_asked_in_between(make):
    evaluator = filled(make, [([HERE], [0.5])])
    first = evaluator.compute().keypoints.ap
    evaluator.update(make.poses([HERE + 300], [0.9]), make.targets(NOBODY))
    assert (first, evaluator.compute().keypoints.ap) == pytest.approx((1, 0.5))


IMAGES = [([HERE], [0.5]), ([HERE + 300], [0.5]), ([HERE + 1], [0.5]), ([HERE, HERE + 300], [0.5, 0.5])]
NAMES = ["d", "a", "c", "b"]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]])
def test_merged_bytes_give_the_same_numbers_in_any_order(order, make):
    whole = filled(make, IMAGES, names=NAMES)
    ranks = [filled(make, [IMAGES[i]], names=[NAMES[i]]) for i in order]
    merged = PoseEvaluator(SIGMAS)
    for rank in ranks:
        merged.merge_bytes(rank.to_bytes())
    assert len(merged) == 4
    assert numbers(merged.compute()) == numbers(whole.compute())


def test_image_that_two_ranks_hold_counts_once(make):
    first, second = (filled(make, IMAGES[:2], names=NAMES[:2]) for _ in range(2))
    first.merge(second)
    assert len(first) == 2


def test_empty_evaluator_packs_to_nothing(make):
    evaluator = filled(make, IMAGES[:1])
    evaluator.merge_bytes(PoseEvaluator(SIGMAS).to_bytes())
    assert len(evaluator) == 1


def test_foreign_bytes_are_refused():
    with pytest.raises(EvalError, match="packed results must come from"):
        PoseEvaluator(SIGMAS).merge_bytes(b"not mine")


def test_merging_other_sigmas_is_refused():
    with pytest.raises(EvalError, match="same sigmas and num_classes"):
        PoseEvaluator(SIGMAS).merge(PoseEvaluator([0.1, 0.1, 0.1]))


def test_no_image_is_an_error():
    with pytest.raises(EvalError, match=r"at least one image; got none; call update\(\)"):
        PoseEvaluator(SIGMAS).compute()


def test_name_given_twice_is_an_error(make):
    with pytest.raises(EvalError, match="image a must be given once"):
        filled(make, IMAGES[:2], names=["a", "a"])


def test_wrong_number_of_keypoints_names_the_image(make):
    with pytest.raises(EvalError, match="image a: found keypoints must be 3 per person; got 2"):
        filled(make, [([HERE[:2]], [0.9])], names=["a"])


def test_label_outside_the_classes_is_an_error(make):
    with pytest.raises(EvalError, match="image number 1: found labels must be 0 to 0; got 1"):
        PoseEvaluator(SIGMAS).update(make.poses([HERE], [0.9], [1]), make.targets([HERE]))


def test_nan_is_an_error(make):
    with pytest.raises(EvalError, match="image number 1: found scores must be finite; got nan in row 1"):
        PoseEvaluator(SIGMAS).update(make.poses([HERE, HERE], [0.9, np.nan]), make.targets([HERE]))


def test_missing_field_is_an_error(make):
    with pytest.raises(EvalError, match="annotated people must have 'boxes'; got SimpleNamespace without it"):
        PoseEvaluator(SIGMAS).update(make.poses([HERE], [0.9]), SimpleNamespace())


def test_columns_of_unequal_length_are_an_error(make):
    with pytest.raises(EvalError, match=r"found scores must be \(1,\); got \(2,\)"):
        PoseEvaluator(SIGMAS).update(make.poses([HERE], [0.9, 0.8]), make.targets([HERE]))


def test_names_must_be_one_per_class():
    with pytest.raises(EvalError, match="names must be 2, one per class; got 1"):
        PoseEvaluator(SIGMAS, num_classes=2, names=["cat"])


def test_arguments_are_not_altered(make):
    poses, targets = make.poses([HERE], [0.9]), make.targets([HERE])
    before = poses.keypoints.copy(), targets.boxes.copy()
    evaluator = PoseEvaluator(SIGMAS)
    evaluator.update(poses, targets)
    evaluator.compute()
    assert np.array_equal(poses.keypoints, before[0])
    assert np.array_equal(targets.boxes, before[1])
