"""PCK, PDJ, AUC, EPE and NME of distances that can be read off."""

import numpy as np
import pytest
from pose_eval import (
    EvalError,
    auc,
    box_lengths,
    epe,
    estimate_sigmas,
    head_lengths,
    keypoint_distances,
    nme,
    pck_at,
    pck_per_keypoint,
    torso_lengths,
)

DISTANCES = np.array([[0.0, 1.0, 2.0], [4.0, 4.0, 100.0]])
LABELLED = np.array([[True, True, True], [True, True, False]])
LENGTHS = np.array([10.0, 20.0])


def test_distances_are_euclidean():
    assert keypoint_distances(np.array([[[3.0, 4.0]]]), np.zeros((1, 1, 2))).tolist() == [[5.0]]


def test_distances_need_pairs():
    with pytest.raises(EvalError, match=r"paired with annotations of the same shape; got \(1, 3, 2\) and \(2, 3, 2\)"):
        keypoint_distances(np.zeros((1, 3, 2)), np.zeros((2, 3, 2)))


def test_pck_counts_labelled_points_within_a_share_of_the_length():
    # Within .1: 0 and 1 of the first person's three; none of the second's two (4 > 2).
    assert pck_at(DISTANCES, LABELLED, lengths=LENGTHS, alpha=0.1) == pytest.approx(2 / 5)


def test_pck_includes_the_edge():
    assert pck_at(DISTANCES, LABELLED, lengths=LENGTHS, alpha=0.2) == pytest.approx(1)


def test_pck_per_keypoint_takes_each_alone():
    assert pck_per_keypoint(DISTANCES, LABELLED, lengths=LENGTHS, alpha=0.1) == pytest.approx([0.5, 0.5, 0])


def test_people_without_length_are_left_out():
    assert pck_at(DISTANCES, LABELLED, lengths=np.array([0.0, 20.0]), alpha=0.2) == pytest.approx(1)


def test_nothing_labelled_is_nan():
    assert np.isnan(pck_at(DISTANCES, np.zeros_like(LABELLED), lengths=LENGTHS, alpha=0.1))


def test_auc_is_the_mean_of_a_straight_curve():
    # Distances 0, 1 and 2 of a length of 2 over alpha 0, .5, 1: PCK is 1/3, 2/3, 1.
    value = auc(DISTANCES[:1], LABELLED[:1], lengths=np.array([2.0]), alphas=[0, 0.5, 1])
    assert value == pytest.approx(2 / 3)


def test_auc_of_exact_points_is_one():
    assert auc(np.zeros((1, 3)), LABELLED[:1], lengths=LENGTHS[:1]) == pytest.approx(1)


def test_auc_needs_rising_alphas():
    with pytest.raises(EvalError, match="alphas must be two or more rising numbers"):
        auc(DISTANCES, LABELLED, lengths=LENGTHS, alphas=[0.5, 0.1])


def test_epe_is_the_mean_over_labelled_points():
    assert epe(DISTANCES, LABELLED) == pytest.approx(11 / 5)


def test_nme_divides_by_the_length_first():
    assert nme(DISTANCES, LABELLED, lengths=LENGTHS) == pytest.approx((0 + 0.1 + 0.2 + 0.2 + 0.2) / 5)


def test_lengths_of_box_head_and_torso():
    assert box_lengths(np.array([[0, 0, 3.0, 7.0]])).tolist() == [7]
    assert head_lengths(np.array([[0, 0, 30.0, 40.0]])) == pytest.approx([30])
    points = np.array([[[0.0, 0.0], [3.0, 4.0]]] * 2)
    labelled = np.array([[True, True], [True, False]])
    assert torso_lengths(points, labelled, shoulder=0, hip=1).tolist() == [5, 0]


def test_sigmas_of_two_annotators_are_half_their_distance_times_root_two():
    # Apart by 2 px: each is 1 px from the mean, squared sum 2, divided by 2 - 1 and by the area 100.
    points = np.array([[[[0.0, 0.0]]], [[[2.0, 0.0]]]])
    labelled = np.ones((2, 1, 1), bool)
    assert estimate_sigmas(points, labelled=labelled, areas=np.array([100.0])) == pytest.approx([np.sqrt(2) / 10])


def test_sigmas_are_recovered_from_many_annotators():
    rng = np.random.default_rng(0)
    areas = rng.random(3000) * 5000 + 500
    true = np.array([0.03, 0.1])
    noise = rng.normal(size=(3, 3000, 2, 2)) * true[:, None] / np.sqrt(2) * np.sqrt(areas)[:, None, None]
    assert estimate_sigmas(noise, labelled=np.ones((3, 3000, 2), bool), areas=areas) == pytest.approx(true, rel=0.05)


def test_point_that_nobody_labelled_twice_has_no_sigma():
    with pytest.raises(EvalError, match="labelled twice, with some difference, for at least one person; got none for"):
        estimate_sigmas(np.zeros((1, 1, 1, 2)), labelled=np.ones((1, 1, 1), bool), areas=np.array([1.0]))
