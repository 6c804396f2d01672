"""From raw head outputs to boxes and keypoints in pixels of the input."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

REG_MAX = 16  # bins of a side's distance: 0 to 15 cells


def expected_distances(logits: Tensor, bins: Tensor) -> Tensor:
    """Take the mean of the distribution over distances that each side has.

    Distribution focal loss, Li et al. 2020 (arXiv:2006.04388), equation 5.

    Args:
        logits: (B, 4 * REG_MAX, A); sides left, top, right, bottom, the bins of a side together.
        bins: (1, REG_MAX, 1, 1), the distance of each bin.

    Returns:
        (B, 4, A), distances of the sides from the anchor, in cells.
    """
    probabilities = torch.unflatten(logits, 1, (4, REG_MAX)).softmax(dim=2)
    return functional.conv2d(probabilities.transpose(1, 2), bins).squeeze(1)


def decode_boxes(distances: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Turn the distances of four sides into boxes.

    Args:
        distances: (B, 4, A), from the anchor to left, top, right and bottom, in cells.
        centres: (2, A), anchors, in cells.
        strides: (A,), input pixels per cell.

    Returns:
        (B, 4, A), cxcywh pixels of the input.
    """
    left_top, right_bottom = distances.chunk(2, dim=1)
    middle = centres + (right_bottom - left_top) / 2
    return torch.cat((middle, left_top + right_bottom), dim=1) * strides


def decode_boxes_xyxy(distances: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Turn the distances of four sides into corners.

    Args:
        distances: (B, 4, A), from the anchor to left, top, right and bottom, in cells.
        centres: (2, A), anchors, in cells.
        strides: (A,), input pixels per cell.

    Returns:
        (B, 4, A), xyxy pixels of the input.
    """
    left_top, right_bottom = distances.chunk(2, dim=1)
    return torch.cat((centres - left_top, centres + right_bottom), dim=1) * strides


def decode_keypoints(offsets: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Turn raw keypoint offsets into positions.

    Args:
        offsets: (B, K, 2, A), in half cells from the corner of each anchor's cell.
        centres: (2, A), anchors, in cells.
        strides: (A,), input pixels per cell.

    Returns:
        (B, K, 2, A), xy pixels of the input.
    """
    corners = centres - 0.5
    return (offsets * 2 + corners) * strides


def decode_keypoint_rows(rows: Tensor, centres: Tensor, strides: Tensor, *, kpt_shape: tuple[int, int]) -> Tensor:
    """Decode the keypoint rows of a head and put the result into rows again.

    Args:
        rows: (B, K * D, A), per keypoint two offsets and, with D = 3, the logit of its visibility.
        centres: (2, A), anchors, in cells.
        strides: (A,), input pixels per cell.
        kpt_shape: (K, D).

    Returns:
        (B, K * D, A), per keypoint x, y (pixels of the input) and, with D = 3, its score.
    """
    # (K, D) is given rather than divided out, so that exported files know their number of rows.
    points = torch.unflatten(rows, 1, kpt_shape)  # (B, K, D, A)
    positions = decode_keypoints(points[:, :, :2], centres, strides)
    if kpt_shape[1] == 3:
        positions = torch.cat((positions, points[:, :, 2:].sigmoid()), dim=2)
    return positions.flatten(1, 2)
