"""How memory is asked for: changed for an evaluation and for no longer."""

import gc

import numpy as np
import pytest
from pose_eval import memory
from pose_eval.memory import small_pages, without_garbage_collection


def test_garbage_is_collected_again_afterwards():
    with without_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="could not convert"), without_garbage_collection():
        float("oops")
    assert gc.isenabled()


def test_numpy_asks_for_pages_as_before_afterwards(monkeypatch):
    asked = [True]

    def switch(value):
        asked.append(value)
        return asked[-2]

    monkeypatch.setattr(memory, "_find_switch", lambda: switch)
    with small_pages():
        assert asked == [True, False]
    assert asked == [True, False, True]
    with pytest.raises(ValueError, match="could not convert"), small_pages():
        float("oops")
    assert asked == [True, False, True, False, True]


def test_a_numpy_without_the_switch_does_as_well(monkeypatch):
    monkeypatch.setattr(memory, "_find_switch", lambda: None)
    with small_pages():
        assert np.ones(1 << 20).sum() == 1 << 20


def test_the_switch_of_this_numpy_is_found():
    switch = memory._find_switch()
    assert switch is not None
    before = switch(False)
    assert switch(before) is False
