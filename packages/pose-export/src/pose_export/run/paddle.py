"""Run Paddle inference models with Paddle."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import ModelCard, Runtime

from pose_export.card import FileShape, settle_card
from pose_export.options import RunOptions
from pose_export.run.file import FileRuntime
from pose_export.run.inputs import make_input
from pose_export.run.paddle_engine import PaddleEngine
from pose_export.run.piped import PipedNetwork
from pose_export.sidecar import read_sidecar


class PaddleRuntime(FileRuntime):
    """A Paddle inference model; satisfies `pose_data.Runtime`.

    Paddle crashes in a process that has imported TensorFlow. There it gets a process of its own.

    Args:
        path: the folder.
        threads: CPU threads; all cores when None.
        card: what the network is, for a folder that doesn't say it.

    Raises:
        ExportError: the folder is damaged, has no card, or isn't what its card says.
    """

    runner = "Paddle, CPU"

    def __init__(self, path: Path, *, threads: int | None = None, card: ModelCard | None = None) -> None:
        source = str(path)
        metadata = read_sidecar(path)
        self._network = _open_network(path, threads=threads or _count_cores(), source=source)
        batch, _, height, width = self._network.input
        shape = FileShape(batch, height, width, tuple(self._network.outputs.values()))
        settled = settle_card(card, metadata, shape, source=source)
        super().__init__(source=source, card=settled, batch=shape.batch)

    def _run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        return list(self._network(make_input(images)).values())


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load a Paddle inference model.

    Raises:
        ExportError: it can't be read, has no card, or isn't what its card says.
    """
    return PaddleRuntime(path, threads=options.threads, card=options.card)


def _open_network(path: Path, *, threads: int, source: str) -> PaddleEngine | PipedNetwork:
    if "tensorflow" in sys.modules and "paddle" not in sys.modules:
        command = [sys.executable, "-m", "pose_export.run.paddle_engine", str(path.resolve()), str(threads)]
        return PipedNetwork(command, source=source)
    return PaddleEngine(path, threads=threads)


def _count_cores() -> int:
    """Cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
