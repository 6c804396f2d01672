"""A branch that only training has: a heatmap of every keypoint, so that features learn where points are.

It hangs on the features that feed the head and is thrown away with the run: what is exported never changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_train.batches import BatchTargets

SPREAD = 0.05  # of a person's size, the root of the box's area: near the mean of COCO's sigmas
LEAST_SPREAD = 0.6  # cells: a narrower peak would fall between them
REACH = 3.0  # spreads around a point beyond which the peak counts as 0
PRIOR_BIAS = -4.0  # nearly all cells hold no point


class HeatmapBranch(nn.Module):
    """One 1x1 convolution per level: features to the logits of K heatmaps.

    Args:
        inputs: channels of each level.
        keypoints: K.
    """

    def __init__(self, inputs: Sequence[int], keypoints: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Conv2d(channels, keypoints, 1) for channels in inputs)
        for level in self.levels:
            assert isinstance(level, nn.Conv2d) and level.bias is not None
            nn.init.normal_(level.weight, std=0.01)
            nn.init.constant_(level.bias, PRIOR_BIAS)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Map (B, inputs[i], H_i, W_i) of each level to (B, K, H_i, W_i) logits."""
        return tuple(level(f) for level, f in zip(self.levels, features, strict=True))


def heatmap_loss(logits: Tensor, wanted: Tensor, known: Tensor | None = None) -> Tensor:
    """Sum |p - g|^2 * BCE(p, g) over all cells of a level.

    A focal loss (Lin et al., ICCV 2017) for targets between 0 and 1: a cell that is right already hardly counts.

    Args:
        logits: (B, K, H, W).
        wanted: (B, K, H, W) in [0, 1].
        known: (B, K, H, W) bool, the cells that count; None for all.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    losses = (logits.sigmoid() - wanted).square() * entropy
    return losses.sum() if known is None else (losses * known).sum()


@torch.no_grad()
def make_heatmaps(targets: BatchTargets, *, images: int, level: tuple[int, int], stride: int) -> Tensor:
    """Draw a Gaussian peak at every labelled keypoint; where peaks meet, the higher one counts.

    Zhou et al., "Objects as Points" (2019), section 3, with the width from the size of the person.

    Args:
        targets: the people of the batch, in pixels of the input.
        images: B.
        level: (height, width) of the feature map, cells.
        stride: pixels per cell.

    Returns:
        (B, K, height, width) float32 in [0, 1].
    """
    height, width = level
    keypoints = targets.keypoints.shape[1]
    maps = torch.zeros(images * keypoints * height * width, device=targets.keypoints.device)
    person, point = (targets.visibility > 0).nonzero(as_tuple=True)
    if len(person):
        spread = _spreads(targets, stride)[person]
        centre = targets.keypoints[person, point] / stride
        first = (targets.image_index[person] * keypoints + point) * (height * width)
        reach = min(int((REACH * spread.max()).ceil()), max(height, width))
        window = torch.arange(-reach, reach + 1, device=maps.device)
        rows, in_y, peak_y = _profile(centre[:, 1], spread, window, height)
        columns, in_x, peak_x = _profile(centre[:, 0], spread, window, width)
        cells = first[:, None, None] + rows[:, :, None] * width + columns[:, None, :]
        peaks = peak_y[:, :, None] * peak_x[:, None, :] * (in_y[:, :, None] & in_x[:, None, :])
        maps.scatter_reduce_(0, cells.flatten(), peaks.flatten(), "amax")
    return maps.reshape(images, keypoints, height, width)


@torch.no_grad()
def mark_known_cells(
    targets: BatchTargets, ignored: Tensor, *, images: int, level: tuple[int, int], stride: int
) -> Tensor:
    """Mark the cells of heatmaps of which something is known: not those that the peak of an ignored point might reach.

    Where such a point is may not matter: it might be anywhere in the box of its person.

    Args:
        targets: the people of the batch, in pixels of the input.
        ignored: (M, K) bool, the points of which nothing is known.
        images: B.
        level: (height, width) of the feature map, cells.
        stride: pixels per cell.

    Returns:
        (B, K, height, width) bool.
    """
    height, width = level
    keypoints = ignored.shape[1]
    person, point = ignored.nonzero(as_tuple=True)
    boxes, reach = targets.boxes / stride, REACH * _spreads(targets, stride)
    rows = _reached(boxes[:, 1::2], reach, height)[person]
    columns = _reached(boxes[:, 0::2], reach, width)[person]
    doubts = torch.zeros(images * keypoints, height, width, device=ignored.device)
    maps = targets.image_index[person] * keypoints + point
    doubts.index_add_(0, maps, (rows[:, :, None] & columns[:, None, :]).float())
    return (doubts == 0).reshape(images, keypoints, height, width)


def _spreads(targets: BatchTargets, stride: int) -> Tensor:
    """Compute the standard deviation of each person's peaks: (M,), cells."""
    sides = targets.boxes[:, 2:] - targets.boxes[:, :2]
    return (SPREAD * sides.prod(dim=1).clamp(min=0).sqrt() / stride).clamp(min=LEAST_SPREAD)


def _reached(ends: Tensor, reach: Tensor, cells: int) -> Tensor:
    """Say which cells lie between the ends (M, 2) of boxes on an axis, or within reach (M,) of them: (M, cells)."""
    middles = torch.arange(cells, device=ends.device) + 0.5
    return ((ends[:, :1] - reach[:, None]) <= middles) & (middles <= (ends[:, 1:] + reach[:, None]))


def _profile(centre: Tensor, spread: Tensor, window: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a Gaussian along one axis: cells around its centre, which of them are on the map, its height there.

    Args:
        centre: (P,) in cells; the middle of cell i is at i + 0.5.
        spread: (P,) standard deviation, cells.
        window: (W,) offsets from the cell of the centre.
        cells: on this axis of the map.
    """
    place = centre.floor().long()[:, None] + window
    height = torch.exp(-((place + 0.5 - centre[:, None]) ** 2) / (2 * spread[:, None] ** 2))
    return place.clamp(0, cells - 1), (place >= 0) & (place < cells), height
