"""Weights that any machine can make again: one value per tensor name and shape.

The reference outputs in this folder were computed with the weights that `seeded_state` makes, so a
network of the same names and shapes, filled with the same call, has to give the same outputs.
"""

from __future__ import annotations

import zlib

import numpy as np


def seeded_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Make the float32 tensor that belongs to one state-dict entry.

    Convolution weights are normal with variance 1.5 / fan_in, which keeps activations of order one
    through every scale. Batch-norm gets scale and variance near 1. The DFL convolution counts 0..15.
    """
    if name.endswith("dfl.conv.weight"):
        return np.arange(shape[1], dtype=np.float32).reshape(shape)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, dtype=np.int64)
    if name.endswith(("running_var", "bn.weight")):
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    if len(shape) == 4:
        fan_in = shape[1] * shape[2] * shape[3]
        return (rng.standard_normal(shape) * np.sqrt(1.5 / fan_in)).astype(np.float32)
    return (rng.standard_normal(shape) * 0.1).astype(np.float32)


def seeded_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Make every tensor of a state dict from its names and shapes."""
    return {name: seeded_tensor(name, tuple(shape)) for name, shape in shapes.items()}


def seeded_image(batch: int, height: int, width: int) -> np.ndarray:
    """Make the (B, 3, H, W) float32 input in [0, 1] that the reference outputs belong to."""
    rng = np.random.default_rng(20261123)
    return rng.random((batch, 3, height, width), dtype=np.float32)
