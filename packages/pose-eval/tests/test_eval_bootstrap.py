"""Resampling images: weights mean what they should, intervals cover, a paired test sees a difference."""

from dataclasses import replace

import numpy as np
import pytest
from pose_eval import (
    EvalError,
    PoseEvaluator,
    bootstrap_intervals,
    box_rules,
    choose_images,
    compare_models,
    evaluate,
    keypoint_rules,
)
from pose_eval.bootstrap import _Resampler

SIGMAS = [0.05, 0.05, 0.05]


def problem(make, *, shake, images=40, seed=0, classes=1, rules=None):
    truth_rng, rng = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    evaluator = PoseEvaluator(SIGMAS, num_classes=classes)
    for _ in range(images):
        people = truth_rng.integers(0, 4)
        points = truth_rng.random((people, 3, 2)) * 60 + truth_rng.random((people, 1, 2)) * 500
        labels = truth_rng.integers(0, classes, people)
        guess = points + rng.normal(size=points.shape) * shake
        targets = make.targets(points, labels=labels, areas=truth_rng.random(people) * 12000)
        evaluator.update(make.poses(guess.reshape(-1, 3, 2), rng.random(people), labels), targets)
    rules = rules or keypoint_rules(SIGMAS)
    return evaluate(evaluator.problem(rules), rules)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("rules", [keypoint_rules(SIGMAS), box_rules()], ids=["keypoints", "boxes"])
def test_every_image_once_gives_the_summary(rules, classes, make):
    evaluation = problem(make, shake=4, classes=classes, rules=rules)
    once = np.ones((1, 40), np.int64)
    assert _Resampler(evaluation).summaries(once)[0] == pytest.approx(evaluation.stats, abs=1e-12)


@pytest.mark.parametrize("classes", [1, 3])
def test_weights_of_zero_leave_images_out(classes, make):
    evaluation = problem(make, shake=4, classes=classes)
    chosen = np.random.default_rng(3).random(40) < 0.5
    part = evaluate(choose_images(evaluation.problem, chosen), evaluation.rules)
    expected = np.where(part.stats < 0, np.nan, part.stats)
    weighted = _Resampler(evaluation).summaries(chosen[None].astype(np.int64))[0]
    assert weighted == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_weight_of_two_is_the_image_twice(make):
    # A person found in one image, a person missed in the other: recall 2 of 3.
    here = np.array([[10.0, 10.0], [20.0, 10.0], [15.0, 20.0]])
    evaluator = PoseEvaluator(SIGMAS)
    evaluator.update(make.poses([here], [0.9]), make.targets([here]))
    evaluator.update(make.poses(np.zeros((0, 3, 2)), []), make.targets([here]))
    rules = keypoint_rules(SIGMAS)
    summary = _Resampler(evaluate(evaluator.problem(rules), rules)).summaries(np.array([[2, 1]]))[0]
    assert summary[5] == pytest.approx(2 / 3)
    assert summary[0] == pytest.approx(67 / 101)


def test_interval_holds_the_value_and_repeats_by_seed(make):
    evaluation = problem(make, shake=4)
    first = bootstrap_intervals(evaluation, resamples=200, seed=5)
    again = bootstrap_intervals(evaluation, resamples=200, seed=5)
    assert first.low[0] < first.values[0] < first.high[0]
    assert np.array_equal(first.samples, again.samples)
    assert np.array_equal(first.values, evaluation.stats)


def test_wider_level_gives_a_wider_interval(make):
    evaluation = problem(make, shake=4)
    narrow, wide = (bootstrap_intervals(evaluation, resamples=200, level=level) for level in (0.5, 0.99))
    assert narrow.high[0] - narrow.low[0] < wide.high[0] - wide.low[0]


def test_number_without_people_has_no_interval(make):
    evaluation = problem(make, shake=4)
    small = replace(evaluation.problem.truths, areas=np.full(len(evaluation.problem.truths), 5.0))
    evaluation = evaluate(replace(evaluation.problem, truths=small), evaluation.rules)
    intervals = bootstrap_intervals(evaluation, resamples=10)
    assert intervals.values[4] == -1
    assert np.isnan([intervals.low[4], intervals.high[4]]).all()


def test_model_against_itself_does_not_differ(make):
    evaluation = problem(make, shake=4)
    comparison = compare_models(evaluation, evaluation, resamples=50)
    assert comparison.difference[0] == comparison.low[0] == comparison.high[0] == 0
    assert comparison.better[0] == 0.5


def test_better_model_is_seen(make):
    worse, better = problem(make, shake=6), problem(make, shake=2)
    comparison = compare_models(worse, better, resamples=200)
    assert comparison.difference[0] == pytest.approx(better.stats[0] - worse.stats[0])
    assert comparison.low[0] > 0
    assert comparison.better[0] == 1


def test_models_on_other_images_cannot_be_compared(make):
    with pytest.raises(EvalError, match="must be of the same images; got 40 and 39"):
        compare_models(problem(make, shake=4), problem(make, shake=4, images=39), resamples=2)


def test_keypoints_cannot_be_compared_with_boxes(make):
    with pytest.raises(EvalError, match="must have the same rules"):
        compare_models(problem(make, shake=4), problem(make, shake=4, rules=box_rules()), resamples=2)


@pytest.mark.parametrize("options", [{"resamples": 0}, {"level": 1.0}])
def test_arguments_out_of_range_are_refused(options, make):
    with pytest.raises(EvalError, match="a bootstrap must have 1 or more resamples, a level between 0 and 1"):
        bootstrap_intervals(problem(make, shake=4), **options)
