"""Take over what fits of somebody else's weights, and say what didn't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pose_nn.carry_keypoints import SharedKeypoints, carry_keypoints
from pose_nn.network import PoseNet

SHOWN = 3  # names per kind in the report's text


@dataclass(frozen=True)
class Mismatch:
    """A tensor that both sides have, in different shapes."""

    name: str
    given: tuple[int, ...]
    needed: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} (given {list(self.given)}, needed {list(self.needed)})"


@dataclass(frozen=True)
class TransferReport:
    """What became of each tensor.

    Args:
        taken: names that were copied.
        reshaped: in both, in different shapes; the network keeps its own.
        missing: only in the network, which keeps its own.
        unused: only in the given weights.
        fresh_keypoints: names of keypoints that the given weights don't know, where keypoints were told by name.
    """

    taken: tuple[str, ...]
    reshaped: tuple[Mismatch, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    fresh_keypoints: tuple[str, ...] = ()

    def __str__(self) -> str:
        total = len(self.taken) + len(self.reshaped) + len(self.missing)
        parts = [f"{len(self.taken)} of {total} tensors taken"]
        parts += _sentence(self.reshaped, "{} of another shape start fresh")
        parts += _sentence(self.missing, "{} not given start fresh")
        parts += _sentence(self.unused, "{} given and not used")
        parts += _sentence(self.fresh_keypoints, "{} keypoints it doesn't know start fresh")
        return "; ".join(parts)


def transfer(
    net: PoseNet, state: Mapping[str, Tensor], *, keypoints: tuple[Sequence[str], Sequence[str]] | None = None
) -> TransferReport:
    """Copy into a network every given tensor that fits by name and shape.

    Args:
        net: changed in place.
        state: tensors by name, of any floating type.
        keypoints: names of the given keypoints and of the network's. Where they differ, those that both have keep what
            was learnt of them, whatever their place and number. None goes by shape alone.
    """
    own = net.state_dict()
    fresh: tuple[str, ...] = ()
    if keypoints is not None and tuple(keypoints[0]) != tuple(keypoints[1]):
        shared = SharedKeypoints(tuple(keypoints[0]), tuple(keypoints[1]))
        state, fresh = carry_keypoints(state, own, shared), shared.fresh
    fits = {name: tensor for name, tensor in state.items() if name in own and tensor.shape == own[name].shape}
    with torch.no_grad():
        for name, tensor in fits.items():
            own[name].copy_(tensor)
    return TransferReport(
        taken=tuple(fits),
        reshaped=tuple(
            Mismatch(name, tuple(tensor.shape), tuple(own[name].shape))
            for name, tensor in state.items()
            if name in own and name not in fits
        ),
        missing=tuple(name for name in own if name not in state),
        unused=tuple(name for name in state if name not in own),
        fresh_keypoints=fresh,
    )


def _sentence(names: tuple[str, ...] | tuple[Mismatch, ...], text: str) -> list[str]:
    if not names:
        return []
    shown = ", ".join(str(name) for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{text.format(len(names))}: {shown}{more}"]
