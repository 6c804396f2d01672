"""What the pictures show is what was measured."""

import sys

import numpy as np
import pytest
from pose_eval import (
    EvalError,
    PoseEvaluator,
    box_rules,
    diagnose_errors,
    draw_error_kinds,
    draw_keypoint_errors,
    draw_pr_curves,
    evaluate,
    keypoint_numbers,
    keypoint_rules,
    save_plots,
)
from pose_eval.plots import typical_pose

HERE = np.array([[0.0, 0.0], [30.0, 0.0], [15.0, 40.0]])  # in a box of 30 x 40 px
SIGMAS = [0.2, 0.2, 0.2]
NAMES = ["left_eye", "right_eye", "nose"]
MIRROR = np.array([1, 0, 2])


def evaluation(make, *, away=(3.0, 0.0), rules=None, people=(HERE,)):
    evaluator = PoseEvaluator(SIGMAS)
    for image, points in enumerate(people):
        found = points.copy()
        found[0] += away
        evaluator.update(make.poses([found], [0.9]), make.targets([points], areas=[900.0]), name=str(image))
    rules = rules or keypoint_rules(SIGMAS)
    return evaluate(evaluator.problem(rules), rules)


def test_a_curve_per_threshold_with_its_ap(make):
    pytest.importorskip("matplotlib")
    measured = evaluation(make)
    axes = draw_pr_curves(measured).axes[0]
    assert len(axes.lines) == 10
    assert np.array_equal(axes.lines[0].get_ydata(), measured.curves.precision[0, :, 0, 0, 0])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[0] == "0.50    1.000"
    assert axes.get_title("left") == f"AP {measured.stats[0]:.3f}"


def test_boxes_have_curves_too(make):
    pytest.importorskip("matplotlib")
    axes = draw_pr_curves(evaluation(make, rules=box_rules())).axes[0]
    assert axes.get_legend().get_title().get_text().startswith("IoU")


def test_a_circle_has_the_radius_of_the_error(make):
    pytest.importorskip("matplotlib")
    measured = evaluation(make, away=(3.0, 0.0))  # 3 px of a person whose area is 30² px²
    figure = draw_keypoint_errors(measured, keypoint_numbers(measured), names=NAMES, edges=[(0, 2)])
    radii = [patch.radius for patch in figure.axes[0].patches]
    assert radii == pytest.approx([0.1, 0.0, 0.0], abs=1e-12)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(texts) == ["left_eye  0.100", "nose  0.000", "right_eye  0.000"]


def test_the_typical_pose_turns_people_who_are_seen_from_behind(make):
    mirrored = HERE * [-1, 1] + [100, 0]
    measured = evaluation(make, people=(HERE, HERE + 50, mirrored))
    expected = (HERE - [15, 20]) / 30
    assert typical_pose(measured, mirror=MIRROR) == pytest.approx(expected)


def test_shares_of_errors_stand_beside_what_they_cost(make):
    pytest.importorskip("matplotlib")
    diagnosis = diagnose_errors(evaluation(make, away=(12.0, 0.0)), mirror=MIRROR)
    shares, costs = draw_error_kinds(diagnosis, names=NAMES).axes
    widths = np.array([bar.get_width() for bar in shares.patches]).reshape(5, 3)
    assert widths.sum(axis=0) == pytest.approx([1, 1, 1])
    assert widths[:, 0] == pytest.approx([0, 1, 0, 0, 0])  # .4 of the root of the area at sigma .2: ks is .61, jitter
    assert "jitter" in [label.get_text() for label in costs.get_yticklabels()]


def test_pictures_are_written_for_screen_and_paper(make, tmp_path):
    pytest.importorskip("matplotlib")
    paths = save_plots(tmp_path / "new", {"curves": draw_pr_curves(evaluation(make))})
    assert [path.name for path in paths] == ["curves.png", "curves.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[1].read_bytes().startswith(b"%PDF")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["curves.pdf", "curves.png"]


def test_a_file_in_the_place_of_the_folder_is_named(make, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(EvalError, match="taken must be a folder for pictures; got File exists"):
        save_plots(tmp_path / "taken", {"curves": draw_pr_curves(evaluation(make))})


def test_nothing_to_find_is_an_error_and_no_empty_picture(make):
    evaluator = PoseEvaluator(SIGMAS)
    evaluator.update(make.poses(np.zeros((0, 3, 2)), []), make.targets(np.zeros((0, 3, 2))))
    rules = keypoint_rules(SIGMAS)
    empty = evaluate(evaluator.problem(rules), rules)
    with pytest.raises(EvalError, match="must have people to find; got none"):
        draw_pr_curves(empty)
    with pytest.raises(EvalError, match="must have labelled keypoints; got none"):
        typical_pose(empty)


def test_without_matplotlib_the_way_out_is_said(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(EvalError, match="must have matplotlib; got none; install it with: pip install matplotlib"):
        draw_pr_curves(evaluation(make))
