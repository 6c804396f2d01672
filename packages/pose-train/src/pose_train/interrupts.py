"""Ctrl-C and SIGTERM that wait for the end of a step."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

SAME_PRESS = 1.0  # seconds in which a launcher may pass on what the terminal or the scheduler has sent already
# A terminal sends the first; `kill` and the schedulers of clusters, some time before they kill, the second. A run is
# stopped by one of them where nobody has changed what it does.
UNCHANGED: Mapping[signal.Signals, Callable[[int, FrameType | None], object] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class Interrupts:
    """Whether somebody has pressed Ctrl-C or sent SIGTERM; a second time ends the run at once."""

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
    """Note Ctrl-C and SIGTERM rather than act on them, until the block ends.

    Only those that do what they do in any Python, in the main thread: whoever has set a handler keeps it.
    """
    interrupts = Interrupts()
    in_main = threading.current_thread() is threading.main_thread()
    noted = [one for one, usual in UNCHANGED.items() if in_main and signal.getsignal(one) is usual]
    for one in noted:
        signal.signal(one, interrupts.note)
    try:
        yield interrupts
    finally:
        for one in noted:
            signal.signal(one, UNCHANGED[one])
