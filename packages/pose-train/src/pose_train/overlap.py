"""Overlap of boxes that can be learnt from: complete IoU."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def complete_iou(a: Tensor, b: Tensor, *, eps: float = 1e-7) -> Tensor:
    """Compute CIoU of boxes row by row (Zheng et al., Distance-IoU Loss, AAAI 2020, equations 10 to 12).

    Args:
        a: (N, 4) xyxy, any unit.
        b: (N, 4) xyxy, the same unit; gradients flow through both.
        eps: keeps boxes without extent from dividing by zero.

    Returns:
        (N,) IoU less the squared distance of centres over the squared diagonal of the box around both,
        less alpha * v, which compares the aspect ratios; alpha takes no gradient.
    """
    size_a = a[:, 2:] - a[:, :2]
    size_b = b[:, 2:] - b[:, :2]
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    iou = shared / (size_a.prod(dim=1) + size_b.prod(dim=1) - shared + eps)
    around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    diagonal = around.pow(2).sum(dim=1) + eps
    distance = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]).pow(2).sum(dim=1) / 4
    angle_a = torch.atan(size_a[:, 0] / (size_a[:, 1] + eps))
    angle_b = torch.atan(size_b[:, 0] / (size_b[:, 1] + eps))
    v = (4 / math.pi**2) * (angle_a - angle_b).pow(2)
    with torch.no_grad():
        alpha = v / (v - iou + (1 + eps))
    return iou - distance / diagonal - alpha * v
