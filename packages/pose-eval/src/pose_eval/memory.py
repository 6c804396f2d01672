"""How Python and malloc behave while much memory comes and goes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

_LARGE = 30 << 20  # bytes; malloc learns up to 32 MiB


def keep_freed_memory() -> None:
    """Let glibc's malloc keep the memory of arrays for the next ones; elsewhere nothing changes.

    It gives large arrays back to the system page by page until it has seen one as large freed. Those of an evaluation
    come and go by the hundred, and getting their pages again costs a fifth of the time.
    """
    np.empty(_LARGE, np.uint8)


@contextmanager
def small_pages() -> Iterator[None]:
    """Take ordinary pages of memory for new arrays.

    numpy asks the system for huge ones from 4 MB on. Where none is at hand, as in a virtual machine, making one takes
    milliseconds: a third of the time of a large evaluation.
    """
    switch = _find_switch() or (lambda asked: asked)
    before = switch(False)
    try:
        yield
    finally:
        switch(before)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Hold Python's search for cycles off: it would go through millions of fresh values and take twice the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _find_switch() -> Callable[[bool], bool] | None:
    """Find numpy's own switch, which has no public name and moved in numpy 2."""
    modules = (sys.modules.get(name) for name in ("numpy._core.multiarray", "numpy.core.multiarray"))
    return next((switch for one in modules if (switch := getattr(one, "_set_madvise_hugepage", None))), None)
