"""What all runtimes of files have in common: checks, batches, and the way back to the raw contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard

from pose_export.card import WRONG_CARD
from pose_export.contracts import to_raw
from pose_export.run.inputs import check_images, check_outputs, run_in_batches


class ElsewhereError(ExportError):
    """A file that is whole and that another machine runs."""


class FileRuntime(ABC):
    """A file of fixed or free size and of any output contract; satisfies `pose_data.Runtime`.

    Args:
        source: the file, for messages.
        card: of the file, settled by `card.settle_card`.
        batch: images per call; any number when None.
    """

    runner: ClassVar[str]  # the program that runs it, and on what, where that is always the same

    def __init__(self, *, source: str, card: ModelCard, batch: int | None) -> None:
        self._source = source
        self._file_card = card
        self._card = replace(card, contract="raw")
        self._batch = batch

    @property
    def card(self) -> ModelCard:
        """What the network is, for those who call it: always of contract "raw"."""
        return self._card

    @property
    def file_card(self) -> ModelCard:
        """What the file says of itself, with the contract of the file."""
        return self._file_card

    @property
    def runs_on(self) -> str:
        """What runs it and on what, such as "ONNX Runtime, CPUExecutionProvider"."""
        return self.runner

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            images: (B, H, W, 3) uint8 RGB, letterboxed. Any B: a file of a fixed batch is called as
                often as it takes.

        Returns:
            (B, 4 + C + D K, A) float32, in pixels of the input, whatever the contract of the file.

        Raises:
            ExportError: images of another size than the file takes, or a failure inside the runtime.
        """
        size = None if self._card.dynamic else self._card.imgsz
        check_images(images, size=size, stride=self._card.stride, source=self._source)
        if not len(images):
            return np.zeros((0, self._card.channels, 0), np.float32)
        return run_in_batches(self._call, images, batch=self._batch)

    def check_card_by_running(self) -> None:
        """Hold the card against what the file makes of black images, for files that don't say their shapes.

        Raises:
            ExportError: it can't be run as its card says, or returns something else.
        """
        side = self._card.stride
        height, width = (side, side) if self._card.dynamic else self._card.imgsz
        images = np.zeros((self._batch or 1, height, width, 3), np.uint8)
        try:
            outputs = self._run(images)
        except ExportError as error:
            reason, count = str(error).removeprefix(f"{self._source}: ").split(";")[0], len(images)
            raise ExportError(
                f"{self._source}: its card promises {height}x{width} and batch {count}, but {reason}; {WRONG_CARD}"
            ) from error
        check_outputs(outputs, self._file_card, batch=len(images), size=(height, width), source=self._source)

    @abstractmethod
    def _run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        """Run one call.

        Args:
            images: (batch, H, W, 3) uint8, checked.

        Returns:
            The outputs of the file as its contract has them, in the order of `contracts.output_shapes`.
            They belong to the caller: memory that the next call overwrites is copied.

        Raises:
            ExportError: a failure inside the runtime.
        """

    def _call(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs, size = self._run(images), (images.shape[1], images.shape[2])
        check_outputs(outputs, self._file_card, batch=len(images), size=size, source=self._source)
        return to_raw(outputs, self._file_card, size=size)


def first_line(error: Exception) -> str:
    """What an error of somebody else's says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
