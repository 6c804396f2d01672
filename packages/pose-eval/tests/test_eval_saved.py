"""An evaluation on disk: the same numbers later, and nothing else is taken for one."""

import numpy as np
import pytest
from pose_eval import (
    EvalError,
    PoseEvaluator,
    box_rules,
    compare_models,
    evaluate,
    keypoint_rules,
    load_evaluation,
    save_evaluation,
)

HERE = np.array([[10.0, 10.0], [40.0, 10.0], [25.0, 30.0]])
SIGMAS = [0.2, 0.2, 0.2]


def evaluation(make, rules, *, shake=1.0):
    evaluator = PoseEvaluator(SIGMAS)
    for image in range(6):
        points = np.stack([HERE, HERE + 100 + image])
        evaluator.update(make.poses(points + shake, [0.9, 0.8]), make.targets(points), name=f"image {image}")
    return evaluate(evaluator.problem(rules), rules)


@pytest.mark.parametrize("rules", [keypoint_rules(SIGMAS), box_rules(strict=True)], ids=["keypoints", "boxes"])
def test_loaded_numbers_are_the_saved_ones(rules, make, tmp_path):
    saved = evaluation(make, rules)
    save_evaluation(tmp_path / "a.npz", saved)
    loaded = load_evaluation(tmp_path / "a.npz")
    assert np.array_equal(loaded.stats, saved.stats)
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(getattr(loaded.curves, name), getattr(saved.curves, name))
    assert loaded.rules.strict is rules.strict
    assert loaded.problem.image_ids.tolist() == [f"image {image}" for image in range(6)]


def test_a_saved_model_is_compared_with_a_later_one(make, tmp_path):
    rules = keypoint_rules(SIGMAS)
    save_evaluation(tmp_path / "a.npz", evaluation(make, rules, shake=4.0))
    comparison = compare_models(load_evaluation(tmp_path / "a.npz"), evaluation(make, rules), resamples=20)
    assert comparison.difference[0] > 0
    assert comparison.better[0] == 1


def test_saving_replaces_the_file_and_leaves_nothing_beside_it(make, tmp_path):
    (tmp_path / "a.npz").write_text("old", encoding="utf-8")
    save_evaluation(tmp_path / "a.npz", evaluation(make, keypoint_rules(SIGMAS)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    assert load_evaluation(tmp_path / "a.npz").stats[1] == pytest.approx(1.0)


def test_a_file_that_was_cut_off_is_refused(make, tmp_path):
    path = tmp_path / "a.npz"
    save_evaluation(path, evaluation(make, keypoint_rules(SIGMAS)))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(EvalError, match=r"a\.npz must be an evaluation saved by save_evaluation; got"):
        load_evaluation(path)


def test_arrays_of_something_else_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(EvalError, match=r"a\.npz must be an evaluation saved by save_evaluation; got"):
        load_evaluation(tmp_path / "a.npz")


def test_a_pickle_is_refused_and_not_executed(tmp_path):
    np.savez(tmp_path / "a.npz", version=np.array([print], dtype=object))
    with pytest.raises(EvalError, match=r"must be an evaluation saved by save_evaluation; got .*pickle"):
        load_evaluation(tmp_path / "a.npz")


def test_a_missing_file_and_a_missing_folder_are_named(make, tmp_path):
    with pytest.raises(EvalError, match=r"none\.npz must be a saved evaluation; got No such file"):
        load_evaluation(tmp_path / "none.npz")
    with pytest.raises(EvalError, match=r"a\.npz must be a file that can be written; got No such file"):
        save_evaluation(tmp_path / "nowhere" / "a.npz", evaluation(make, keypoint_rules(SIGMAS)))
