"""Augmented batches in a fixed order, made by worker processes while the network learns."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pose_data import AugmentSettings, PoseError, PoseTargets, Samples, augment
from torch.utils.data import DataLoader, Dataset, Sampler

from pose_train.batches import Batch, make_batch, make_empty_batch
from pose_train.kept_images import KeptImages

Item = tuple[NDArray[np.uint8], PoseTargets, int]


@dataclass(frozen=True)
class Draw:
    """What an augmented image depends on besides the seed: the epoch, its index, whether others are mixed in."""

    epoch: int
    index: int
    mix: bool


@dataclass(frozen=True)
class AugmentedImages(Dataset[Item | PoseError]):
    """The training images, augmented anew for each epoch.

    An image depends on seed, epoch and index alone: not on the number of workers, the order of reading
    or what was read before. So a resumed run sees what the whole run would have seen. One that can't be read is its
    error: raised in a worker, it would come back with a traceback in place of its one line.

    Args:
        samples: the data set.
        size: side of the square input, pixels.
        settings: how images are augmented.
        seed: of the run.
        partners: indices of the images that mosaics are made of; all of the data set when None.
    """

    samples: Samples
    size: int
    settings: AugmentSettings
    seed: int
    partners: Sequence[int] | None = None

    def __getitem__(self, draw: Draw) -> Item | PoseError:
        try:
            image, targets = augment(
                draw.index,
                self.samples,
                size=self.size,
                settings=self.settings,
                generator=np.random.default_rng([self.seed, draw.epoch, draw.index]),
                use_mosaic=draw.mix,
                partners=self.partners,
            )
        except PoseError as error:
            return error
        return image, targets, draw.index

    def sources(self, draw: Draw) -> tuple[int, ...]:
        """Find which images of the data set an augmented one is made of, itself first, by making it again."""
        kept = KeptImages(self.samples)
        _ = replace(self, samples=kept)[draw]
        return kept.indices


class EpochOrder(Sampler[list[Draw]]):
    """The batches of an epoch: a shuffle of the data set, continued from epoch to epoch.

    Set `epoch` (from 0), `mix` (whether mosaic and mixup are on) and `done` (batches of the epoch that were learnt
    before) before each epoch.

    Args:
        count: images in the data set.
        batch: images per batch; the last one of an epoch may be smaller.
        per_epoch: images that make an epoch.
        seed: of the run.
        rank: this process; it gets every world-th image of each batch, from its rank on.
        world: processes that share each batch.
    """

    def __init__(self, count: int, *, batch: int, per_epoch: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self.count, self.batch, self.per_epoch, self.seed = count, batch, per_epoch, seed
        self.rank, self.world = rank, world
        self.epoch = 0
        self.mix = True
        self.done = 0

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        return math.ceil(self.per_epoch / self.batch)

    def __iter__(self) -> Iterator[list[Draw]]:
        first = self.epoch * self.per_epoch
        indices = [self._index(first + i) for i in range(self.per_epoch)]
        for start in range(self.done * self.batch, self.per_epoch, self.batch):
            whole = indices[start : start + self.batch]
            yield [Draw(self.epoch, index, self.mix) for index in whole[self.rank :: self.world]]

    def _index(self, position: int) -> int:
        round_, place = divmod(position, self.count)
        return int(self._shuffle(round_)[place])

    def _shuffle(self, round_: int) -> NDArray[np.int64]:
        if getattr(self, "_shuffled", (-1, None))[0] != round_:
            self._shuffled = (round_, np.random.default_rng([self.seed, round_]).permutation(self.count))
        return self._shuffled[1]


@dataclass(frozen=True)
class _Collate:
    """Make a batch of items, also of none, or pass on the error of one."""

    size: int
    keypoints: int

    def __call__(self, items: Sequence[Item | PoseError]) -> Batch | PoseError:
        whole = [item for item in items if not isinstance(item, PoseError)]
        if len(whole) < len(items):
            return next(item for item in items if isinstance(item, PoseError))
        return make_batch(whole) if whole else make_empty_batch(self.size, self.keypoints)


@dataclass(frozen=True)
class _Batches:
    """The batches of a loader; workers begin when they are asked for, and the error of an image is raised here."""

    loader: Iterable[Batch | PoseError]

    def __iter__(self) -> Iterator[Batch]:
        return map(_raise_error, iter(self.loader))


def _raise_error(batch: Batch | PoseError) -> Batch:
    if isinstance(batch, PoseError):
        raise batch
    return batch


def make_loader(images: AugmentedImages, order: EpochOrder, *, workers: int, pin_memory: bool) -> Iterable[Batch]:
    """Make a loader of Batch in the given order; workers is capped at this process's share of the cores."""
    workers = min(workers, max(_cores() // order.world, 1))
    loader: Iterable[Batch | PoseError] = DataLoader(  # collates items into Batch
        images,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=_Collate(images.size, len(images.samples.skeleton)),
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        prefetch_factor=2 if workers else None,
        worker_init_fn=_begin_worker,
    )
    return _Batches(loader)


def _cores() -> int:
    """Count the cores that this process may use, where the system tells, or else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin_worker(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the run itself says when it ends
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
