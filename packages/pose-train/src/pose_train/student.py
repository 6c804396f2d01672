"""The network as it learns: its raw outputs and, where one is asked for, the heatmaps of the branch beside it."""

from __future__ import annotations

from dataclasses import dataclass

from pose_nn import PoseNet, RawOutputs
from torch import Tensor, nn

from pose_train.heatmaps import HeatmapBranch


@dataclass(frozen=True)
class StudentOutputs:
    """What losses compare with targets.

    Args:
        raw: outputs of the network.
        heatmaps: per level (B, K, H_i, W_i) logits; none without the branch.
    """

    raw: RawOutputs
    heatmaps: tuple[Tensor, ...]


class Student(nn.Module):
    """A network, and what hangs on it only while it learns.

    Args:
        net: whose features before the head the branch reads.
        with_heatmaps: whether there is a branch.
    """

    def __init__(self, net: PoseNet, *, with_heatmaps: bool) -> None:
        super().__init__()
        self.net = net
        self.branch: HeatmapBranch | None = None
        self._features: tuple[Tensor, ...] = ()
        if with_heatmaps:
            self.branch = HeatmapBranch(_head_inputs(net), net.kpt_shape[0])
            net.head.register_forward_pre_hook(self._keep_features)

    def forward(self, images: Tensor) -> StudentOutputs:
        """Run network and branch on (B, 3, H, W) images, RGB in [0, 1]."""
        raw = self.net.raw(images)
        if self.branch is None:
            return StudentOutputs(raw, ())
        heatmaps = self.branch(self._features)
        self._features = ()
        return StudentOutputs(raw, heatmaps)

    def _keep_features(self, _head: nn.Module, features: tuple[Tensor, ...]) -> None:
        self._features = features


def _head_inputs(net: PoseNet) -> tuple[int, ...]:
    """Channels of each level that goes into the head, read off the first convolution of its box branches."""
    convolutions = [
        next(module for module in branch.modules() if isinstance(module, nn.Conv2d)) for branch in net.head.cv2
    ]
    return tuple(convolution.in_channels for convolution in convolutions)
