"""What training makes small: the five losses of the v8 pose recipe."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pose_nn import REG_MAX, RawOutputs, make_anchors
from torch import Tensor
from torch.nn import functional

from pose_train.assigner import Assignment, assign
from pose_train.batches import BatchTargets
from pose_train.overlap import complete_iou

LOSS_NAMES = ("box", "pose", "kobj", "cls", "dfl")


@dataclass(frozen=True)
class Gains:
    """How much each loss weighs."""

    box: float = 7.5
    pose: float = 12.0
    kobj: float = 1.0
    cls: float = 0.5
    dfl: float = 1.5


@dataclass(frozen=True)
class LossItems:
    """The losses of one batch after their gains.

    Args:
        items: (5,) in the order of LOSS_NAMES, no gradient.
        total: their sum times the number of images; the scalar to take gradients of.
        positives: how many anchors learnt a person.
    """

    items: Tensor
    total: Tensor
    positives: int


class PoseLoss:
    """Box, keypoint, visibility, class and distribution loss of a batch.

    Args:
        sigmas: K OKS sigmas.
        keypoint_dims: 3 when the network scores each keypoint, else 2 (and kobj is 0).
        gains: how much each loss weighs.
    """

    def __init__(self, sigmas: Tensor, *, keypoint_dims: int = 3, gains: Gains | None = None) -> None:
        self.sigmas = sigmas.float()
        self.keypoint_dims = keypoint_dims
        self.gains = gains or Gains()

    def __call__(self, raw: RawOutputs, targets: BatchTargets) -> LossItems:
        """Compare raw outputs with targets.

        Args:
            raw: outputs of the network in training.
            targets: the people of the batch, in pixels of the input.
        """
        centres, strides = make_anchors(raw.levels, raw.strides, device=raw.scores.device)
        logits = raw.boxes.float().permute(0, 2, 1).reshape(len(raw.boxes), -1, 4, REG_MAX)  # (B, A, 4, 16)
        scores = raw.scores.float()
        boxes = _decode_boxes(logits.detach(), centres, strides)
        found = assign(scores.detach().sigmoid(), boxes, centres * strides, targets)
        total_score = found.score.sum().clamp(min=1)
        cls = _class_loss(scores, found, targets) / total_score
        box, dfl = _box_losses(logits[found.image, found.anchor], centres, strides, found, targets)
        pose, kobj = self._keypoint_losses(raw.keypoints, centres, strides, found, targets)
        g = self.gains
        items = torch.stack(
            [box / total_score * g.box, pose * g.pose, kobj * g.kobj, cls * g.cls, dfl / total_score * g.dfl]
        )
        return LossItems(items.detach(), items.sum() * len(scores), len(found.anchor))

    def _keypoint_losses(
        self, raw: Tensor, centres: Tensor, strides: Tensor, found: Assignment, targets: BatchTargets
    ) -> tuple[Tensor, Tensor]:
        """Return 1 - OKS of the positives' keypoints, and the loss of their visibility."""
        if len(found.anchor) == 0:
            zero = raw.float().sum() * 0  # keeps the branch in the graph
            return zero, zero
        dims = self.keypoint_dims
        picked = (
            raw.permute(0, 2, 1)[found.image, found.anchor].float().reshape(len(found.anchor), -1, dims)
        )  # (P, K, D)
        stride = strides[found.anchor]
        xy = picked[..., :2] * 2 + (centres[:, found.anchor].T - 0.5)[:, None]  # cells
        wanted = targets.keypoints[found.target] / stride[:, None, None]
        size = (targets.boxes[found.target, 2:] - targets.boxes[found.target, :2]) / stride[:, None]
        labelled = targets.visibility[found.target] != 0
        pose = keypoint_loss(xy, wanted, labelled, size.prod(dim=1), self.sigmas.to(xy.device))
        if dims == 2:
            return pose, pose.detach() * 0
        return pose, functional.binary_cross_entropy_with_logits(picked[..., 2], labelled.float())


def keypoint_loss(xy: Tensor, wanted: Tensor, labelled: Tensor, areas: Tensor, sigmas: Tensor) -> Tensor:
    """Average 1 - OKS of keypoints (Maji et al., YOLO-Pose, CVPRW 2022, equation 4).

    Args:
        xy: (P, K, 2) predictions, any unit.
        wanted: (P, K, 2) truth, the same unit.
        labelled: (P, K) bool, which points count.
        areas: (P,) of the people's boxes, that unit squared.
        sigmas: (K,).

    Returns:
        A scalar: the mean over people and points of 1 - exp(-e), each person's labelled points weighted up to
        stand for all K, where e = d^2 / (2 area (2 sigma)^2).
    """
    e = (xy - wanted).pow(2).sum(dim=2) / ((2 * sigmas).pow(2) * (areas[:, None] + 1e-9) * 2)
    weight = labelled.shape[1] / (labelled.sum(dim=1, keepdim=True) + 1e-9)
    return (weight * (1 - torch.exp(-e)) * labelled).mean()


def _decode_boxes(logits: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Turn distributions over distances into boxes: (B, A, 4, 16) to (B, A, 4) xyxy pixels of the input."""
    return _boxes_from_distances(_mean_distances(logits), centres.T) * strides[None, :, None]


def _mean_distances(logits: Tensor) -> Tensor:
    """Take the mean of distributions over distances: (..., 16) to (...), in cells (GFL, equation 5)."""
    return logits.softmax(dim=-1) @ torch.arange(REG_MAX, dtype=logits.dtype, device=logits.device)


def _boxes_from_distances(distances: Tensor, centres: Tensor) -> Tensor:
    """Turn left, top, right and bottom (..., 4) around centres (..., 2) into xyxy, all in cells."""
    return torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], dim=-1)


def _class_loss(logits: Tensor, found: Assignment, targets: BatchTargets) -> Tensor:
    """Sum binary cross-entropy over all anchors and classes; only positives want a score above 0."""
    wanted = torch.zeros_like(logits)
    wanted[found.image, targets.labels[found.target], found.anchor] = found.score.to(wanted.dtype)
    return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")


def _box_losses(
    logits: Tensor, centres: Tensor, strides: Tensor, found: Assignment, targets: BatchTargets
) -> tuple[Tensor, Tensor]:
    """Sum 1 - CIoU and the distribution focal loss over positives, each weighted by its target score.

    Args:
        logits: (P, 4, 16) of the positives.
    """
    centre = centres[:, found.anchor].T
    boxes = _boxes_from_distances(_mean_distances(logits), centre)
    wanted = targets.boxes[found.target] / strides[found.anchor, None]
    overlap = complete_iou(boxes, wanted)
    distances = torch.cat([centre - wanted[:, :2], wanted[:, 2:] - centre], dim=1)
    distribution = distribution_focal_loss(logits, distances.clamp(0, REG_MAX - 1 - 0.01))
    return ((1 - overlap) * found.score).sum(), (distribution.mean(dim=1) * found.score).sum()


def distribution_focal_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Compare a distribution with a distance between two of its bins (Li et al., GFL, NeurIPS 2020, equation 6).

    Args:
        logits: (..., 16).
        distances: (...) in cells, in [0, 15).

    Returns:
        (...) cross-entropy with the bins below and above, weighted by nearness.
    """
    below = distances.floor().long()
    towards = distances - below
    log_p = functional.log_softmax(logits, dim=-1)
    at_below = log_p.gather(-1, below[..., None])[..., 0]
    at_above = log_p.gather(-1, below[..., None] + 1)[..., 0]
    return -(at_below * (1 - towards) + at_above * towards)
