"""Faults that conversions can have, put into what the weights that come along find: 8 bit's bounds refuse each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_cli.models import shipped_weights
from pose_data import DrawnPeople, ModelCard, Predictor
from pose_export import find_misses
from pose_export.contracts import count_cells
from pose_export.parity import Run, compare_runs, run_images
from pose_nn import TorchRuntime, load_checkpoint

Rows = NDArray[np.float32]

SIZE = 320  # what their card says
CELLS = count_cells((SIZE, SIZE), stride=32)
LAST_LEVEL = slice(CELLS[0] + CELLS[1], None)
POINTS = slice(5, None)  # after a box and the score of one class


def exchange_x_and_y(rows: Rows) -> None:
    rows[:, 5::3], rows[:, 6::3] = rows[:, 6::3].copy(), rows[:, 5::3].copy()


def exchange_sides_of_large_people(rows: Rows) -> None:
    points = rows[LAST_LEVEL, POINTS].reshape(-1, 17, 3)
    points[:, 1:] = points[:, 1:].reshape(-1, 8, 2, 3)[:, :, ::-1].reshape(-1, 16, 3)
    rows[LAST_LEVEL, POINTS] = points.reshape(len(points), -1)


def lose_keypoints_of_large_people(rows: Rows) -> None:
    rows[LAST_LEVEL, 5::3], rows[LAST_LEVEL, 6::3] = rows[LAST_LEVEL, :1], rows[LAST_LEVEL, 1:2]


def lose_one_keypoint_of_large_people(rows: Rows) -> None:
    rows[LAST_LEVEL, -3:-1] = 0


def move_boxes_of_large_people(rows: Rows) -> None:
    rows[LAST_LEVEL, 0] += 32


def order_small_people_by_column(rows: Rows) -> None:
    side = int(CELLS[0] ** 0.5)
    small = rows[: CELLS[0]].reshape(side, side, -1)
    rows[: CELLS[0]] = small.swapaxes(0, 1).reshape(CELLS[0], -1).copy()


def forget_sigmoid_of_keypoints(rows: Rows) -> None:
    scores = np.clip(rows[:, 7::3], 1e-6, 1 - 1e-6)
    rows[:, 7::3] = np.log(scores / (1 - scores))


def give_one_score_to_all_keypoints(rows: Rows) -> None:
    rows[:, 7::3] = 0.5


def turn_scores_of_keypoints(rows: Rows) -> None:
    rows[:, 7::3] = 1 - rows[:, 7::3]


def halve_scores_of_classes(rows: Rows) -> None:
    rows[:, 4] /= 2


def give_boxes_by_their_corner(rows: Rows) -> None:
    rows[:, :2] -= rows[:, 2:4] / 2


def give_half_of_the_anchors_twice(rows: Rows) -> None:
    rows[len(rows) // 2 :] = rows[: len(rows) - len(rows) // 2]


FAULTS = (
    exchange_x_and_y,
    exchange_sides_of_large_people,
    lose_keypoints_of_large_people,
    lose_one_keypoint_of_large_people,
    move_boxes_of_large_people,
    order_small_people_by_column,
    forget_sigmoid_of_keypoints,
    give_one_score_to_all_keypoints,
    turn_scores_of_keypoints,
    halve_scores_of_classes,
    give_boxes_by_their_corner,
    give_half_of_the_anchors_twice,
)


class Again:
    """A runtime that gives the outputs of an earlier run once more."""

    def __init__(self, rows: tuple[Rows, ...], card: ModelCard) -> None:
        self.card = card
        self._rows = iter(rows)

    def __call__(self, images: NDArray[np.uint8]) -> Rows:
        return np.stack([next(self._rows).T for _ in images])


@pytest.fixture(scope="module")
def found() -> tuple[Run, list[NDArray[np.uint8]], ModelCard]:
    """What the network makes of four drawn images."""
    checkpoint = load_checkpoint(shipped_weights())
    samples = DrawnPeople(4, size=SIZE, seed=20)
    images = [samples[index].image for index in range(4)]
    runtime = TorchRuntime(checkpoint.net, checkpoint.card)
    return run_images(runtime, images, checkpoint.card), images, checkpoint.card


def spoil(found: tuple[Run, list[NDArray[np.uint8]], ModelCard], fault: Callable[[Rows], None]) -> tuple[str, ...]:
    """Put a fault into every image's outputs, and give what the bounds of 8 bit say of it."""
    expected, images, card = found
    rows = tuple(one.copy() for one in expected.rows)
    for one in rows:
        fault(one)
    poses = Predictor(Again(rows, card)).predict_batch(images)
    return find_misses(compare_runs(expected, Run(rows, tuple(poses), expected.cells), card), "int8")


def test_without_a_fault_nothing_is_missed(found: tuple[Run, list[NDArray[np.uint8]], ModelCard]) -> None:
    assert found[0].cells == (CELLS,) * 4
    assert spoil(found, lambda rows: None) == ()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_fault_is_refused(found: tuple[Run, list[NDArray[np.uint8]], ModelCard], fault: Callable[[Rows], None]) -> None:
    assert spoil(found, fault)
