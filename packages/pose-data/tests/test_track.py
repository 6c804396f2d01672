"""Following people: who keeps which id, worked out for people who walk along a line."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from pose_data import DataError, Poses, PoseSmoother, PoseTracker, SettingsError, Skeleton, TrackSettings
from pose_data.poses import concatenate
from pose_data.predict.assign import assign_pairs
from pose_data.predict.similarity import displacements, pose_similarity

SKELETON = Skeleton(("head", "hip", "foot"), sigmas=(0.1, 0.1, 0.1))
SIGMAS = np.array(SKELETON.sigmas)


def person(x: float, y: float = 100.0, *, score: float = 0.9, label: int = 0, lean: float = 0.0) -> Poses:
    """Somebody 40 px wide and 100 px high around x, y; head, hip and foot lie on a line that may lean."""
    points = [[x + lean, y - 40], [x, y], [x - lean, y + 40]]
    return Poses(
        boxes=np.array([[x - 20, y - 50, x + 20, y + 50]], np.float32),
        scores=np.array([score], np.float32),
        labels=np.array([label], np.int64),
        keypoints=np.array([points], np.float32),
        keypoint_scores=np.ones((1, 3), np.float32),
    )


def together(*people: Poses) -> Poses:
    return concatenate([Poses.empty(3), *people])


def follow(frames: list[Poses], settings: TrackSettings | None = None) -> list[list[int]]:
    tracker = PoseTracker(SKELETON, settings)
    return [tracker.update(poses).tolist() for poses in frames]


# Who is who


def test_somebody_who_walks_keeps_the_id() -> None:
    assert follow([person(100 + 8 * t) for t in range(10)]) == [[1]] * 10


def test_ids_are_parallel_to_the_poses_in_whatever_order_they_come() -> None:
    left, right = person(100), person(300)
    assert follow([together(left, right), together(right, left), together(left, right)]) == [[1, 2], [2, 1], [1, 2]]


@pytest.mark.parametrize("behind", ["nobody", "one", "both"])
def test_two_people_who_cross_keep_their_ids(behind: str) -> None:
    # They look alike and meet at x = 200 in frame 10; around it one or both of them can't be seen.
    frames, expected = [], []
    for t in range(21):
        a, b, hidden = person(100 + 10 * t), person(300 - 10 * t), 8 < t < 12
        seen = [(a, 1), (b, 2)]
        seen = seen[: {"nobody": 2, "one": 1, "both": 0}[behind]] if hidden else seen[:: 1 if t % 2 == 0 else -1]
        frames.append(together(*(who for who, _ in seen)))
        expected.append([number for _, number in seen])
    assert follow(frames) == expected


def test_people_at_one_place_are_told_apart_by_their_pose() -> None:
    # The boxes are the same to the pixel; only the keypoints differ.
    upright, leaning = person(100, lean=0), person(100, lean=18)
    assert follow([together(upright, leaning), together(leaning, upright)]) == [[1, 2], [2, 1]]


def test_somebody_who_was_hidden_gets_the_id_back() -> None:
    walk = [person(100 + 10 * t) for t in range(20)]
    frames = [*walk[:6], *[together()] * 8, *walk[14:]]
    assert follow(frames) == [[1]] * 6 + [[]] * 8 + [[1]] * 6


@pytest.mark.parametrize(("hidden", "after"), [(5, 1), (6, 2)])
def test_an_id_is_kept_for_as_many_frames_as_the_settings_say(hidden: int, after: int) -> None:
    frames = [person(100), person(100), *[together()] * hidden, person(100), person(100)]
    assert follow(frames, TrackSettings(keep=5))[-1] == [after]


def test_ids_are_never_used_again() -> None:
    visits = [[person(100), person(100), *[together()] * 3] for _ in range(4)]
    ids = follow([frame for visit in visits for frame in visit], TrackSettings(keep=1))
    assert [i for frame in ids for i in frame if i > 0] == [1, 1, 2, 3, 4]


def test_frames_without_people_are_normal() -> None:
    ids = PoseTracker(SKELETON).update(Poses.empty(3))
    assert (ids.shape, ids.dtype) == ((0,), np.int64)
    assert follow([together()] * 3 + [person(100)] * 2) == [[], [], [], [-1], [1]]


# Scores


def test_unsure_people_continue_a_track_but_never_begin_one() -> None:
    sure, unsure = person(100), person(100, score=0.2)
    assert follow([sure, unsure, unsure, sure]) == [[1]] * 4
    assert follow([unsure] * 4) == [[-1]] * 4


def test_an_unsure_person_does_not_bring_a_lost_track_back() -> None:
    sure, unsure = person(100), person(100, score=0.2)
    assert follow([sure, together(), unsure, sure]) == [[1], [], [-1], [1]]


def test_the_sure_choose_first() -> None:
    # The unsure one is exactly where the track is, the sure one is near.
    assert follow([person(100), together(person(100, score=0.3), person(106))]) == [[1], [-1, 1]]


def test_somebody_new_gets_an_id_in_the_second_sure_frame() -> None:
    old, new = person(100), person(400)
    assert follow([old, together(old, new), together(old, new)]) == [[1], [1, -1], [1, 2]]


def test_a_flash_gets_no_id_and_uses_none_up() -> None:
    old, flash, new = person(100), person(400), person(700)
    frames = [old, together(old, flash), old, together(old, new), together(old, new)]
    assert follow(frames) == [[1], [1, -1], [1], [1, -1], [1, 2]]


def test_ids_come_at_once_when_that_is_asked_for() -> None:
    frames = [person(100), together(person(100), person(400))]
    assert follow(frames, TrackSettings(begin=1)) == [[1], [1, 2]]


# Classes


def test_classes_are_not_mixed() -> None:
    cat, dog = person(100, label=0), person(100, label=1)
    assert follow([cat, dog, dog, cat]) == [[1], [-1], [2], [1]]


# Similarity, motion, assignment


def test_similarity_is_the_mean_of_oks_and_iou() -> None:
    # Moved by 20 px: boxes share 20 of 60 columns; all points are 20 px off, s² = 4000, 2 sigma = 0.2.
    oks = np.exp(-400 / (2 * 4000 * 0.04))
    found = pose_similarity(person(100), person(120), sigmas=SIGMAS, oks=0.5)
    np.testing.assert_allclose(found, [[(oks + 1 / 3) / 2]])
    np.testing.assert_allclose(pose_similarity(person(100), person(120), sigmas=SIGMAS, oks=1), [[oks]])


def test_points_that_a_network_does_not_score_say_nothing() -> None:
    unscored = Poses(**{**vars(person(120)), "keypoint_scores": np.zeros((1, 3), np.float32)})
    nan = Poses(**{**vars(person(120)), "keypoints": np.full((1, 3, 2), np.nan, np.float32)})
    for other in (unscored, nan):
        np.testing.assert_allclose(pose_similarity(person(100), other, sigmas=SIGMAS, oks=0.9), [[1 / 3]])
        np.testing.assert_allclose(displacements(person(100), other), [[20, 0]])


def test_somebody_half_hidden_moves_as_the_points_that_are_seen() -> None:
    # The lower half is covered: its box loses 50 px and the foot is a guess far away that scores 0.
    half = person(110)
    half.boxes[0, 3] -= 50
    half.keypoints[0, 2] = 500, 500
    half.keypoint_scores[0, 2] = 0
    np.testing.assert_allclose(displacements(person(100), half), [[10, 0]])


def test_the_assignment_is_the_best_of_all() -> None:
    generator = np.random.default_rng(0)
    for _ in range(150):
        rows, columns = generator.integers(0, 6, 2)
        table = generator.random((rows, columns)).round(1)
        pairs = assign_pairs(table, least=0.3)
        wide = table if rows <= columns else table.T
        choices = itertools.permutations(range(wide.shape[1]), wide.shape[0])
        best = max(sum(wide[i, j] for i, j in enumerate(choice) if wide[i, j] >= 0.3) for choice in choices)
        assert sum(table[i, j] for i, j in pairs) == pytest.approx(best)
        assert all(table[i, j] >= 0.3 for i, j in pairs)
        assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)


def test_the_best_pair_does_not_take_the_only_partner_of_another() -> None:
    table = np.array([[0.9, 0.8], [0.85, 0.0]])
    assert assign_pairs(table, least=0.2).tolist() == [[0, 1], [1, 0]]


# Smoothing


def test_a_noisy_still_point_is_steadied() -> None:
    # At rest and 30 frames per second the newest value has the share a = 1 / (1 + 30 / (2 pi)) = 0.17, and a low-pass
    # leaves sqrt(a / (2 - a)) = 0.31 of the noise; the noise's own speed opens the filter a little.
    generator = np.random.default_rng(0)
    smoother, ids, shown = PoseSmoother(fps=30), np.array([1]), []
    for _ in range(600):
        found = person(100)
        found.keypoints[:] += generator.normal(0, 0.5, (1, 3, 2))
        shown.append(smoother(found, ids).keypoints)
    left = np.std(np.concatenate(shown)[100:], axis=0)
    assert (left < 0.5 * 0.45).all()
    assert (left > 0.5 * 0.3).all()


def test_a_fast_point_lags_as_little_as_the_formula_says() -> None:
    # 4000 px² are 63.2 px of size; 12 px per frame at 30 frames per second are 360 px/s, 5.69 sizes per second.
    # f = 1 + 5 * 5.69 = 29.46 Hz, and the lag is v / (2 pi f) = 1.94 px.
    smoother, ids = PoseSmoother(fps=30, min_cutoff=1, beta=5), np.array([1])
    for t in range(90):
        found = person(100 + 12 * t)
        shown = smoother(found, ids)
    lag = found.keypoints - shown.keypoints
    speed = 360 / np.sqrt(4000)
    np.testing.assert_allclose(lag[..., 0], 360 / (2 * np.pi * (1 + 5 * speed)), rtol=1e-3)
    np.testing.assert_allclose(lag[..., 1], 0, atol=1e-3)


def test_smoothing_keeps_people_apart_and_leaves_everything_else() -> None:
    smoother = PoseSmoother()
    a, b = person(100), person(500)
    smoother(together(a, b), np.array([7, 4]))
    moved = together(person(503), person(100), person(900))
    shown = smoother(moved, np.array([4, 7, -1]))
    assert 500 < shown.keypoints[0, 1, 0] < 503
    np.testing.assert_array_equal(shown.keypoints[1:], moved.keypoints[1:])
    np.testing.assert_array_equal(shown.boxes, moved.boxes)
    assert moved.keypoints[0, 1, 0] == 503


def test_somebody_who_comes_back_is_not_dragged_from_where_they_left() -> None:
    smoother, ids = PoseSmoother(), np.array([1])
    smoother(person(100), ids)
    smoother(Poses.empty(3), ids[:0])
    np.testing.assert_array_equal(smoother(person(400), ids).keypoints, person(400).keypoints)


def test_a_point_that_was_no_number_once_is_one_again() -> None:
    smoother, ids = PoseSmoother(), np.array([1])
    lost = person(100)
    lost.keypoints[0, 0] = np.nan
    for found in (person(100), lost, person(100), person(100)):
        shown = smoother(found, ids)
    np.testing.assert_allclose(shown.keypoints, person(100).keypoints)


# Wrong input


def test_a_skeleton_without_sigmas_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"must have an OKS sigma for each of its 2 keypoints.* got none; add them"):
        PoseTracker(Skeleton(("a", "b")))


def test_poses_of_another_skeleton_are_refused() -> None:
    with pytest.raises(DataError, match="must have the 3 keypoints of the skeleton; got 17"):
        PoseTracker(SKELETON).update(Poses.empty(17))


def test_a_box_that_is_no_number_is_refused() -> None:
    broken = person(100)
    broken.boxes[0, 0] = np.nan
    with pytest.raises(DataError, match="boxes must be finite"):
        PoseTracker(SKELETON).update(broken)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"sure": 1.5}, "sure must be from 0 to 1; got 1.5"),
        ({"match": 0.0}, "match must be from 0.01 to 1; got 0.0"),
        ({"oks": float("nan")}, "oks must be from 0 to 1; got nan"),
        ({"begin": 0}, "begin must be at least 1; got 0"),
        ({"keep": -1}, "keep must be at least 0; got -1"),
    ],
)
def test_settings_out_of_range_are_refused(words: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TrackSettings(**words)


@pytest.mark.parametrize("words", [{"fps": 0}, {"min_cutoff": 0}, {"beta": -1}])
def test_smoothing_out_of_range_is_refused(words: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="smoothing: fps and min_cutoff must be above 0"):
        PoseSmoother(**words)


def test_following_needs_numpy_alone() -> None:
    code = "import sys, pose_data; pose_data.PoseTracker, pose_data.PoseSmoother\nprint('cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
