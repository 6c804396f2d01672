"""Make the keypoint branches of somebody else's weights fit a network with other keypoints.

The width of a branch depends on how many keypoints there are, so that with others none of its tensors fits, although
wrists and knees may be among them. Here every keypoint that both know by name keeps what was learnt of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_NORM = ("weight", "bias", "running_mean", "running_var")
_LAST = ".2.weight"  # of a branch: two 3x3 convolutions, 0 and 1, then the 1x1 convolution to the rows


@dataclass(frozen=True)
class SharedKeypoints:
    """Which keypoints of a network were known to the given weights.

    Args:
        given: names of the given keypoints.
        needed: K names of the network's.
    """

    given: tuple[str, ...]
    needed: tuple[str, ...]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Indices (needed, given) of those that both have."""
        return tuple((i, self.given.index(name)) for i, name in enumerate(self.needed) if name in self.given)

    @property
    def fresh(self) -> tuple[str, ...]:
        """Names that only the network has."""
        return tuple(name for name in self.needed if name not in self.given)


def carry_keypoints(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], shared: SharedKeypoints
) -> dict[str, Tensor]:
    """Return the given weights with keypoint branches of the shapes that the network has.

    A branch that gets wider gives the shared keypoints exactly as before: what is new starts as the network has it, and
    has no weight in them. Of one that gets narrower the hidden channels with the largest weights are kept.

    Args:
        given: tensors by name.
        own: those of the network, which are left as they are.
        shared: the keypoints of both.
    """
    branches = [name.removesuffix(_LAST) for name in own if ".cv4." in name and name.endswith(_LAST)]
    carried = dict(given)
    for branch in branches:
        before, after = _below(given, branch), _below(own, branch)
        if _can_carry(before, after, shared):
            carried |= {f"{branch}.{name}": tensor for name, tensor in _carry(before, after, shared).items()}
    return carried


def _below(state: Mapping[str, Tensor], branch: str) -> dict[str, Tensor]:
    start = f"{branch}."
    return {name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)}


def _can_carry(before: Mapping[str, Tensor], own: Mapping[str, Tensor], shared: SharedKeypoints) -> bool:
    """Whether a branch reads the same features and has the rows that its names say."""
    return (
        before.keys() == own.keys()
        and before["0.conv.weight"].shape[1:] == own["0.conv.weight"].shape[1:]
        and len(before["2.bias"]) % len(shared.given) == 0
    )


def _carry(before: Mapping[str, Tensor], own: Mapping[str, Tensor], shared: SharedKeypoints) -> dict[str, Tensor]:
    after = {name: tensor.clone() for name, tensor in own.items()}
    rows, to_rows = _rows(before, own, shared)
    second = _strongest(before["2.weight"][rows].abs().sum(dim=(0, 2, 3)), before, "1", own)
    first = _strongest(before["1.conv.weight"][second].abs().sum(dim=(0, 2, 3)), before, "0", own)
    ones, twos = len(first), len(second)
    after["0.conv.weight"][:ones] = before["0.conv.weight"][first].to(own["0.conv.weight"])
    after["1.conv.weight"][:twos] = 0
    after["1.conv.weight"][:twos, :ones] = before["1.conv.weight"][second][:, first].to(own["1.conv.weight"])
    after["2.weight"][to_rows] = 0
    after["2.weight"][to_rows, :twos] = before["2.weight"][rows][:, second].to(own["2.weight"])
    after["2.bias"][to_rows] = before["2.bias"][rows].to(own["2.bias"])
    for layer, kept in (("0", first), ("1", second)):
        for name in (f"{layer}.bn.{part}" for part in _NORM):
            after[name][: len(kept)] = before[name][kept].to(own[name])
    return after


def _rows(before: Mapping[str, Tensor], own: Mapping[str, Tensor], shared: SharedKeypoints) -> tuple[Tensor, Tensor]:
    """Find the rows of the shared keypoints, in the given weights and in the network."""
    dims, own_dims = (
        len(state["2.bias"]) // len(names) for state, names in ((before, shared.given), (own, shared.needed))
    )
    pairs = torch.tensor(shared.pairs, dtype=torch.int64).reshape(-1, 2)
    both = torch.arange(min(dims, own_dims))
    return (pairs[:, 1:] * dims + both).flatten(), (pairs[:, :1] * own_dims + both).flatten()


def _strongest(outgoing: Tensor, before: Mapping[str, Tensor], layer: str, own: Mapping[str, Tensor]) -> Tensor:
    """Choose the hidden channels of a layer that fit: those with the largest weights, in their order."""
    strength = outgoing.float() * before[f"{layer}.bn.weight"].abs().float()
    count = min(len(strength), len(own[f"{layer}.bn.weight"]))
    return strength.argsort(descending=True, stable=True)[:count].sort().values
