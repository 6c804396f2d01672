"""Write TorchScript files by tracing."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import torch
from pose_data import ModelCard
from pose_nn import PoseNet

from pose_export.card import make_metadata
from pose_export.convert.network import ExportedNet, make_example, quiet_tracing
from pose_export.options import ConvertOptions


def convert(net: PoseNet, card: ModelCard, target: Path, options: ConvertOptions) -> ModelCard:
    """Write a network as a TorchScript archive, its card among the archive's extra files.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        card: with the size, batch and precision that the file will have.
        options: `half`, `contract` and `optimize` are read; a traced network takes any size, whether the card
            promises it or not.

    Returns:
        The card with torch's version among its facts.
    """
    card = replace(card, facts={**card.facts, "tools": f"torch {torch.__version__}"})
    with quiet_tracing():
        module = ExportedNet(net, options)
        traced = torch.jit.trace(module, make_example(card), check_trace=False)  # type: ignore[no-untyped-call]
        # `optimize_for_inference` would put operations of oneDNN in, which torch can't save.
        _save(torch.jit.freeze(traced.eval()) if options.optimize else traced, target, card)
    return card


def write_card(path: Path, card: ModelCard) -> None:
    """Put another card into a TorchScript file."""
    with quiet_tracing():
        _save(torch.jit.load(path, map_location="cpu"), path, card)  # type: ignore[no-untyped-call]


def _save(module: torch.jit.ScriptModule, path: Path, card: ModelCard) -> None:
    buffer = io.BytesIO()  # torch names the archive after the file; in memory it has one name always
    torch.jit.save(module, buffer, _extra_files=make_metadata(card))
    path.write_bytes(buffer.getvalue())
