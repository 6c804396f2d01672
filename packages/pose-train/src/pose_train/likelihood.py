"""A branch that only training has: how sure each coordinate is, so that points are learnt by their likelihood.

Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021. 1 - OKS hardly moves a point that
is far away; a likelihood always does, and less so where nobody could know better. The branch hangs on the features that
feed the head and is thrown away with the run: what is exported never changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

FIRST_SIGMA = 0.1  # of a person's size, the root of the box's area
LOG_SIGMA_RANGE = (-7.0, 2.0)
LAYERS, WIDTH = 6, 64  # of the flow, as in the paper


@dataclass(frozen=True)
class Likelihood:
    """What the branch says about a batch.

    Args:
        log_sigmas: (B, 2 K, A) logarithms of the spread of x and y, in sizes of the person.
        flow: the density of errors over their spread, beyond that of a Laplace distribution.
    """

    log_sigmas: Tensor
    flow: ResidualFlow


class LikelihoodBranch(nn.Module):
    """One 1x1 convolution per level, features to 2 K logarithms of spreads, and the flow.

    Args:
        inputs: channels of each level.
        keypoints: K.
    """

    def __init__(self, inputs: Sequence[int], keypoints: int) -> None:
        super().__init__()
        self.flow = ResidualFlow()
        self.levels = nn.ModuleList(nn.Conv2d(channels, 2 * keypoints, 1) for channels in inputs)
        for level in self.levels:
            assert isinstance(level, nn.Conv2d) and level.bias is not None
            nn.init.normal_(level.weight, std=0.01)
            nn.init.constant_(level.bias, math.log(FIRST_SIGMA))

    def forward(self, features: Sequence[Tensor]) -> Likelihood:
        """Map (B, inputs[i], H_i, W_i) of each level to the spreads at all anchors."""
        levels = [level(f).flatten(2) for level, f in zip(self.levels, features, strict=True)]
        return Likelihood(torch.cat(levels, dim=2).clamp(*LOG_SIGMA_RANGE), self.flow)


class ResidualFlow(nn.Module):
    """A density over the plane: a normal one, bent by affine couplings (RealNVP, Dinh et al., ICLR 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_perceptron(bounded=True) for _ in range(LAYERS))
        self.shifts = nn.ModuleList(_perceptron(bounded=False) for _ in range(LAYERS))

    def log_density(self, points: Tensor) -> Tensor:
        """Compute the logarithm of the density at (N, 2) points: (N,)."""
        held, moved = points.unbind(dim=1)
        growth = torch.zeros_like(held)
        for scale, shift in zip(self.scales, self.shifts, strict=True):
            log_scale = scale(held[:, None])[:, 0]
            held, moved = (moved - shift(held[:, None])[:, 0]) * torch.exp(-log_scale), held
            growth = growth - log_scale
        return growth - (held.square() + moved.square()) / 2 - math.log(2 * math.pi)


def likelihood_loss(errors: Tensor, log_sigmas: Tensor, flow: ResidualFlow) -> Tensor:
    """Compute the negative logarithm of the likelihood of true points (equation 9 of the paper, a Laplace base).

    Args:
        errors: (N, 2) predicted minus true x and y, in sizes of the person.
        log_sigmas: (N, 2).
        flow: the residual density.

    Returns:
        (N,); it may be below 0.
    """
    bare = errors * torch.exp(-log_sigmas)
    base = (bare.abs() + math.log(2)).sum(dim=1)
    return base + log_sigmas.sum(dim=1) - flow.log_density(bare)


def _perceptron(*, bounded: bool) -> nn.Sequential:
    last = nn.Linear(WIDTH, 1)
    nn.init.zeros_(last.weight)  # the flow begins as the normal density itself
    nn.init.zeros_(last.bias)
    layers = [nn.Linear(1, WIDTH), nn.LeakyReLU(), nn.Linear(WIDTH, WIDTH), nn.LeakyReLU(), last]
    return nn.Sequential(*layers, *([nn.Tanh()] if bounded else []))
