"""The layers that carry features from coarse levels to fine ones and back (PANet, arXiv:1803.01534)."""

from __future__ import annotations

from torch import nn

from pose_nn.backbone import Layer
from pose_nn.blocks import C2, C2f, Concat, ConvBlock
from pose_nn.scales import Architecture

LEVEL_CHANNELS = (256, 512, 1024)  # P3, P4, P5 in the common plan
P6_LEVEL_CHANNELS = (256, 512, 768, 1024)  # P3 to P6
REPEATS = 3


def add_neck(layers: list[Layer], laterals: list[int], architecture: Architecture) -> tuple[list[Layer], list[int]]:
    """Continue a backbone with its neck.

    Args:
        layers: the backbone.
        laterals: numbers of its outputs, fine to coarse.

    Returns:
        All layers, and the numbers of the neck's outputs, fine to coarse.
    """
    layers = list(layers)
    planned = P6_LEVEL_CHANNELS if architecture.p6 else LEVEL_CHANNELS
    merged = [laterals[-1]]  # coarse to fine
    for level in range(len(laterals) - 2, -1, -1):
        layers.append(Layer(nn.Upsample(scale_factor=2.0, mode="nearest"), (merged[-1],), layers[merged[-1]].channels))
        merged.append(_merge(layers, laterals[level], planned[level], architecture))
    outputs = [merged.pop()]  # fine to coarse
    for level in range(1, len(laterals)):
        channels = layers[outputs[-1]].channels
        layers.append(Layer(ConvBlock(channels, channels, kernel=3, stride=2), (outputs[-1],), channels))
        outputs.append(_merge(layers, merged.pop(), planned[level], architecture))
    return layers, outputs


def _merge(layers: list[Layer], other: int, planned: int, architecture: Architecture) -> int:
    """Append a join of the last layer with another and a block behind it; return the block's number."""
    last = len(layers) - 1
    inputs = layers[last].channels + layers[other].channels
    outputs = architecture.scale.channels(planned)
    block = C2 if architecture.p6 else C2f
    layers.append(Layer(Concat(), (last, other), inputs))
    repeats = architecture.scale.repeats(REPEATS)
    layers.append(Layer(block(inputs, outputs, repeats=repeats, shortcut=False), (last + 1,), outputs))
    return last + 2
