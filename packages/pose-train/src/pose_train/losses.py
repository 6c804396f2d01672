"""What training makes small: the five losses of the v8 pose recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from pose_nn import REG_MAX, RawOutputs, make_anchors
from torch import Tensor
from torch.nn import functional

from pose_train.assigner import Assignment, assign
from pose_train.batches import BatchTargets
from pose_train.likelihood import Likelihood, likelihood_loss
from pose_train.overlap import complete_iou

LOSS_NAMES = ("box", "pose", "kobj", "cls", "dfl")
HIDDEN_SCORE = 0.5  # of a keypoint that is there and not seen, where hidden ones have a target of their own


@dataclass(frozen=True)
class Gains:
    """How much each loss weighs."""

    box: float = 7.5
    pose: float = 12.0
    kobj: float = 1.0
    cls: float = 0.5
    dfl: float = 1.5
    likelihood: float = 0.0


@dataclass(frozen=True)
class LossItems:
    """The losses of one batch after their gains.

    Args:
        items: (5,) in the order of LOSS_NAMES, and that of the likelihood as a sixth where there is one; no gradient;
            with several processes, this one's part of each.
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
        alignment: what matches anchors with people: "iou" compares boxes alone, as the published recipe does; "oks"
            takes sqrt(CIoU * OKS), so that an anchor is good at a person when its keypoints are good too (as the
            assignment costs of RTMO, Lu et al., CVPR 2024, and PETR, Shi et al., CVPR 2022, hold OKS).
        smallest_side: pixels of the input; a shorter side of a box counts as this long when cells are looked for whose
            centre it holds, so that somebody between the cells is learnt too. Twice the finest stride, as YOLO26 has it
            (its STAL), unless given; 0 takes boxes as they are.
        occluded: what a hidden keypoint (v = 1) is. "visible": the same as a visible one. "ignored": no loss
            looks at it. "own": its place is learnt, and its score should be 0.5.
        class_points: (C, K) bool, which class has which points: no loss looks at the others. None when every class has
            all.
        total: adds up numbers over all processes that share the batch; alone, they are what they are.
        world: how many processes those are.
    """

    def __init__(
        self,
        sigmas: Tensor,
        *,
        keypoint_dims: int = 3,
        gains: Gains | None = None,
        alignment: str = "iou",
        smallest_side: float = 16.0,
        occluded: str = "visible",
        class_points: Tensor | None = None,
        total: Callable[[Tensor], Tensor] = torch.Tensor.detach,
        world: int = 1,
    ) -> None:
        self.sigmas = sigmas.float()
        self.keypoint_dims = keypoint_dims
        self.gains = gains or Gains()
        self.by_keypoints = alignment == "oks"
        self.smallest_side = smallest_side
        self.occluded = occluded
        self.class_points = class_points
        self.total, self.world = total, world

    def __call__(self, raw: RawOutputs, targets: BatchTargets, likelihood: Likelihood | None = None) -> LossItems:
        """Compare raw outputs with targets.

        Args:
            raw: outputs of the network in training.
            targets: the people of the batch, in pixels of the input.
            likelihood: how sure each coordinate is, where a branch says so.
        """
        centres, strides = make_anchors(raw.levels, raw.strides, device=raw.scores.device)
        images, _, anchors = raw.boxes.shape
        logits = raw.boxes.float().permute(0, 2, 1).reshape(images, anchors, 4, REG_MAX)
        scores = raw.scores.float()
        boxes = _decode_boxes(logits.detach(), centres, strides)
        known = self._known(targets)
        points = _Points(
            raw.keypoints,
            centres,
            strides,
            targets,
            labelled=(targets.visibility != 0) & known,
            dims=self.keypoint_dims,
            sigmas=self.sigmas.to(scores.device),
        )
        found = assign(
            scores.detach().sigmoid(),
            boxes,
            centres * strides,
            targets,
            smallest_side=self.smallest_side,
            similarity=points.similarity if self.by_keypoints else None,
        )
        pose, kobj, counted = _keypoint_losses(points, found, known[found.target], self.occluded)
        shares = torch.stack([found.score.sum(), *(scores.new_tensor(float(n)) for n in (*counted, images))])
        total_score, positives, judged, all_images = self.total(shares).unbind()
        total_score = total_score.clamp(min=1)
        cls = _class_loss(scores, found, targets) / total_score
        box, dfl = _box_losses(logits[found.image, found.anchor], centres, strides, found, targets)
        pose = pose * (counted[0] / positives.clamp(min=1))
        kobj = kobj * (counted[1] / judged.clamp(min=1))
        g = self.gains
        losses = [box / total_score * g.box, pose * g.pose, kobj * g.kobj, cls * g.cls, dfl / total_score * g.dfl]
        if likelihood is not None:
            unlikely = _likelihood_loss(likelihood, points, found)
            losses.append(unlikely * (counted[0] / positives.clamp(min=1)) * g.likelihood)
        items = torch.stack(losses)
        # Engines average gradients over processes, and this is to be their sum.
        return LossItems(items.detach(), items.sum() * all_images * self.world, len(found.anchor))

    def as_learnt(self, targets: BatchTargets) -> BatchTargets:
        """Take labels away from points that a person's class doesn't have and from those that are ignored."""
        return replace(targets, visibility=targets.visibility * self._known(targets))

    def ignored(self, targets: BatchTargets) -> Tensor:
        """Say which points are somewhere that no loss may look at, (M, K) bool."""
        hidden = targets.visibility == 1
        return hidden & self._owned(targets) if self.occluded == "ignored" else torch.zeros_like(hidden)

    def _known(self, targets: BatchTargets) -> Tensor:
        """Say of which points something is known, (M, K): of those that the class has and that aren't ignored."""
        return self._owned(targets) & ~self.ignored(targets)

    def _owned(self, targets: BatchTargets) -> Tensor:
        """Say which points the class of each person has, (M, K)."""
        if self.class_points is None:
            return torch.ones_like(targets.visibility, dtype=torch.bool)
        return self.class_points.to(targets.labels.device)[targets.labels]


@dataclass(frozen=True)
class _Points:
    """Predicted keypoints of chosen anchors beside those of the people that they are compared with.

    Args:
        raw: (B, K * D, A), offsets and logits.
        centres: (2, A) in cells.
        strides: (A,) pixels per cell.
        targets: the people of the batch.
        labelled: (M, K) bool, whose place is known.
        dims: D.
        sigmas: (K,).
    """

    raw: Tensor
    centres: Tensor
    strides: Tensor
    targets: BatchTargets
    labelled: Tensor
    dims: int
    sigmas: Tensor

    def pick(self, image: Tensor, anchor: Tensor) -> Tensor:
        """Take the offsets and logits of P anchors: (P, K, D)."""
        rows = self.raw.permute(0, 2, 1)[image, anchor].float()
        return rows.reshape(len(rows), rows.shape[1] // self.dims, self.dims)

    def errors(self, picked: Tensor, anchor: Tensor, person: Tensor) -> Tensor:
        """Compute e of OKS, squared distances over what annotators err: (P, K)."""
        stride = self.strides[anchor, None]
        xy = picked[..., :2] * 2 + (self.centres[:, anchor].T - 0.5)[:, None]  # cells
        wanted = self.targets.keypoints[person] / stride[..., None]
        size = (self.targets.boxes[person, 2:] - self.targets.boxes[person, :2]) / stride
        return _oks_errors(xy, wanted, size.prod(dim=1), self.sigmas)

    def offsets(self, picked: Tensor, anchor: Tensor, person: Tensor) -> Tensor:
        """Compute predicted minus true places, in sizes of the person, the root of the box's area: (P, K, 2)."""
        stride = self.strides[anchor, None]
        xy = picked[..., :2] * 2 + (self.centres[:, anchor].T - 0.5)[:, None]
        size = (self.targets.boxes[person, 2:] - self.targets.boxes[person, :2]).prod(dim=1).sqrt()
        return (xy * stride[..., None] - self.targets.keypoints[person]) / (size[:, None, None] + 1e-9)

    def similarity(self, image: Tensor, anchor: Tensor, person: Tensor) -> Tensor:
        """Compute the OKS of P pairs; a person without labelled keypoints is like any prediction."""
        similar = torch.exp(-self.errors(self.pick(image, anchor), anchor, person))
        labelled = self.labelled[person]
        count = labelled.sum(dim=1)
        return torch.where(count > 0, (similar * labelled).sum(dim=1) / count.clamp(min=1), 1.0)


def _keypoint_losses(
    points: _Points, found: Assignment, known: Tensor, occluded: str
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Return 1 - OKS of the positives' keypoints, the loss of their visibility, and over how many each is the mean.

    Args:
        known: (P, K) of the positives' points, those that are looked at.
    """
    if len(found.anchor) == 0:
        zero = points.raw.float().sum() * 0  # keeps the branch in the graph
        return zero, zero, (0, 0)
    picked = points.pick(found.image, found.anchor)
    visibility = points.targets.visibility[found.target]
    e = points.errors(picked, found.anchor, found.target)
    pose = _mean_dissimilarity(e, points.labelled[found.target])
    if points.dims == 2:
        return pose, pose.detach() * 0, (len(found.anchor), 0)
    wanted = (visibility != 0).float()
    if occluded == "own":
        wanted = torch.where(visibility == 1, HIDDEN_SCORE, wanted)
    judged = int(known.sum())
    kobj = functional.binary_cross_entropy_with_logits(picked[..., 2][known], wanted[known], reduction="sum")
    return pose, kobj / max(judged, 1), (len(found.anchor), judged)


def _likelihood_loss(likelihood: Likelihood, points: _Points, found: Assignment) -> Tensor:
    """Average the negative log-likelihood over the labelled keypoints of each positive, and over positives."""
    learnt = points.labelled[found.target]
    picked = points.pick(found.image, found.anchor)
    errors = points.offsets(picked, found.anchor, found.target)[learnt]
    spreads = likelihood.log_sigmas.permute(0, 2, 1)[found.image, found.anchor].float()
    each = likelihood_loss(errors, spreads.reshape(*picked.shape[:2], 2)[learnt], likelihood.flow)
    share = (1 / learnt.sum(dim=1, keepdim=True).clamp(min=1)).expand(learnt.shape)[learnt]
    return (each * share).sum() / max(len(picked), 1)


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
    return _mean_dissimilarity(_oks_errors(xy, wanted, areas, sigmas), labelled)


def _oks_errors(xy: Tensor, wanted: Tensor, areas: Tensor, sigmas: Tensor) -> Tensor:
    return (xy - wanted).pow(2).sum(dim=2) / ((2 * sigmas).pow(2) * (areas[:, None] + 1e-9) * 2)


def _mean_dissimilarity(e: Tensor, labelled: Tensor) -> Tensor:
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
