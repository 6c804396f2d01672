"""Classes with keypoints of their own: each has the numbers that it has when it is evaluated alone."""

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from pose_eval import (
    EvalError,
    PoseEvaluator,
    diagnose_errors,
    evaluate,
    evaluate_parts,
    keypoint_numbers,
    keypoint_rules,
    load_evaluation,
    save_evaluation,
)

OWN = ((0, 1, 3, 4, 6), (2, 5, 6), (0, 1, 2, 3, 4, 5, 6))
SIGMAS = np.array([0.03, 0.05, 0.07, 0.11, 0.13, 0.17, 0.19])
KEYS = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar", "ar50", "ar75", "ar_medium", "ar_large")


def scenes(count=60, seed=0):
    """Images of all three classes: exact and poor guesses, crowds, objects without labels, ties of scores.

    Points that a class lacks are found somewhere in the image, now and then far outside.
    """
    rng = np.random.default_rng(seed)
    has = np.zeros((3, 7), bool)
    for label, own in enumerate(OWN):
        has[label, list(own)] = True
    for image in range(count):
        people, found = int(rng.integers(0, 6)), int(rng.integers(0, 9))
        labels, guessed = rng.integers(0, 3, people), rng.integers(0, 3, found)
        size = rng.choice([30, 90, 200], (people, 1, 1))
        points = (rng.random((people, 7, 2)) * size + rng.random((people, 1, 2)) * 300).astype(np.float32)
        labelled = (rng.random((people, 7)) < 0.8) & (rng.random((people, 1)) < 0.7) & has[labels]
        guess = (rng.random((found, 7, 2)) * 90 + rng.random((found, 1, 2)) * 300).astype(np.float32)
        for row in range(min(people, found)):
            guessed[row] = labels[row]
            guess[row] = points[row] + rng.normal(size=(7, 2)) * rng.choice([1, 6])
        guess = np.where(has[guessed][..., None], guess, rng.normal(size=guess.shape) * 400).astype(np.float32)
        boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
        yield SimpleNamespace(
            name=f"{image:03}",
            poses=SimpleNamespace(
                boxes=np.concatenate([guess.min(axis=1), guess.max(axis=1)], axis=1),
                scores=np.round(rng.random(found), 1).astype(np.float32),
                labels=guessed,
                keypoints=guess,
                keypoint_scores=has[guessed] * np.float32(0.9),
            ),
            targets=SimpleNamespace(
                boxes=boxes,
                labels=labels,
                keypoints=np.where(labelled[..., None], points, 0),
                visibility=labelled * np.uint8(2),
                areas=(size[:, 0, 0] ** 2).astype(np.float32),
                crowd=rng.random(people) < 0.1,
            ),
        )


def chosen(columns, rows, points):
    """Some rows of an image, as class 0, with some of the points alone."""
    values = {name: value[rows] for name, value in vars(columns).items()}
    for name in ("keypoints", "keypoint_scores", "visibility"):
        if name in values:
            values[name] = values[name][:, list(points)]
    return SimpleNamespace(**{**values, "labels": np.zeros(int(rows.sum()), np.int64)})


def together():
    evaluator = PoseEvaluator(SIGMAS, num_classes=3, class_keypoints=OWN)
    for scene in scenes():
        evaluator.update(scene.poses, scene.targets, name=scene.name)
    return evaluator


def alone(label):
    evaluator = PoseEvaluator(SIGMAS[list(OWN[label])])
    for scene in scenes():
        poses, targets = (
            chosen(columns, columns.labels == label, OWN[label]) for columns in (scene.poses, scene.targets)
        )
        evaluator.update(poses, targets, name=scene.name)
    return evaluator


@pytest.mark.parametrize("label", range(3))
def test_curves_of_a_class_are_those_of_the_class_alone_to_the_bit(label: int):
    rules, own = keypoint_rules(SIGMAS), keypoint_rules(SIGMAS[list(OWN[label])])
    both, one = evaluate(together().problem(rules), rules), evaluate(alone(label).problem(own), own)
    assert (one.curves.precision > 0).any()
    assert np.array_equal(both.curves.precision[:, :, [label]], one.curves.precision)
    assert np.array_equal(both.curves.recall[:, [label]], one.curves.recall)
    assert np.array_equal(both.curves.scores[:, :, [label]], one.curves.scores)


def test_ap_of_each_class_is_that_of_the_class_alone_to_the_bit():
    metrics = together().compute()
    parts = [alone(label).compute() for label in range(3)]
    assert metrics.keypoints.per_class.tolist() == [part.keypoints.ap for part in parts]
    assert metrics.boxes.per_class.tolist() == [part.boxes.ap for part in parts]
    assert 0 < metrics.keypoints.ap < 1
    for key in KEYS:
        mean = np.mean([getattr(part.keypoints, key) for part in parts])
        assert getattr(metrics.keypoints, key) == pytest.approx(mean), key


def test_similarities_of_a_class_are_those_of_the_class_alone_to_the_bit():
    for label in range(3):
        rules, own = keypoint_rules(SIGMAS), keypoint_rules(SIGMAS[list(OWN[label])])
        both, one = evaluate(together().problem(rules), rules), evaluate(alone(label).problem(own), own)
        mine = both.problem.truths.categories[both.candidates.people] == label
        assert np.array_equal(np.sort(both.candidates.similarity[mine]), np.sort(one.candidates.similarity))


def test_without_the_classes_what_a_class_lacks_would_count():
    careless = PoseEvaluator(SIGMAS, num_classes=3)
    for scene in scenes():
        careless.update(scene.poses, scene.targets, name=scene.name)
    assert careless.compute().keypoints.per_class.tolist() != together().compute().keypoints.per_class.tolist()


def test_classes_that_have_all_points_change_nothing():
    plain, said = (PoseEvaluator(SIGMAS, num_classes=3, class_keypoints=own) for own in (None, [range(7)] * 3))
    for scene in scenes():
        plain.update(scene.poses, scene.targets)
        said.update(scene.poses, scene.targets)
    assert repr(asdict(plain.compute())) == repr(asdict(said.compute()))


def test_numbers_by_keypoint_and_kind_of_error_can_be_had():
    rules = keypoint_rules(SIGMAS)
    evaluation = evaluate(together().problem(rules), rules)
    assert np.isfinite(keypoint_numbers(evaluation).pixels).all()
    assert diagnose_errors(evaluation).ap == pytest.approx(together().compute().keypoints.ap)
    part = evaluate_parts(evaluation, {"paws": np.array([2, 5])})["paws"]
    assert part.curves.precision[:, :, 0].max() == -1  # class 0 has none of the two


def test_they_are_kept_in_a_saved_evaluation(tmp_path):
    rules = keypoint_rules(SIGMAS)
    evaluation = evaluate(together().problem(rules), rules)
    save_evaluation(tmp_path / "a.npz", evaluation)
    assert np.array_equal(load_evaluation(tmp_path / "a.npz").curves.precision, evaluation.curves.precision)


def test_parts_from_other_processes_are_merged():
    first, second = (PoseEvaluator(SIGMAS, num_classes=3, class_keypoints=OWN) for _ in range(2))
    for number, scene in enumerate(scenes()):
        (first, second)[number % 2].update(scene.poses, scene.targets, name=scene.name)
    first.merge_bytes(second.to_bytes())
    assert repr(asdict(first.compute())) == repr(asdict(together().compute()))


def test_evaluators_of_other_classes_are_not_merged():
    with pytest.raises(EvalError, match="must have the same class_keypoints"):
        together().merge(PoseEvaluator(SIGMAS, num_classes=3))


def test_a_labelled_point_that_the_class_lacks_is_refused(make):
    evaluator = PoseEvaluator([0.1, 0.1, 0.1], num_classes=2, class_keypoints=[[0, 1], [0, 2]])
    here = np.array([[10.0, 10.0], [20.0, 10.0], [15.0, 20.0]])
    with pytest.raises(
        EvalError, match="image a: labelled keypoints must be among those of their class; got keypoint 1 for class 1"
    ):
        evaluator.update(make.poses([here], [0.9]), make.targets([here], labels=[1], visibility=[[2, 1, 2]]), name="a")
    assert len(evaluator) == 0


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ([[0, 1]], "class_keypoints must be 2, one list per class; got 1"),
        ([[0, 1, 2], []], r"at least one per class; got \[\[0, 1, 2\], \[\]\]"),
        ([[0, 1, 2], [3]], "must be rows from 0 to 2"),
        ([[0, 1, 2], [-1]], "must be rows from 0 to 2"),
    ],
)
def test_rows_that_can_not_be_are_refused(own, reason: str):
    with pytest.raises(EvalError, match=reason):
        PoseEvaluator([0.1, 0.1, 0.1], num_classes=2, class_keypoints=own)
