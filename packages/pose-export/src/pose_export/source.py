"""The network that is exported, from a checkpoint or from memory."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pose_data import ExportError, ModelCard

if TYPE_CHECKING:
    from pose_nn import PoseNet


@dataclass(frozen=True)
class Source:
    """A network on the CPU in float32 and eval mode, its card, and what there is to say of them."""

    net: PoseNet
    card: ModelCard
    notes: tuple[str, ...]


def read_source(checkpoint: Path | str | tuple[PoseNet, ModelCard]) -> Source:
    """Read a checkpoint, or take a network; the caller's is left as it is.

    Raises:
        CheckpointError: the checkpoint can't be read, or is of another task.
        ExportError: the card is of another network.
    """
    from pose_nn import load_checkpoint

    if isinstance(checkpoint, tuple):
        net, card = checkpoint
        notes: tuple[str, ...] = ()
    else:
        loaded = load_checkpoint(Path(checkpoint))
        net, card, notes = loaded.net, loaded.card, tuple(loaded.notes)
    promised = (len(card.names), card.kpt_shape, card.stride)
    held = (net.num_classes, net.kpt_shape, net.stride)
    if promised != held:
        raise ExportError(
            f"the card must describe the network; it says (classes, kpt_shape, stride) {promised}, "
            f"the network has {held}; give it the card that it was trained with"
        )
    return Source(copy.deepcopy(net).cpu().float().eval(), card, notes)
