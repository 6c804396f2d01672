"""A batch: images and the people in them, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pose_data import PoseTargets
from torch import Tensor


@dataclass(frozen=True)
class BatchTargets:
    """The people annotated in a batch, joined over its images.

    Args:
        image_index: (M,) int64, which image of the batch.
        labels: (M,) int64 class indices.
        boxes: (M, 4) float32, xyxy pixels of the input.
        keypoints: (M, K, 2) float32, xy pixels of the input.
        visibility: (M, K) uint8, 0 not labelled, 1 hidden, 2 visible.
    """

    image_index: Tensor
    labels: Tensor
    boxes: Tensor
    keypoints: Tensor
    visibility: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> BatchTargets:
        """Copy the targets to a device."""
        return BatchTargets(*(getattr(self, name).to(device, non_blocking=True) for name in self.__annotations__))

    def pin_memory(self) -> BatchTargets:
        """Copy the targets to memory that a GPU reads while the processor goes on."""
        return BatchTargets(*(getattr(self, name).pin_memory() for name in self.__annotations__))

    def scaled(self, factor: float) -> BatchTargets:
        """Move the targets along when their images are scaled."""
        return replace(self, boxes=self.boxes * factor, keypoints=self.keypoints * factor)


@dataclass(frozen=True)
class Batch:
    """Images of one size with their targets.

    Args:
        images: (B, 3, H, W) uint8 RGB.
        targets: in pixels of these images.
    """

    images: Tensor
    targets: BatchTargets

    def to(self, device: torch.device) -> Batch:
        """Copy images and targets to a device."""
        return Batch(self.images.to(device, non_blocking=True), self.targets.to(device))

    def pin_memory(self) -> Batch:
        """Copy images and targets to memory that a GPU reads while the processor goes on; a DataLoader asks for it."""
        return Batch(self.images.pin_memory(), self.targets.pin_memory())

    def share_memory(self) -> None:
        """Move images and targets to memory that another process reads without a copy.

        Raises:
            RuntimeError: there isn't enough of it. Some tensors may have been moved.
        """
        for tensor in self.tensors():
            tensor.share_memory_()  # type: ignore[no-untyped-call]

    def tensors(self) -> tuple[Tensor, ...]:
        """The images, and the targets in the order of their fields."""
        return (self.images, *(getattr(self.targets, name) for name in self.targets.__annotations__))


def make_targets(targets: Sequence[PoseTargets]) -> BatchTargets:
    """Join the targets of the images of a batch; crowds, which are no single person, are left out."""
    kept = [t[~t.crowd] for t in targets]
    counts = [len(t) for t in kept]
    return BatchTargets(
        image_index=torch.from_numpy(np.repeat(np.arange(len(kept)), counts)),
        labels=torch.from_numpy(np.concatenate([t.labels for t in kept])),
        boxes=torch.from_numpy(np.concatenate([t.boxes for t in kept])),
        keypoints=torch.from_numpy(np.concatenate([t.keypoints for t in kept])),
        visibility=torch.from_numpy(np.concatenate([t.visibility for t in kept])),
    )


def make_batch(items: Sequence[tuple[NDArray[np.uint8], PoseTargets]]) -> Batch:
    """Stack augmented images (H, W, 3) of one size and join their targets."""
    height, width = items[0][0].shape[:2]
    images = np.empty((len(items), 3, height, width), np.uint8)
    np.stack([image.transpose(2, 0, 1) for image, _ in items], out=images)  # half the time of torch's permute
    return Batch(torch.from_numpy(images), make_targets([targets for _, targets in items]))


def batch_of_arrays(arrays: Sequence[NDArray[Any]]) -> Batch:
    """Make a batch again of the arrays of Batch.tensors."""
    images, *targets = map(torch.from_numpy, arrays)
    return Batch(images, BatchTargets(*targets))


def make_empty_batch(size: int, keypoints: int) -> Batch:
    """Make a batch without images, for a process that has none of a small last batch."""
    return Batch(torch.zeros((0, 3, size, size), dtype=torch.uint8), make_targets([PoseTargets.empty(keypoints)]))
