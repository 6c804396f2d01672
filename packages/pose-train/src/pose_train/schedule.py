"""How the learning rate and the momentum go through a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch.optim import Optimizer


def learning_rate_factor(epoch: float, *, epochs: int, lrf: float, cosine: bool) -> float:
    """Return what the first learning rate is multiplied by.

    Args:
        epoch: from 0.
        epochs: of the whole run.
        lrf: the factor that the last epoch comes near.
        cosine: half a cosine (Loshchilov and Hutter, SGDR, ICLR 2017) in place of a straight line.
    """
    progress = min(epoch / epochs, 1.0)
    share = (1 + math.cos(math.pi * progress)) / 2 if cosine else 1 - progress
    return share * (1 - lrf) + lrf


@dataclass(frozen=True)
class WarmUp:
    """The first steps, in which learning rates rise from 0, momentum and accumulation to their values.

    Args:
        steps: how many; 0 for none.
        bias_lr: where the learning rate of biases comes down from.
        momentum: where the momentum comes up from.
        final_momentum: where it goes.
        accumulate: batches per optimizer step at the end of it.
    """

    steps: int
    bias_lr: float
    momentum: float
    final_momentum: float
    accumulate: int

    def apply(self, optimizer: Optimizer, step: int, factor: float, *, scale: float = 1.0) -> int:
        """Set learning rates and momentum for a step; return how many batches make an optimizer step now.

        Args:
            optimizer: changed in place.
            step: batches learnt so far.
            factor: of the schedule at this epoch.
            scale: on top of all learning rates.
        """
        share = min(step / self.steps, 1.0) if self.steps else 1.0
        for group in optimizer.param_groups:
            start = self.bias_lr if group["kind"] == "bias" else 0.0
            group["lr"] = (start + (group["initial_lr"] * factor - start) * share) * scale
            if "momentum" in group:
                group["momentum"] = self.momentum + (self.final_momentum - self.momentum) * share
        return max(1, round(1 + (self.accumulate - 1) * share))
