"""Selection inside the graph: made of plain operations of fixed size, which every runtime has."""

from __future__ import annotations

import torch
from torch import Tensor

from pose_export.options import CANDIDATES

ROUNDS = 16  # of suppression; each settles at least one more link of a chain of boxes that overlap in turn


def select_in_graph(rows: Tensor, *, classes: int, conf: float, iou: float, max_det: int) -> Tensor:
    """Keep each person once, best score first: greedy non-maximum suppression per class.

    "A box is kept unless a better kept one covers it" has one solution, the greedy one; it is reached from
    any start by applying the sentence again and again.

    Args:
        rows: (B, A, 4 + C + D K), boxes xyxy.
        classes: C.
        conf: people must score more than this.
        iou: overlap from which on two boxes are one person.
        max_det: people to keep per image.

    Returns:
        (B, max_det, 6 + D K): box xyxy, score, class, keypoints; zeros after the last person.
    """
    # So that there are always enough anchors for the two selections by score.
    rows = torch.cat((rows, torch.zeros_like(rows[:, :1]).repeat(1, max(CANDIDATES, max_det), 1)), dim=1)
    scores, labels = rows[:, :, 4 : 4 + classes].max(dim=2)
    scores, order = scores.topk(max(CANDIDATES, max_det), dim=1)
    rows = torch.cat((rows[:, :, :4], scores.new_zeros(1) + labels.unsqueeze(2).to(rows), rows[:, :, 4 + classes :]), 2)
    rows = _take(rows, order)
    covers = _cover(rows[:, :, :4], rows[:, :, 4], iou=iou)
    sure = (scores > conf).to(rows)
    kept = sure
    for _ in range(ROUNDS):
        kept = sure * (torch.matmul(kept.unsqueeze(1), covers).squeeze(1) < 0.5).to(rows)
    scores, order = (scores * kept).topk(max_det, dim=1)
    best = _take(rows, order)
    found = torch.cat((best[:, :, :4], scores.unsqueeze(2), best[:, :, 4:]), dim=2)
    return found * (scores > 0).to(rows).unsqueeze(2)


def _take(rows: Tensor, order: Tensor) -> Tensor:
    return rows.gather(1, order.unsqueeze(2).expand(-1, -1, rows.shape[2]))


def _cover(boxes: Tensor, labels: Tensor, *, iou: float) -> Tensor:
    """(B, n, n), 1 where row i covers the later column j by more than iou, both of one class."""
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=3)
    areas = (boxes[:, :, 2:] - boxes[:, :, :2]).clamp(min=0).prod(dim=2)
    union = areas[:, :, None] + areas[:, None, :] - shared
    place = torch.arange(boxes.shape[1])
    later = (place[:, None] < place[None, :]).to(boxes)
    same = (labels[:, :, None] == labels[:, None, :]).to(boxes)
    return (shared > iou * union).to(boxes) * same * later
