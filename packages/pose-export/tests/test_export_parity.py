"""The figures of the gate, worked out by hand, and the bounds that they are held against."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ModelCard, Poses
from pose_export import find_misses
from pose_export.parity import LargestDifferences, Parity, Run, compare_runs

SAME = LargestDifferences((64, 16, 4), box=0.0, score=0.0)
PERFECT = Parity(
    images=1,
    anchors=1,
    largest=(SAME,),
    box_mean=0.0,
    score_mean=0.0,
    class_scores_within=1.0,
    keypoint_scores_within=1.0,
    within=(1.0, 1.0, 1.0),
    weakest=1.0,
    everywhere=0.0,
    people=2,
    people_matched=2,
    people_within=(1.0, 1.0, 1.0),
)


def make_run(raw: NDArray[np.float32], *people: Poses) -> Run:
    """One call, and one image per Poses; 84 anchors are those of a square of 64 pixels."""
    cells = (64, 16, 4) if raw.shape[2] == 84 else (raw.shape[2],)
    return Run((raw.transpose(0, 2, 1).reshape(-1, raw.shape[1]),), people, (cells,))


def person(*, x: float = 0.0, label: int = 0) -> Poses:
    """One person, 20 wide and 40 high, with three points, moved to the right by x."""
    return Poses(
        boxes=np.array([[10 + x, 10, 30 + x, 50]], np.float32),
        scores=np.array([0.9], np.float32),
        labels=np.array([label]),
        keypoints=np.array([[[15 + x, 15], [20 + x, 30], [25 + x, 45]]], np.float32),
        keypoint_scores=np.ones((1, 3), np.float32),
    )


def test_same_outputs_differ_by_nothing(card: ModelCard, planted: NDArray[np.float32]) -> None:
    parity = compare_runs(make_run(planted, person()), make_run(planted, person()), card)
    assert (parity.box_max, parity.score_max, parity.everywhere) == (0.0, 0.0, 0.0)
    assert parity.within == (1.0, 1.0, 1.0)
    assert find_misses(parity, "float32") == ()


def test_moved_box_is_measured_at_its_corners(card: ModelCard, planted: NDArray[np.float32]) -> None:
    moved = planted.copy()
    moved[0, :4, 10] += [2, 0, 2, 0]  # two to the right and two wider: left edge +1, right edge +3
    parity = compare_runs(make_run(planted, person()), make_run(moved, person()), card)
    assert parity.box_max == 3.0
    assert parity.everywhere == pytest.approx(2 / 44)  # the largest coordinate is 44


def test_keypoints_are_counted_by_distance(card: ModelCard, planted: NDArray[np.float32]) -> None:
    sure = np.repeat(planted[:, :, 10:11], 84, axis=2)  # the same person at every anchor: 252 keypoints
    moved = sure.copy()
    moved[0, 5, :] += 1.5
    moved[0, 8, :] += 3.0
    moved[0, 9, :] += 4.0  # the second point moved by (3, 4), which is 5 pixels
    parity = compare_runs(make_run(sure, person()), make_run(moved, person()), card)
    assert parity.within == pytest.approx((1 / 3, 2 / 3, 2 / 3))


def test_scores_of_classes_and_keypoints_are_both_compared(card: ModelCard, planted: NDArray[np.float32]) -> None:
    changed = planted.copy()
    changed[0, 4, 10] -= 0.25
    changed[0, 7, 10] -= 0.5
    parity = compare_runs(make_run(planted, person()), make_run(changed, person()), card)
    assert parity.score_max == pytest.approx(0.5)
    assert parity.class_scores_within == 1.0  # a quarter is the most that counts as the same
    assert parity.keypoint_scores_within == pytest.approx(1 - 1 / (84 * 3))


@pytest.mark.parametrize("level", [slice(0, 64), slice(64, 80), slice(80, 84)], ids=["finest", "middle", "coarsest"])
@pytest.mark.parametrize("row", [0, 8], ids=["box", "keypoint"])
def test_a_level_that_lost_a_side_or_a_keypoint_is_refused_in_8_bit(
    card: ModelCard, planted: NDArray[np.float32], level: slice, row: int
) -> None:
    lost = planted.copy()
    lost[0, row, level] += 5
    assert find_misses(compare_runs(make_run(planted, person()), make_run(planted, person()), card), "int8") == ()
    misses = find_misses(compare_runs(make_run(planted, person()), make_run(lost, person()), card), "int8")
    assert [miss for miss in misses if "weakest side or keypoint of a level has 0.00%" in miss]


def test_weakest_is_counted_over_all_images(card: ModelCard, planted: NDArray[np.float32]) -> None:
    lost = planted.copy()
    lost[0, 8, 80:] += 5
    once, twice = (make_run(raw, person()) for raw in (lost, planted))
    found = Run(once.rows + twice.rows, once.poses + twice.poses, once.cells + twice.cells)
    expected = Run(twice.rows * 2, twice.poses * 2, twice.cells * 2)
    assert compare_runs(expected, found, card).weakest == 0.5


def test_a_file_that_selects_has_no_levels(card: ModelCard, planted: NDArray[np.float32]) -> None:
    selected = make_run(planted[:, :, :20], person())
    assert compare_runs(make_run(planted, person()), selected, replace(card, contract="nms")).weakest == 1.0


def test_a_file_that_selects_says_the_score_of_the_best_class_alone(card: ModelCard) -> None:
    two = replace(card, names=("person", "horse"), contract="nms")
    raw = np.ones((1, two.channels, 84), np.float32)
    raw[0, 4:6] = [[0.4], [0.6]]
    selected = raw[:, :, :20].copy()
    selected[0, 4] = 0
    assert compare_runs(make_run(raw, person()), make_run(selected, person()), two).score_max == 0
    selected[0, 4:6] = [[0.6], [0]]  # the other class
    assert compare_runs(make_run(raw, person()), make_run(selected, person()), two).score_max == pytest.approx(0.6)


def test_a_file_that_selects_nobody_is_a_miss_and_no_crash(card: ModelCard, planted: NDArray[np.float32]) -> None:
    nobody = make_run(np.zeros((1, 14, 20), np.float32), Poses.empty(3))
    parity = compare_runs(make_run(planted, person()), nobody, replace(card, contract="nms"))
    assert (parity.anchors, parity.people, parity.people_matched) == (0, 1, 0)
    assert find_misses(parity, "float32")


def test_person_that_only_the_file_sees_matters(card: ModelCard, planted: NDArray[np.float32]) -> None:
    raw = np.zeros((1, 14, 300), np.float32)
    raw[0, 4, :100] = 0.01  # the best hundred, which are compared in any case
    ghost = raw.copy()
    ghost[0, 4, 200] = 0.9
    parity = compare_runs(make_run(raw, person()), make_run(ghost, person()), card)
    assert parity.anchors == 101
    assert parity.score_max == pytest.approx(0.9)


def test_a_number_that_is_none_is_a_miss(card: ModelCard, planted: NDArray[np.float32]) -> None:
    broken = planted.copy()
    broken[0, 0, 10] = np.nan
    parity = compare_runs(make_run(planted, person()), make_run(broken, person()), card)
    assert parity.box_max == np.inf
    assert find_misses(parity, "float16")


def test_people_are_matched_by_place_and_label(card: ModelCard, planted: NDArray[np.float32]) -> None:
    found = compare_runs(make_run(planted, person()), make_run(planted, person(x=0.5)), card)
    assert (found.people, found.people_matched, found.people_within) == (2, 2, (1.0, 1.0, 1.0))
    elsewhere = compare_runs(make_run(planted, person()), make_run(planted, person(x=15)), card)
    assert (elsewhere.people, elsewhere.people_matched) == (2, 0)
    other = compare_runs(make_run(planted, person()), make_run(planted, person(label=1)), card)
    assert other.people_matched == 0


def test_person_that_only_one_side_finds_is_counted(card: ModelCard, planted: NDArray[np.float32]) -> None:
    lost = compare_runs(make_run(planted, person()), make_run(planted, Poses.empty(3)), card)
    invented = compare_runs(make_run(planted, Poses.empty(3)), make_run(planted, person()), card)
    assert (lost.people_share, invented.people_share) == (0.0, 0.0)


def test_nobody_in_the_image_is_fine(card: ModelCard, planted: NDArray[np.float32]) -> None:
    parity = compare_runs(make_run(planted, Poses.empty(3)), make_run(planted, Poses.empty(3)), card)
    assert (parity.people, parity.people_share) == (0, 1.0)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_file_that_selects_and_finds_nobody_is_not_called_equal(
    card: ModelCard, planted: NDArray[np.float32], dims: int
) -> None:
    selecting = replace(card, contract="nms", keypoint_dims=dims)
    raw = planted[:, : selecting.channels]
    nobody = make_run(np.zeros((1, selecting.channels, 300), np.float32), Poses.empty(3))
    parity = compare_runs(make_run(raw, Poses.empty(3)), nobody, selecting)
    assert (parity.anchors, parity.compared) == (0, False)
    assert parity.to_text() == "1 images: nothing, for nobody was found in them"
    assert find_misses(compare_runs(make_run(raw, person()), nobody, selecting), "float32")  # the network found one


def test_keypoints_without_scores_are_compared_too(card: ModelCard) -> None:
    flat = replace(card, keypoint_dims=2)
    raw = np.ones((1, 11, 84), np.float32)
    assert compare_runs(make_run(raw, person()), make_run(raw, person()), flat).within == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("parity", "words"),
    [
        (replace(PERFECT, largest=(replace(SAME, box=3.217),)), r"boxes differ by up to 3\.22 px \(at most 0\.1\)"),
        (replace(PERFECT, largest=(replace(SAME, score=0.5),)), r"scores differ by up to 0\.5 \(at most 0\.001\)"),
        (replace(PERFECT, score_mean=0.02), r"scores differ by 0\.02 on average \(at most 0\.0001\)"),
        (replace(PERFECT, class_scores_within=0.9), r"class scores within 0\.25 are 90\.00% \(at least 100\.0%\)"),
        (replace(PERFECT, keypoint_scores_within=0.5), r"keypoint scores within 0\.25 are 50\.00%"),
        (replace(PERFECT, weakest=0.5), r"weakest side or keypoint of a level has 50\.00% \(at least 100\.0%\)"),
        (replace(PERFECT, within=(0.9, 1.0, 1.0)), r"keypoints within 1 px are 90\.00% \(at least 100\.0%\)"),
        (replace(PERFECT, people=10, people_matched=5), r"people found by both are 50\.0% \(at least 95\.0%\)"),
        (replace(PERFECT, ap_expected=0.61, ap=0.60), r"AP drops by 0\.0100 \(at most 0\.001\)"),
        (replace(PERFECT, box_mean=float("nan")), r"boxes differ by nan px"),
    ],
)
def test_missed_bound_is_named_with_both_figures(parity: Parity, words: str) -> None:
    (miss,) = find_misses(parity, "float32")
    assert __import__("re").search(words, miss)


def largest(*scores: float, boxes: float = 0.0, cells: tuple[int, ...] = SAME.cells) -> tuple[LargestDifferences, ...]:
    """An image for each score."""
    return tuple(LargestDifferences(cells, box=boxes * score, score=score) for score in scores)


@pytest.mark.parametrize(("images", "bad", "refused"), [(7, 1, True), (8, 1, False), (15, 2, True), (16, 2, False)])
def test_in_8_bit_one_image_of_eight_may_differ_by_more(images: int, bad: int, refused: bool) -> None:
    scores = (0.6,) * bad + (0.3,) * (images - bad)
    parity = replace(PERFECT, largest=largest(*scores))
    assert bool(find_misses(parity, "int8")) == refused
    assert find_misses(parity, "float16")
    boxes = replace(PERFECT, largest=tuple(replace(image, score=0.0) for image in largest(*scores, boxes=200)))
    assert bool(find_misses(boxes, "int8")) == refused


def test_a_miss_says_that_images_were_spared() -> None:
    parity = replace(PERFECT, largest=largest(0.9, 0.8, *(0.1,) * 6))
    assert find_misses(parity, "int8") == ("scores differ by up to 0.8 in most images (at most 0.5)",)


def test_an_image_of_another_size_is_not_spared() -> None:
    parity = replace(PERFECT, largest=(*largest(*(0.1,) * 16), *largest(0.9, cells=(128, 32, 8))))
    assert find_misses(parity, "int8") == ("scores differ by up to 0.9 in most images (at most 0.5)",)
    two = replace(PERFECT, largest=(*parity.largest, *largest(0.1, cells=(128, 32, 8))))
    assert find_misses(two, "int8") == ()
    others = replace(PERFECT, largest=(*parity.largest, *largest(0.1, cells=(96, 24, 6))))  # each alone in its size
    assert find_misses(others, "int8") == ()


def test_images_with_nobody_in_them_spare_none(card: ModelCard, planted: NDArray[np.float32]) -> None:
    nobody = replace(card, contract="nms")
    empty = np.zeros((1, 4, planted.shape[1]), np.float32)
    found = Run((*empty,) * 16, (person(),) * 16, ((64, 16, 4),) * 16)
    expected = Run(tuple(np.repeat(planted.transpose(0, 2, 1), 16, axis=0)), found.poses, found.cells)
    assert compare_runs(expected, found, nobody).left_out == 0


def test_largest_differences_are_those_of_each_image(card: ModelCard, planted: NDArray[np.float32]) -> None:
    moved = planted.copy()
    moved[:, 0] += 3
    both = [np.concatenate([a, b]) for a, b in ((planted, planted), (planted, moved))]
    runs = [Run(tuple(rows.transpose(0, 2, 1)), (person(), person()), ((64, 16, 4),) * 2) for rows in both]
    parity = compare_runs(*runs, card)
    assert [image.box for image in parity.largest] == pytest.approx([0.0, 3.0])
    assert [image.score for image in parity.largest] == [0.0, 0.0]
    assert parity.box_max == pytest.approx(3.0)


def test_figures_fit_in_one_line() -> None:
    text = replace(PERFECT, largest=(replace(SAME, box=0.000123),), ap=0.5, ap_expected=0.5).to_text()
    assert "boxes 0.00012 px at most" in text
    assert "AP 0.5000" in text
    assert "\n" not in text


def test_figures_say_what_most_images_keep() -> None:
    text = replace(PERFECT, images=8, largest=largest(0.7, *(0.2,) * 7, boxes=100)).to_text()
    assert "boxes 70 px at most, 0 on average (20 at most in most images); scores 0.7 at most" in text
