"""Ctrl-C that waits for the end of a step."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SAME_PRESS = 1.0  # seconds in which a launcher may pass on what the terminal has sent already


class Interrupts:
    """Whether somebody has pressed Ctrl-C; a second time ends the run at once."""

    def __init__(self) -> None:
        self.asked = False
        self._first = 0.0

    def note(self, _signal: int, _frame: FrameType | None) -> None:
        """Take a signal: remember the first, raise at the second."""
        if not self.asked:
            self.asked, self._first = True, time.monotonic()
        elif time.monotonic() - self._first > SAME_PRESS:
            raise KeyboardInterrupt


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Note Ctrl-C rather than raise it, until the block ends.

    Only where Python's own handler is in place, in the main thread: whoever has set another one keeps it.
    """
    interrupts = Interrupts()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts.note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
