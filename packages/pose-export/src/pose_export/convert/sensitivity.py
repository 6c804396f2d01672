"""Rounds one layer of a network after the other to 8 bit, and measures the outputs of the head."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pose_nn import PoseNet, RawOutputs, fuse
from torch import Tensor, nn

from pose_export.convert.layers import stays_float
from pose_export.layer_errors import LayerError
from pose_export.run.inputs import make_input

_LEVELS = 255  # steps between the least and the largest of 8 bit
_IMAGES = 4  # the order of layers hardly changes with more


def compare_layers(net: PoseNet, images: NDArray[np.uint8]) -> tuple[LayerError, ...]:
    """Put one convolution after the other into 8 bit, by itself, and measure what the head then says.

    Weights get a scale per channel and the layer's input one for the whole tensor, as converters do it.

    Args:
        net: in eval mode on the CPU, float32; it is left as it is.
        images: (N, H, W, 3) uint8 RGB, letterboxed; the first few are taken.

    Returns:
        All layers, worst first.
    """
    net = fuse(net).eval()
    layers = find_layers(net)
    inputs = torch.from_numpy(make_input(images[:_IMAGES]))
    with torch.no_grad():
        expected = _flatten(net.raw(inputs))
        errors = [
            LayerError(name, _compare(expected, _run_rounded(net, layer, inputs)), stays_float(name))
            for name, layer in layers.items()
        ]
    return tuple(sorted(errors, key=lambda error: error.signal_to_noise))


def find_layers(net: PoseNet) -> dict[str, nn.Conv2d]:
    """Layers that may be put into 8 bit, by name; the convolution over the bins of a distance is none."""
    return {name: layer for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d) and ".dfl." not in name}


def _run_rounded(net: PoseNet, layer: nn.Conv2d, inputs: Tensor) -> list[Tensor]:
    exact = layer.weight.data
    largest = exact.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    layer.weight.data = (exact / largest * 127).round() * largest / 127
    watch = layer.register_forward_pre_hook(_round_input)
    try:
        return _flatten(net.raw(inputs))
    finally:
        watch.remove()
        layer.weight.data = exact


def _round_input(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    (tensor,) = inputs
    low, high = tensor.min().clamp(max=0), tensor.max().clamp(min=0)
    step = ((high - low) / _LEVELS).clamp(min=1e-12)
    return (((tensor - low) / step).round() * step + low,)


def _flatten(raw: RawOutputs) -> list[Tensor]:
    return [raw.boxes, raw.scores, raw.keypoints]


def _compare(expected: list[Tensor], found: list[Tensor]) -> float:
    """Signal to noise in dB, of the kind of output that suffers most."""
    powers = [
        (a.square().mean(), (a - b).square().mean().clamp(min=1e-20)) for a, b in zip(expected, found, strict=True)
    ]
    return float(min(10 * torch.log10(signal / noise) for signal, noise in powers))
