"""One anchor per cell of every level: the point that a cell's predictions are relative to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Anchors(NamedTuple):
    """The anchors of all levels, fine to coarse, each level row by row.

    Args:
        centres: (2, A), x and y of the cells' centres, in cells of their own level.
        strides: (A,), input pixels per cell.
    """

    centres: Tensor
    strides: Tensor


def make_anchors(
    levels: Sequence[tuple[int, int]],
    strides: Sequence[int],
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Anchors:
    """Make the anchors of feature maps.

    Args:
        levels: (height, width) of each level's feature map, in cells.
        strides: input pixels per cell of each level.
        dtype: a type that holds centres exactly; float16 does so up to 1,024 cells.

    Returns:
        A anchors, where A is the number of cells of all levels.
    """
    centres, pixels = [], []
    for (height, width), stride in zip(levels, strides, strict=True):
        x = torch.arange(width, device=device, dtype=dtype) + 0.5
        y = torch.arange(height, device=device, dtype=dtype) + 0.5
        grid = torch.stack((x[None, :].expand(height, width), y[:, None].expand(height, width)))
        centres.append(grid.flatten(1))
        pixels.append(torch.full_like(centres[-1][0], float(stride)))
    return Anchors(torch.cat(centres, dim=1), torch.cat(pixels))
