"""The layers that turn an image into feature maps of stride 2 to 32 (or 64)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from pose_nn.blocks import SPPF, C2f, ConvBlock
from pose_nn.scales import Architecture

STEM_CHANNELS = 64  # stride 2; all channels here are those of the plan, before the scale
# Per stage from stride 4 on: channels and bottlenecks of the plan.
STAGES = ((128, 3), (256, 6), (512, 6), (1024, 3))
P6_STAGES = ((128, 3), (256, 6), (512, 6), (768, 3), (1024, 3))


@dataclass(frozen=True)
class Layer:
    """One numbered layer of a network.

    Args:
        module: takes the outputs of its sources, in order.
        sources: numbers of the layers that it reads; -1 is the image.
        channels: channels of its output.
    """

    module: nn.Module
    sources: tuple[int, ...]
    channels: int


def make_backbone(architecture: Architecture) -> list[Layer]:
    """Make the backbone: a stem, then per stage a halving convolution and a C2f, and SPPF at the end."""
    scale = architecture.scale
    stem = scale.channels(STEM_CHANNELS)
    layers = [Layer(ConvBlock(3, stem, kernel=3, stride=2), (-1,), stem)]
    for planned, repeats in P6_STAGES if architecture.p6 else STAGES:
        inputs, outputs = layers[-1].channels, scale.channels(planned)
        down = ConvBlock(inputs, outputs, kernel=3, stride=2)
        layers.append(Layer(down, (len(layers) - 1,), outputs))
        block = C2f(outputs, outputs, repeats=scale.repeats(repeats), shortcut=True)
        layers.append(Layer(block, (len(layers) - 1,), outputs))
    deepest = layers[-1].channels
    layers.append(Layer(SPPF(deepest, deepest), (len(layers) - 1,), deepest))
    return layers


def level_outputs(layers: list[Layer], *, levels: int) -> list[int]:
    """Numbers of the layers that hand the backbone's last `levels` strides to the neck, fine to coarse.

    Stage s ends in layer 2 s; the coarsest level is handed over by the SPPF behind its stage.
    """
    last = len(layers) - 1
    return [*range(last - 1 - 2 * (levels - 1), last - 1, 2), last]
