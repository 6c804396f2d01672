"""The one way in and out of a network, wherever it was loaded from."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pose_data.card import ModelCard


class Runtime(Protocol):
    """A network: torch, ONNX Runtime, OpenVINO, a stub in a test."""

    @property
    def card(self) -> ModelCard:
        """What the network is."""
        ...

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            images: (B, H, W, 3) uint8 RGB, letterboxed.

        Returns:
            (B, 4 + C + D K, A) float32: boxes cxcywh pixels of the input, C scores, then per keypoint
            x, y (pixels of the input) and, with D = 3, its score.
        """
        ...


def describe_runtime(runtime: Runtime) -> str:
    """Say what runs a network and on what, such as "ONNX Runtime, CPUExecutionProvider".

    Returns:
        What the runtime's own `runs_on` says; the name of its class where it has none.
    """
    return str(getattr(runtime, "runs_on", type(runtime).__name__))
