"""Fold every batch norm into the convolution before it: the same outputs with less work."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pose_nn.blocks import ConvBlock
from pose_nn.network import PoseNet


def fuse(net: PoseNet) -> PoseNet:
    """Make the fused twin of a network, in evaluation mode; the network stays as it is.

    In its state dict the `bn` entries are gone and every convolution has a `bias`. A fused network is
    for inference: what batch norm does while learning is no longer in it.
    """
    fused = copy.deepcopy(net).eval()
    for block in fused.modules():
        if isinstance(block, ConvBlock) and isinstance(block.bn, nn.BatchNorm2d):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()
    return fused.requires_grad_(False)


def is_fused(net: PoseNet) -> bool:
    """Whether the network's batch norms have been folded into its convolutions."""
    return not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
