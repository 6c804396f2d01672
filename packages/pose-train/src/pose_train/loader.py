"""Augmented batches in a fixed order, made by worker processes while the network learns."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pose_data import AugmentSettings, PoseTargets, Sample, Samples, augment
from torch.utils.data import DataLoader, Dataset, Sampler

from pose_train.batches import Batch, make_batch

Item = tuple[NDArray[np.uint8], PoseTargets, int]


@dataclass(frozen=True)
class Draw:
    """What an augmented image depends on besides the seed: the epoch, its index, whether others are mixed in."""

    epoch: int
    index: int
    mix: bool


@dataclass(frozen=True)
class AugmentedImages(Dataset[Item]):
    """The training images, augmented anew for each epoch.

    An image depends on seed, epoch and index alone: not on the number of workers, the order of reading
    or what was read before. So a resumed run sees what the whole run would have seen.

    Args:
        samples: the data set.
        size: side of the square input, pixels.
        settings: how images are augmented.
        seed: of the run.
    """

    samples: Samples
    size: int
    settings: AugmentSettings
    seed: int

    def __getitem__(self, draw: Draw) -> Item:
        image, targets = augment(
            draw.index,
            self.samples,
            size=self.size,
            settings=self.settings,
            generator=np.random.default_rng([self.seed, draw.epoch, draw.index]),
            use_mosaic=draw.mix,
        )
        return image, targets, draw.index


class EpochOrder(Sampler[list[Draw]]):
    """The batches of an epoch: a shuffle of the data set, continued from epoch to epoch.

    Set `epoch` (from 0) and `mix` (whether mosaic and mixup are on) before each epoch.

    Args:
        count: images in the data set.
        batch: images per batch; the last one of an epoch may be smaller.
        per_epoch: images that make an epoch.
        seed: of the run.
    """

    def __init__(self, count: int, *, batch: int, per_epoch: int, seed: int) -> None:
        self.count, self.batch, self.per_epoch, self.seed = count, batch, per_epoch, seed
        self.epoch = 0
        self.mix = True

    def __len__(self) -> int:
        return math.ceil(self.per_epoch / self.batch)

    def __iter__(self) -> Iterator[list[Draw]]:
        first = self.epoch * self.per_epoch
        indices = [self._index(first + i) for i in range(self.per_epoch)]
        for start in range(0, self.per_epoch, self.batch):
            yield [Draw(self.epoch, index, self.mix) for index in indices[start : start + self.batch]]

    def _index(self, position: int) -> int:
        round_, place = divmod(position, self.count)
        return int(self._shuffle(round_)[place])

    def _shuffle(self, round_: int) -> NDArray[np.int64]:
        if getattr(self, "_shuffled", (-1, None))[0] != round_:
            self._shuffled = (round_, np.random.default_rng([self.seed, round_]).permutation(self.count))
        return self._shuffled[1]


class KeptImages:
    """A data set whose decoded images stay in memory once they were read.

    Each worker process keeps its own copy of what it reads; `fill` reads everything first, so that forked
    workers share it.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.names, self.skeleton, self.keypoint_dims = samples.names, samples.skeleton, samples.keypoint_dims
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        if index not in self._kept:
            self._kept[index] = self.samples[index]
        return self._kept[index]

    def targets(self, index: int) -> PoseTargets:
        """The labels of one image."""
        return self.samples.targets(index)

    def fill(self) -> None:
        """Read all images."""
        for index in range(len(self)):
            self[index]


def make_loader(images: AugmentedImages, order: EpochOrder, *, workers: int, pin_memory: bool) -> Iterable[Batch]:
    """Make a loader of Batch in the given order; workers is capped at the number of cores."""
    workers = min(workers, _cores())
    return DataLoader(  # collates items into Batch
        images,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=make_batch,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        prefetch_factor=2 if workers else None,
        worker_init_fn=_use_one_thread,
    )


def _cores() -> int:
    """Count the cores that this process may use, where the system tells, or else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _use_one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
