"""Keeps from stderr what TensorFlow and LiteRT write there about themselves while a file is made or run."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

_STDERR = 2
# Lines that say nothing about what the user does. All others go through, whatever their source.
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IW]\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] "  # information and warnings of absl, with time and place
    rb"|To enable the following instructions:"  # the second line of one of them
    rb"|fully_quantize: "
    rb"|INFO: Created TensorFlow Lite \w+ delegate"
)


@contextmanager
def without_noise() -> Iterator[None]:
    """Drop noise that is written to file descriptor 2, by native code or by child processes.

    `sys.stderr` goes where it went before, past the filter. Does nothing where it is something else than descriptor 2.
    """
    if not _is_standard_error():
        yield
        return
    shown, encoding, errors = os.dup(_STDERR), sys.stderr.encoding, sys.stderr.errors
    source, sink = os.pipe()
    os.dup2(sink, _STDERR)
    os.close(sink)
    reader = threading.Thread(target=_pass_on, args=(source, shown), daemon=True)
    reader.start()
    try:
        with open(shown, "w", 1, encoding=encoding, errors=errors, closefd=False) as past, redirect_stderr(past):
            yield
    finally:
        os.dup2(shown, _STDERR)  # closes the pipe, unless a child that goes on has it
        reader.join(timeout=1)
        if not reader.is_alive():
            os.close(shown)


def _is_standard_error() -> bool:
    try:
        return sys.stderr.fileno() == _STDERR
    except (AttributeError, OSError, ValueError):  # no stderr, as in a windowed program, or a test's own
        return False


def _pass_on(source: int, target: int) -> None:
    with open(source, "rb") as lines:
        for line in lines:
            if not _NOISE.match(line):
                os.write(target, line)
