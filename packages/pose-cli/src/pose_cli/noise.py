"""Keeps from stderr what TensorFlow and LiteRT write there about themselves while a file is made or run."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path

_STDERR = 2
_FILTER = Path(__file__).with_name("noise_filter.py")
_WAIT = 1.0  # seconds that the last lines get


@contextmanager
def without_noise() -> Iterator[None]:
    """Drop noise that is written to file descriptor 2, by native code or by child processes.

    `sys.stderr` goes where it went before, past the filter. Does nothing where it is something else than descriptor 2.
    """
    process = _start_filter() if _is_standard_error() else None
    if process is None or process.stdin is None:
        yield
        return
    shown = os.dup(_STDERR)
    # What keeps this stream, such as a handler of logging, can use it after the end.
    past = open(shown, "w", 1, encoding=sys.stderr.encoding, errors=sys.stderr.errors, closefd=False)  # noqa: SIM115
    weakref.finalize(past, os.close, shown).atexit = False
    os.dup2(process.stdin.fileno(), _STDERR)
    process.stdin.close()
    try:
        with redirect_stderr(past):
            yield
    finally:
        os.dup2(shown, _STDERR)
        with suppress(subprocess.TimeoutExpired):  # a child that goes on has the pipe; the filter stays for it
            process.wait(_WAIT)


def _start_filter() -> subprocess.Popen[bytes] | None:
    """Start the filter; None where it can't be started, so that nothing is lost in it."""
    if not sys.executable or hasattr(sys, "frozen"):
        return None
    command = [sys.executable, "-I", "-S", str(_FILTER)]
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)
    except OSError:  # no process or memory left for it
        return None
    assert process.stdin is not None and process.stdout is not None
    with process.stdout as answers:
        if answers.readline():
            return process
    process.stdin.close()
    process.wait()  # it has ended: this Python needs more than its own path to start
    return None


def _is_standard_error() -> bool:
    try:
        return sys.stderr.fileno() == _STDERR
    except (AttributeError, OSError, ValueError):  # no stderr, as in a windowed program, or a test's own
        return False
