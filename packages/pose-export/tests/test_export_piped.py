"""A network in another process, with a few lines of Python in its place."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pose_data import ExportError
from pose_export.run.piped import MissingPackageError, PipedNetwork

HEADER = 'print(\'{"input": [1, 2], "outputs": {"double": [2], "first": [1]}}\', flush=True)'
DOUBLE = f"""
import sys, array
{HEADER}
while len(content := sys.stdin.buffer.read(8)) == 8:
    numbers = array.array("f", content)
    sys.stdout.buffer.write(array.array("f", [2 * numbers[0], 2 * numbers[1], numbers[0]]).tobytes())
    sys.stdout.buffer.flush()
"""


def start(code: str) -> PipedNetwork:
    return PipedNetwork([sys.executable, "-c", code], source="best_web_model")


def test_every_input_gets_its_outputs() -> None:
    network = start(DOUBLE)
    for first in (1.0, 3.0):
        found = network(np.array([[first, 5]], np.float32))
        np.testing.assert_array_equal(found["double"], [2 * first, 10])
        np.testing.assert_array_equal(found["first"], [first])
    network.stop()


def test_process_ends_with_its_network() -> None:
    network = start(DOUBLE)
    process = network._process
    network.stop()
    assert process.returncode == 0


def test_program_says_why_it_cannot_run_the_file() -> None:
    with pytest.raises(ExportError, match=r"best_web_model: can't be run: no such operation; export it again"):
        start('print(\'{"error": "no such operation"}\')')


def test_program_that_lacks_a_package_is_told_from_one_that_fails() -> None:
    with pytest.raises(MissingPackageError, match=r"^Cannot find module 'tfjs'$"):
        start('print(\'{"error": "Cannot find module \\\'tfjs\\\'", "missing": true}\')')
    with pytest.raises(ExportError) as refused:
        start('print(\'{"error": "no memory for WebAssembly", "missing": false}\')')
    assert not isinstance(refused.value, MissingPackageError)


def test_program_that_dies_at_the_start_is_quoted() -> None:
    with pytest.raises(ExportError, match=r"best_web_model: python\S* has ended; it said: nobody is here"):
        start("import sys; sys.exit('nobody is here')")


def test_program_that_dies_later_is_quoted() -> None:
    network = start(f"import sys; {HEADER}; sys.stdin.buffer.read(8); sys.exit('gone')")
    with pytest.raises(ExportError, match=r"has ended; it said: gone"):
        network(np.zeros((1, 2), np.float32))
    network.stop()
