"""The orders that everything else rests on: exact, stable, for any numbers."""

import numpy as np
import pytest
from pose_eval.ranking import falling_order, place_in_run, stable_order


def draw(kind, rng, count):
    if kind == "ties":
        return np.round(rng.random(count), 1)
    if kind == "both zeros":
        return rng.choice([0.0, -0.0, 1.0], count)
    if kind == "last bits":
        return 1 + rng.integers(0, 4, count) * 2.0**-52
    if kind == "infinite":
        return rng.choice([np.inf, -np.inf, 0.5], count)
    return rng.normal(size=count) * 10.0 ** rng.integers(-300, 300, count)


@pytest.mark.parametrize("kind", ["ties", "both zeros", "last bits", "infinite", "all sizes"])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
def test_falling_order_is_that_of_a_stable_sort(kind, count):
    values = draw(kind, np.random.default_rng(count), count)
    assert np.array_equal(falling_order(values), np.argsort(-values, kind="stable"))


def test_nan_comes_last():
    assert falling_order(np.array([0.5, np.nan, 0.75])).tolist() == [2, 0, 1]


@pytest.mark.parametrize("most", [1, 300, 70_000, 5_000_000_000])
def test_stable_order_of_whole_numbers(most):
    keys = np.random.default_rng(0).integers(0, most, 2000)
    assert np.array_equal(stable_order(keys), np.argsort(keys, kind="stable"))


def test_entries_of_a_run_are_numbered_from_zero():
    assert place_in_run(np.array([0, 0, 0, 4, 7, 7])).tolist() == [0, 1, 2, 0, 0, 1]
