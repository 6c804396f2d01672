"""Write the native file: weights as they were trained, not fused, so that they can be trained on."""

from __future__ import annotations

from pathlib import Path

from pose_data import ModelCard
from pose_nn import PoseNet, load_checkpoint, save_checkpoint

from pose_export.options import ConvertOptions


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network and its card as one safetensors file.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the precision that the file will have.
        options: `half` is read.

    Returns:
        The card as it was given: no tool but this project's own takes part.
    """
    save_checkpoint(target, net, card, half=options.half)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card into a native file."""
    save_checkpoint(path, load_checkpoint(path).net, card, half=card.precision == "float16")
