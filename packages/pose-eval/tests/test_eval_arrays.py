"""Plain arrays of one image as a way in."""

import numpy as np
import pytest
from pose_eval import PoseEvaluator, annotated_people, found_people

HERE = [[[10.0, 10.0], [20.0, 10.0], [15.0, 20.0]]]


def test_lists_are_enough():
    evaluator = PoseEvaluator([0.05] * 3)
    evaluator.update(found_people(HERE, [0.9]), annotated_people(HERE, [[2, 1, 0]], [100]))
    assert evaluator.compute().keypoints.ap == pytest.approx(1)


def test_scores_beside_the_keypoints_are_taken():
    people = found_people([[[10, 10, 0.5], [20, 10, 0.6]]], [0.9])
    assert people.keypoints.tolist() == [[[10, 10], [20, 10]]]
    assert people.keypoint_scores.tolist() == [[0.5, 0.6]]


def test_box_is_the_extent_unless_given():
    assert found_people(HERE, [0.9]).boxes.tolist() == [[10, 10, 20, 20]]
    assert annotated_people(HERE, [[2, 2, 2]], [100], boxes=[[0, 0, 30, 30]]).boxes.tolist() == [[0, 0, 30, 30]]


def test_nobody_keeps_the_keypoints():
    people = found_people(np.zeros((0, 3, 2)), [])
    assert (people.boxes.shape, people.keypoints.shape) == ((0, 4), (0, 3, 2))
