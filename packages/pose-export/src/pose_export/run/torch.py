"""Run the native file, and other checkpoints that pose-nn reads, with torch."""

from __future__ import annotations

from pathlib import Path

from pose_data import Runtime
from pose_nn import TorchRuntime, load_checkpoint

from pose_export.options import RunOptions


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load a checkpoint and the network that its card names.

    Raises:
        CheckpointError: it can't be read.
    """
    checkpoint = load_checkpoint(path)
    return TorchRuntime(checkpoint.net, checkpoint.card, device=options.device or "auto", threads=options.threads)
