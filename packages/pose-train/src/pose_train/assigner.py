"""Which anchors learn which person: task-aligned assignment (Feng et al., TOOD, ICCV 2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pose_train.batches import BatchTargets
from pose_train.overlap import complete_iou

_EPS = 1e-9

PairSimilarity = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From image, anchor and person of N pairs, (N,) int64 each, to how alike prediction and person are, (N,) in [0, 1]."""


@dataclass(frozen=True)
class Assignment:
    """The P anchors that learn a person; all others learn background.

    Args:
        image: (P,) int64, image of the batch.
        anchor: (P,) int64, anchor in that image.
        target: (P,) int64, row of the batch's targets.
        score: (P,) float32 in [0, 1], what the class score should be: how good the anchor is at it now.
    """

    image: Tensor
    anchor: Tensor
    target: Tensor
    score: Tensor


@torch.no_grad()
def assign(
    scores: Tensor,
    boxes: Tensor,
    anchors: Tensor,
    targets: BatchTargets,
    *,
    topk: int = 10,
    alpha: float = 0.5,
    beta: float = 6.0,
    smallest_side: float = 16.0,
    similarity: PairSimilarity | None = None,
) -> Assignment:
    """Give each person the anchors that already score and place it best.

    The alignment of an anchor with a person is score^alpha * CIoU^beta. Each person takes its topk best
    among the anchors whose centre it holds; an anchor wanted by several goes to the one it overlaps most.

    Args:
        scores: (B, C, A) in [0, 1].
        boxes: (B, A, 4) predictions, xyxy pixels of the input.
        anchors: (2, A) cell centres, xy pixels of the input.
        targets: the people of the batch.
        topk: anchors per person.
        alpha: weight of the score.
        beta: weight of the overlap.
        smallest_side: pixels; a side shorter than this counts as this long when centres are looked for, so
            that a person between the centres of the finest cells is not lost.
        similarity: when given, sqrt(CIoU * similarity) stands in the place of CIoU.

    Returns:
        The positives, in the order of images and anchors.
    """
    inside = _holds_centre(targets.boxes, anchors, smallest_side)
    overlap, metric = _alignment(scores, boxes, targets, inside, alpha, beta, similarity)
    best = metric.topk(min(topk, metric.shape[1]), dim=1).indices
    claimed = torch.zeros_like(inside).scatter_(1, best, True) & inside
    claimed = _one_person_per_anchor(claimed, overlap, targets.image_index, len(scores))
    return _positives(claimed, overlap, metric, targets.image_index, scores.shape[2])


def _holds_centre(boxes: Tensor, anchors: Tensor, smallest_side: float) -> Tensor:
    """Mark the anchor centres strictly inside each box: (M, A) bool."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=smallest_side) / 2
    distance = (anchors[None] - centre[:, :, None]).abs()
    return (half[:, :, None] - distance).amin(dim=1) > _EPS


def _alignment(
    scores: Tensor,
    boxes: Tensor,
    targets: BatchTargets,
    inside: Tensor,
    alpha: float,
    beta: float,
    similarity: PairSimilarity | None,
) -> tuple[Tensor, Tensor]:
    """Compute overlap and alignment, (M, A) each, only where a person holds the anchor's centre."""
    person, anchor = inside.nonzero(as_tuple=True)
    image = targets.image_index[person]
    ciou = complete_iou(targets.boxes[person], boxes[image, anchor]).clamp(min=0)
    if similarity is not None:
        ciou = (ciou * similarity(image, anchor, person)).sqrt()
    aligned = scores[image, targets.labels[person], anchor] ** alpha * ciou**beta
    overlap = torch.zeros(inside.shape, dtype=ciou.dtype, device=ciou.device)
    metric = torch.zeros_like(overlap)
    overlap[person, anchor] = ciou
    metric[person, anchor] = aligned
    return overlap, metric


def _one_person_per_anchor(claimed: Tensor, overlap: Tensor, image_index: Tensor, images: int) -> Tensor:
    """Leave each contested anchor to the person of its image that it overlaps most."""
    claims = torch.zeros((images, claimed.shape[1]), dtype=torch.int64, device=claimed.device)
    claims.index_add_(0, image_index, claimed.long())
    person, anchor = (claimed & (claims[image_index] > 1)).nonzero(as_tuple=True)
    if len(person) == 0:
        return claimed
    cells = torch.unique(image_index[person] * claimed.shape[1] + anchor)
    image, anchors = cells // claimed.shape[1], cells % claimed.shape[1]
    rivals = overlap[:, anchors].masked_fill(image_index[:, None] != image, -1.0)
    claimed = claimed.clone()
    claimed[person, anchor] = False
    claimed[rivals.argmax(dim=0), anchors] = True
    return claimed


def _positives(claimed: Tensor, overlap: Tensor, metric: Tensor, image_index: Tensor, anchors: int) -> Assignment:
    """Collect the claimed anchors and the scores that they should have."""
    person, anchor = claimed.nonzero(as_tuple=True)
    image = image_index[person]
    order = torch.argsort(image * anchors + anchor)
    person, anchor, image = person[order], anchor[order], image[order]
    best_metric = (metric * claimed).amax(dim=1)
    best_overlap = (overlap * claimed).amax(dim=1)
    score = metric[person, anchor] * best_overlap[person] / (best_metric[person] + _EPS)
    return Assignment(image, anchor, person, score)
