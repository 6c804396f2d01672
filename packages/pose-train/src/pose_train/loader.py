"""Augmented batches in a fixed order, made by worker processes while the network learns."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pose_data import AugmentSettings, PoseError, PoseTargets, Samples, augment
from torch.utils.data import DataLoader, Dataset, Sampler

from pose_train.batches import Batch, make_batch, make_empty_batch
from pose_train.kept_images import KeptImages

GROUP = 64  # images that are mixed with each other alone: a process decodes each of them once
LANES = 4  # parts of a group that share no image, so that so many processes needn't decode what is another's

Item = tuple[NDArray[np.uint8], PoseTargets]


@dataclass(frozen=True)
class Draw:
    """What an augmented image depends on besides the seed.

    Args:
        epoch: from 0.
        index: of the image in the data set.
        mix: whether others are mixed in.
        partners: indices that the others are drawn from.
    """

    epoch: int
    index: int
    mix: bool
    partners: tuple[int, ...]


Group = list[list[Draw]]  # batches that are made together


@dataclass(frozen=True)
class AugmentedImages:
    """The training images, augmented anew for each epoch.

    An image depends on the seed and its draw alone: not on the number of workers, the order of reading
    or what was read before. So a resumed run sees what the whole run would have seen. One that can't be read is its
    error: raised in a worker, it would come back with a traceback in place of its one line.

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

    def __getitem__(self, draw: Draw) -> Item | PoseError:
        try:
            return augment(
                draw.index,
                self.samples,
                size=self.size,
                settings=self.settings,
                generator=np.random.default_rng([self.seed, draw.epoch, draw.index]),
                use_mosaic=draw.mix,
                partners=draw.partners,
            )
        except PoseError as error:
            return error

    def sources(self, draw: Draw) -> tuple[int, ...]:
        """Find which images of the data set an augmented one is made of, itself first, by making it again."""
        kept = KeptImages(self.samples)
        _ = replace(self, samples=kept)[draw]
        return kept.indices


class EpochOrder(Sampler[Group]):
    """The batches of an epoch: a shuffle of the data set, continued from epoch to epoch.

    They come in groups, whose images are mixed with each other alone: a mosaic of four costs one image to decode. For
    the images are in random order, those of a group are as good as any. YOLOv8 does the like and mixes images with
    those that it has read of late, which here would make them depend on the number of workers.

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
        self.together = max(GROUP // batch, 1)
        self.epoch = 0
        self.mix = True
        self.done = 0

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        return math.ceil(self.per_epoch / self.batch)

    def __iter__(self) -> Iterator[Group]:
        for first in range(self.done // self.together * self.together, len(self), self.together):
            group = self._group(first)
            yield [batch[self.rank :: self.world] for batch in group[max(self.done - first, 0) :]]

    def batch_of(self, step: int) -> list[Draw]:
        """Say what a batch of this epoch is made of, this process's part: the steps are counted from 1."""
        first = (step - 1) // self.together * self.together
        return self._group(first)[step - 1 - first][self.rank :: self.world]

    def _group(self, first: int) -> Group:
        """Draw the batches from the first on; at the end of an epoch, images of the next one are mixed in too."""
        start = first * self.batch
        begin = self.epoch * self.per_epoch + start
        indices = tuple(self._index(begin + i) for i in range(self.together * self.batch))
        draws = []
        for place, index in enumerate(indices[: self.per_epoch - start]):
            lane, own = indices[place % LANES :: LANES], place // LANES
            draws.append(Draw(self.epoch, index, self.mix, lane[:own] + lane[own + 1 :]))
        return [draws[i : i + self.batch] for i in range(0, len(draws), self.batch)]

    def _index(self, position: int) -> int:
        round_, place = divmod(position, self.count)
        return int(self._shuffle(round_)[place])

    def _shuffle(self, round_: int) -> NDArray[np.int64]:
        if getattr(self, "_shuffled", (-1, None))[0] != round_:
            self._shuffled = (round_, np.random.default_rng([self.seed, round_]).permutation(self.count))
        return self._shuffled[1]


@dataclass(frozen=True)
class _Groups(Dataset[list[Batch | PoseError]]):
    """The batches of a group, made of images that are each read once; one of no images, or the error of one, too."""

    images: AugmentedImages

    def __getitem__(self, group: Group) -> list[Batch | PoseError]:
        images = replace(self.images, samples=KeptImages(self.images.samples))
        return [self._batch([images[draw] for draw in batch]) for batch in group]

    def _batch(self, items: Sequence[Item | PoseError]) -> Batch | PoseError:
        whole = [item for item in items if not isinstance(item, PoseError)]
        if len(whole) < len(items):
            return next(item for item in items if isinstance(item, PoseError))
        return make_batch(whole) if whole else make_empty_batch(self.images.size, len(self.images.samples.skeleton))


@dataclass(frozen=True)
class _Batches:
    """The batches of a loader; workers begin when they are asked for, and the error of an image is raised here."""

    loader: Iterable[list[Batch | PoseError]]

    def __iter__(self) -> Iterator[Batch]:
        return map(_raise_error, chain.from_iterable(iter(self.loader)))


def _raise_error(batch: Batch | PoseError) -> Batch:
    if isinstance(batch, PoseError):
        raise batch
    return batch


def make_loader(images: AugmentedImages, order: EpochOrder, *, workers: int, pin_memory: bool) -> Iterable[Batch]:
    """Make a loader of Batch in the given order; workers is capped at this process's share of the cores."""
    workers = min(workers, max(_cores() // order.world, 1))
    loader = DataLoader(
        _Groups(images),
        batch_size=None,  # a group is made of batches already
        sampler=order,
        num_workers=workers,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        prefetch_factor=(1 if order.together > 1 else 2) if workers else None,
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
