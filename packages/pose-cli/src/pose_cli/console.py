"""Where the command line prints: results on stdout, progress and warnings on stderr."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleRenderable

_WIDE = 200  # columns where there is no terminal to ask, so that lines in a file aren't broken


@functools.cache
def results() -> Console:
    """The console of results, stdout."""
    return _make_console(stderr=False)


@functools.cache
def messages() -> Console:
    """The console of progress and warnings, stderr."""
    return _make_console(stderr=True)


def as_text(parts: Iterable[ConsoleRenderable]) -> str:
    """What the console would print, as plain text."""
    from rich.console import Console

    console = Console(width=_WIDE, highlight=False, color_system=None)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return capture.get()


def show_log() -> None:
    """Show what the pose libraries log, warnings and above, as single lines on stderr."""
    for package in ("pose_data", "pose_nn", "pose_train", "pose_eval", "pose_export", "pose_cli"):
        logger = logging.getLogger(package)
        if not any(isinstance(handler, _LineHandler) for handler in logger.handlers):
            logger.addHandler(_LineHandler(logging.WARNING))
        logger.propagate = False


def _make_console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, soft_wrap=True, width=_WIDE)


class _LineHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from rich.markup import escape

        style = "red" if record.levelno >= logging.ERROR else "yellow"
        messages().print(f"[{style}]{record.levelname.lower()}:[/]", escape(self.format(record)))
