"""Averaged weights: what is validated and kept (Polyak and Juditsky, 1992)."""

from __future__ import annotations

import copy
import math
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

DECAY = 0.9999
RAMP = 2000  # updates; the average is short at first, so that the random start is forgotten
_N = TypeVar("_N", bound=nn.Module)


class WeightAverage(Generic[_N]):
    """An exponential moving average of all floating weights and statistics of a network."""

    def __init__(self, net: _N, *, updates: int = 0) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.updates = updates
        self._learns: nn.Module | None = None
        self._pairs: tuple[list[Tensor], list[Tensor]] = ([], [])

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move the average towards a network."""
        self.updates += 1
        decay = DECAY * (1 - math.exp(-self.updates / RAMP))
        if net is not self._learns:  # tensors are changed in place, so that they are looked up once
            self._learns, self._pairs = net, (self._floats(self.net), self._floats(net))
        mean, now = self._pairs
        torch._foreach_lerp_(mean, now, 1 - decay)

    @staticmethod
    def _floats(net: nn.Module) -> list[Tensor]:
        return [value for value in net.state_dict().values() if value.dtype.is_floating_point]


def as_kept(net: _N) -> _N:
    """Copy a network as it comes back from a file of weights in half precision, which is what figures must be of."""
    kept = copy.deepcopy(net)
    with torch.no_grad():
        for value in kept.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half())
    return kept
