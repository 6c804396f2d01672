"""Paddle's own runtime on one folder, in this process or as a program that answers by pipes.

    python -m pose_export.run.paddle_engine FOLDER THREADS

Paddle is imported inside a function: it mustn't be in a process that has imported TensorFlow.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError

_MODEL, _WEIGHTS = "model.json", "model.pdiparams"


class PaddleEngine:
    """A Paddle inference model of fixed shape.

    Args:
        path: the folder.
        threads: CPU threads.

    Raises:
        ExportError: Paddle can't read it.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No ccache found")  # nothing is compiled here
            from paddle import inference

        self._source = str(path)
        settings = inference.Config(str(path / _MODEL), str(path / _WEIGHTS))
        settings.disable_mkldnn()  # Paddle 3.3 can convert these networks for oneDNN, but not run them
        settings.disable_glog_info()
        settings.set_cpu_math_library_num_threads(threads)
        try:
            self._predictor = inference.create_predictor(settings)
            (name,) = self._predictor.get_input_names()
            self._input = self._predictor.get_input_handle(name)
            self.input: tuple[int, ...] = tuple(self._input.shape())
            found = self(np.zeros(self.input, np.float32))  # Paddle knows the shapes of outputs after a run
        except Exception as error:  # Paddle's errors share no base class of their own
            raise ExportError(
                f"{path}: must be a whole Paddle model with one input of fixed shape; "
                f"Paddle says: {_reason(error)}; export it again"
            ) from error
        self.outputs = {name: array.shape for name, array in found.items()}

    def __call__(self, planes: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Run the network.

        Args:
            planes: in the shape of its input.

        Raises:
            ExportError: a failure inside Paddle.
        """
        try:
            self._input.copy_from_cpu(planes)
            self._predictor.run()
            names = self._predictor.get_output_names()
            return {name: self._predictor.get_output_handle(name).copy_to_cpu() for name in names}
        except Exception as error:  # Paddle's errors share no base class of their own
            raise ExportError(f"{self._source}: Paddle can't run it: {_reason(error)}; export it again") from error


def serve(path: Path, *, threads: int) -> None:
    """Write what the network is in one line of JSON, then answer input after input from stdin."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever Paddle prints is no answer
    try:
        engine = PaddleEngine(path, threads=threads)
    except ExportError as error:
        header: dict[str, object] = {"error": str(error)}
        answers.write(json.dumps(header).encode() + b"\n")
        return
    answers.write(json.dumps({"input": engine.input, "outputs": engine.outputs}).encode() + b"\n")
    answers.flush()
    length = 4 * int(np.prod(engine.input))
    while len(content := sys.stdin.buffer.read(length)) == length:
        for array in engine(np.frombuffer(content, "<f4").reshape(engine.input)).values():
            answers.write(array.astype("<f4").tobytes())
        answers.flush()


def _reason(error: Exception) -> str:
    """The line of Paddle's long message that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line]
    return (telling or lines or [type(error).__name__])[-1]


if __name__ == "__main__":
    serve(Path(sys.argv[1]), threads=int(sys.argv[2]))
