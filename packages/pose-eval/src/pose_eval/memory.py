"""How Python and malloc behave while much memory comes and goes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
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
    core = getattr(np, "_core", None) or getattr(np, "core", None)
    switch = getattr(getattr(core, "multiarray", None), "_set_madvise_hugepage", None)  # it has no public name
    before = switch(False) if switch else None
    try:
        yield
    finally:
        if switch:
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
