"""Long work that is counted, on the screen: bars in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pose_cli.console import messages

PLAIN_SECONDS = 10.0  # between two lines of the same work where there is no terminal

Say = Callable[[str, int, int], None]


@contextmanager
def work_shown(console: Console | None = None) -> Iterator[Say]:
    """Give a function that shows what is being done, how much of it and of how much, until the block ends."""
    console = console or messages()
    if not console.is_terminal:
        yield _PlainView(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield _BarView(progress)


class _BarView:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self.tasks:
            self.tasks[what] = self.progress.add_task(what, total=total)
        self.progress.update(self.tasks[what], completed=done, total=total)


class _PlainView:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.shown: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self.shown.get(what, now - PLAIN_SECONDS) < PLAIN_SECONDS:
            return
        self.shown[what] = now
        self.console.print(f"{what}: {100 * done // max(total, 1)} %", markup=False)
