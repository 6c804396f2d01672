"""The network as it learns: its raw outputs and, where they are asked for, those of the branches beside it."""

from __future__ import annotations

from dataclasses import dataclass

from pose_nn import PoseNet, RawOutputs
from torch import Tensor, nn

from pose_train.heatmaps import HeatmapBranch
from pose_train.likelihood import Likelihood, LikelihoodBranch


@dataclass(frozen=True)
class StudentOutputs:
    """What losses compare with targets.

    Args:
        raw: outputs of the network.
        heatmaps: per level (B, K, H_i, W_i) logits; none without the branch.
        likelihood: how sure each coordinate is; None without the branch.
    """

    raw: RawOutputs
    heatmaps: tuple[Tensor, ...] = ()
    likelihood: Likelihood | None = None


class Student(nn.Module):
    """A network, and what hangs on it only while it learns.

    Args:
        net: whose features before the head the branches read.
        with_heatmaps: whether there is a branch for heatmaps.
        with_likelihood: whether there is one for the likelihood of points.
    """

    def __init__(self, net: PoseNet, *, with_heatmaps: bool = False, with_likelihood: bool = False) -> None:
        super().__init__()
        self.net = net
        self.branch = HeatmapBranch(_head_inputs(net), net.kpt_shape[0]) if with_heatmaps else None
        self.likelihood = LikelihoodBranch(_head_inputs(net), net.kpt_shape[0]) if with_likelihood else None
        self._features: tuple[Tensor, ...] = ()
        if with_heatmaps or with_likelihood:
            net.head.register_forward_pre_hook(self._keep_features)

    def forward(self, images: Tensor) -> StudentOutputs:
        """Run network and branches on (B, 3, H, W) images, RGB in [0, 1]."""
        raw = self.net.raw(images)
        features, self._features = self._features, ()
        return StudentOutputs(
            raw,
            heatmaps=self.branch(features) if self.branch is not None else (),
            likelihood=self.likelihood(features) if self.likelihood is not None else None,
        )

    def _keep_features(self, _head: nn.Module, features: tuple[Tensor, ...]) -> None:
        self._features = features


def _head_inputs(net: PoseNet) -> tuple[int, ...]:
    """Channels of each level that goes into the head, read off the first convolution of its box branches."""
    convolutions = [
        next(module for module in branch.modules() if isinstance(module, nn.Conv2d)) for branch in net.head.cv2
    ]
    return tuple(convolution.in_channels for convolution in convolutions)
