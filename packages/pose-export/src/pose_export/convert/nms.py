"""Selection inside the graph: made of plain operations of fixed size, which every runtime has."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pose_export.options import count_candidates

ROUNDS = 16  # of suppression; each settles at least one more link of a chain of boxes that overlap in turn


def select_in_graph(
    rows: Tensor, *, classes: int, conf: float, iou: float, max_det: int, batch: int | None = None
) -> Tensor:
    """Keep each person once, best score first: greedy non-maximum suppression per class.

    "A box is kept unless a better kept one covers it" has one solution, the greedy one; it is reached from
    any start by applying the sentence again and again.

    Args:
        rows: (B, A, 4 + C + D K), boxes xyxy.
        classes: C.
        conf: people must score more than this.
        iou: overlap from which on two boxes are one person.
        max_det: people to keep per image.
        batch: B where the graph may know it; taken from the rows when None, so that a file can leave it free.

    Returns:
        (B, max_det, 6 + D K): box xyxy, score, class, keypoints; zeros after the last person.
    """
    count, images = count_candidates(conf=conf, max_det=max_det), batch or rows.shape[0]
    scores, candidates = _pick_candidates(rows, classes=classes, count=count, images=images)
    boxes, points = candidates[:, :, :4], candidates[:, :, 4 + classes :]
    labels = candidates[:, :, 4 : 4 + classes].argmax(dim=2, keepdim=True).to(rows)
    sure = (scores > conf).to(rows)
    covers = _cover(boxes, _find_places(sure).unsqueeze(2), labels if classes > 1 else None, iou=iou)
    scores, order = (scores * _suppress(sure, covers)).topk(max_det, dim=1)
    best = _take(torch.cat((boxes, labels, points), dim=2), order, images=images)
    found = torch.cat((best[:, :, :4], scores.unsqueeze(2), best[:, :, 4:]), dim=2)
    return found * (scores > 0).to(rows).unsqueeze(2)


def _pick_candidates(rows: Tensor, *, classes: int, count: int, images: int) -> tuple[Tensor, Tensor]:
    """The best anchors of each image, best first: scores (B, count) and rows (B, count, 4 + C + D K).

    An input may have fewer anchors; then the first one stands for those that lack, with a score of 0.
    """
    scores = rows[:, :, 4 : 4 + classes].amax(dim=2)
    lacking = torch.zeros(1, count).to(scores).expand(images, -1)
    scores, order = torch.cat((scores, lacking), dim=1).topk(count, dim=1)
    return scores, _take(rows, order * (order < rows.shape[1]).to(order), images=images)


def _suppress(sure: Tensor, covers: Tensor) -> Tensor:
    """1 for the candidates that no better kept one covers, (B, n)."""
    sure = kept = sure.unsqueeze(1)
    for _ in range(ROUNDS):
        kept = sure * (torch.matmul(kept, covers) < 0.5).to(sure)
    return kept.squeeze(1)


def _find_places(sure: Tensor) -> Tensor:
    """(B, n), numbers that rise from a candidate to the next.

    They depend on the image, or else what compares each with each would lie in the file, as n x n numbers.
    """
    return torch.arange(sure.shape[1]).to(sure) - sure


def _take(rows: Tensor, order: Tensor, *, images: int) -> Tensor:
    """Take rows (B, n, D) by (B, m) indices of each image's own; (B, m, D)."""
    length, width = rows.shape[1], int(rows.shape[2])
    first = length * torch.arange(images).unsqueeze(1)
    return rows.reshape(-1, width).index_select(0, (first + order).reshape(-1)).reshape(images, -1, width)


def _cover(boxes: Tensor, places: Tensor, labels: Tensor | None, *, iou: float) -> Tensor:
    """(B, n, n), 1 where row i covers the later column j by more than iou, both of one class."""
    left, top, right, bottom = (boxes[:, :, side : side + 1] for side in range(4))
    widths = _compare(right, torch.minimum) - _compare(left, torch.maximum)
    heights = _compare(bottom, torch.minimum) - _compare(top, torch.maximum)
    shared = widths.clamp(min=0) * heights.clamp(min=0)
    areas = (right - left).clamp(min=0) * (bottom - top).clamp(min=0)
    union = _compare(areas, torch.add) - shared
    covers = (shared / union.clamp(min=torch.finfo(torch.float32).tiny) > iou) & _compare(places, torch.lt)
    if labels is not None:
        covers = covers & _compare(labels, torch.eq)
    return covers.to(boxes)


def _compare(numbers: Tensor, how: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Each of (B, n, 1) numbers with each, (B, n, n)."""
    return how(numbers, numbers.transpose(1, 2))
