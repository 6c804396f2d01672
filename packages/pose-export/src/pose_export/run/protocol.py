"""What every module of this folder offers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pose_data import Runtime

from pose_export.options import RunOptions


class RuntimeModule(Protocol):
    """A module that opens files of one format."""

    def open_runtime(self, path: Path, options: RunOptions) -> Runtime:
        """Load a file.

        Raises:
            ExportError: it can't be read, has no card, or isn't what its card says.
        """
        ...
