"""A network in another process: numbers go in and come out by pipes."""

from __future__ import annotations

import json
import subprocess
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError

_WAIT = 5.0  # seconds that a process gets to end by itself


class MissingPackageError(ExportError):
    """The program lacks a package of its own language."""


class PipedNetwork:
    """A program that says in one line of JSON what its network is, and then answers input after input.

    Args:
        command: the program and its arguments.
        source: the file, for messages.

    Raises:
        MissingPackageError: it says that it lacks one.
        ExportError: it doesn't start, or says why it can't run the file.
    """

    def __init__(self, command: Sequence[str], *, source: str) -> None:
        self._source = source
        self._name = Path(command[0]).name
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors)
        self.stop = weakref.finalize(self, _stop, self._process, self._errors)
        self.header: Mapping[str, object] = self._read_header()

    @property
    def input(self) -> tuple[int, ...]:
        """Shape of the input."""
        shape = self.header["input"]
        assert isinstance(shape, list)
        return tuple(shape)

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself, where the program has read it."""
        metadata = self.header.get("metadata", {})
        assert isinstance(metadata, dict)
        return {str(key): str(value) for key, value in metadata.items()}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each output, in the order in which they come."""
        outputs = self.header["outputs"]
        assert isinstance(outputs, dict)
        return {name: tuple(shape) for name, shape in outputs.items()}

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Run the network.

        Args:
            pixels: in the shape of its input.

        Raises:
            ExportError: the program has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(pixels, dtype="<f4").tobytes())
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error
        return {name: self._read_array(shape) for name, shape in self.outputs.items()}

    def _read_header(self) -> Mapping[str, object]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            header = json.loads(line)
        except ValueError as error:
            raise self._ended(f"see whether {self._name} is recent enough") from error
        if "error" in header:
            if header.get("missing"):
                raise MissingPackageError(str(header["error"]))
            way_out = (
                "export it again" if header.get("started", True) else f"install {self._name} and its packages again"
            )
            raise ExportError(f"{self._source}: can't be run: {header['error']}; {way_out}")
        return dict(header)

    def _read_array(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        assert self._process.stdout is not None
        length = 4 * int(np.prod(shape))
        content = self._process.stdout.read(length)
        if len(content) != length:
            raise self._ended()
        return np.frombuffer(content, "<f4").reshape(shape).astype(np.float32)

    def _ended(self, way_out: str = "try it again") -> ExportError:
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        words = said[-1] if said else "nothing"
        return ExportError(f"{self._source}: {self._name} has ended; it said: {words}; {way_out}")


def _stop(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    """Close the pipes, which ends the program; kill it if it stays."""
    if process.stdin is not None:
        with suppress(OSError):  # it has ended already
            process.stdin.close()
    try:
        process.wait(_WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
    errors.close()
