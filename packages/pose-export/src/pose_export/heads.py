"""Decode the raw outputs of a head with NumPy: what a file with the contract "heads" leaves to its reader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BINS = 16  # distances 0 to 15, in cells
_Array = NDArray[np.float32]


def decode_heads(outputs: Sequence[_Array], *, strides: Sequence[int], kpt_shape: tuple[int, int]) -> _Array:
    """Turn logits into boxes, scores and keypoints.

    Distances are the means of their distributions: Li et al. 2020 (arXiv:2006.04388), equation 5.

    Args:
        outputs: per stride boxes (B, 64, h, w), scores (B, C, h, w), keypoints (B, D K, h, w), all logits.
        strides: input pixels per cell of each level, in the order of the outputs.
        kpt_shape: (K, D).

    Returns:
        (B, 4 + C + D K, A) float32, boxes cxcywh and keypoints in pixels of the input.
    """
    parts = [
        _decode_level(*outputs[3 * i : 3 * i + 3], stride=stride, kpt_shape=kpt_shape)
        for i, stride in enumerate(strides)
    ]
    return np.concatenate(parts, axis=2)


def _decode_level(
    boxes: _Array, scores: _Array, keypoints: _Array, *, stride: int, kpt_shape: tuple[int, int]
) -> _Array:
    batch, _, height, width = boxes.shape
    y, x = np.divmod(np.arange(height * width, dtype=np.float32), np.float32(width))
    sides = _softmax_mean(boxes.reshape(batch, 4, _BINS, -1))  # left, top, right, bottom, in cells
    left, top, right, bottom = sides.transpose(1, 0, 2)
    middle = (x + 0.5 + (right - left) / 2, y + 0.5 + (bottom - top) / 2, left + right, top + bottom)
    points = keypoints.reshape(batch, *kpt_shape, -1)
    positions = (points[:, :, :2] * 2 + np.stack((x, y))) * stride
    if kpt_shape[1] == 3:
        positions = np.concatenate([positions, _sigmoid(points[:, :, 2:])], axis=2)
    rows = [np.stack(middle, axis=1) * stride, _sigmoid(scores.reshape(batch, scores.shape[1], -1))]
    return np.concatenate([*rows, positions.reshape(batch, -1, height * width)], axis=1, dtype=np.float32)


def _softmax_mean(logits: _Array) -> _Array:
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    bins = np.arange(_BINS, dtype=np.float32)
    mean: _Array = np.einsum("bsna,n->bsa", weights, bins) / weights.sum(axis=2)
    return mean


def _sigmoid(logits: _Array) -> _Array:
    scores: _Array = 0.5 * (1 + np.tanh(0.5 * logits))  # the same function, without an overflow
    return scores
