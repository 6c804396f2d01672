"""What every module of this folder offers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pose_data import ModelCard

from pose_export.options import ConvertOptions

if TYPE_CHECKING:
    from pose_nn import PoseNet


class Converter(Protocol):
    """A module that makes files of one format."""

    def convert(self, net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
        """Write a network to `target`.

        Args:
            net: in eval mode on the CPU, float32, not fused; it is left as it is.
            card: with the size, batch and precision that the file will have.
            options: with `imgsz` filled in.

        Returns:
            The card with the tools that were used added to its facts; also written into the file.

        Raises:
            ExportError: the network can't be written so.
        """
        ...

    def write_card(self, path: Path, card: ModelCard) -> None:
        """Put another card into a file that `convert` made."""
        ...
