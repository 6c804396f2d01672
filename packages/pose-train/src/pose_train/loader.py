"""Augmented batches in a fixed order, made by worker processes while the network learns."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing import get_start_method
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pose_data import AugmentSettings, PoseError, PoseTargets, Samples, augment
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from pose_train.batches import Batch, batch_of_arrays, make_batch, make_empty_batch
from pose_train.kept_images import KeptImages
from pose_train.order import Draw, EpochOrder, Group

LOOK_FOR_PARENT = 2.0  # seconds after which a worker sees that the learning process is gone

Item = tuple[NDArray[np.uint8], PoseTargets]
Made = Batch | tuple[NDArray[Any], ...] | PoseError  # what a worker sends: a batch may be its arrays


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
                generator=np.random.default_rng([self.seed, draw.epoch, draw.place]),
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


@dataclass(frozen=True)
class _Tasks(Sampler[Group]):
    """The groups of an order, cut into as many tasks as there are workers where an epoch has fewer groups.

    What a batch is made of stays the same; an image may then be decoded by several workers.
    """

    order: EpochOrder
    workers: int

    def __iter__(self) -> Iterator[Group]:
        most = max(len(self.order) // max(self.workers, 1), 1)
        for group in self.order:
            size = math.ceil(len(group) / math.ceil(len(group) / most)) if group else 1
            yield from (group[i : i + size] for i in range(0, len(group), size))


@dataclass(frozen=True)
class _Groups(Dataset[list[Made]]):
    """The batches of a group, made of images that are each read once.

    In place of a batch that can't be made stands the error of its image, and this process's part of a small last batch
    may have no images.
    """

    images: AugmentedImages

    def __getitem__(self, group: Group) -> list[Made]:
        images = replace(self.images, samples=KeptImages(self.images.samples, longest=self.images.size))
        return [_shared(self._batch([images[draw] for draw in batch])) for batch in group]

    def _batch(self, items: Sequence[Item | PoseError]) -> Batch | PoseError:
        whole = [item for item in items if not isinstance(item, PoseError)]
        if len(whole) < len(items):
            return next(item for item in items if isinstance(item, PoseError))
        return make_batch(whole) if whole else make_empty_batch(self.images.size, len(self.images.samples.skeleton))


def _shared(made: Batch | PoseError) -> Made:
    """Move a worker's batch to shared memory; where that is full, it goes through a pipe, which costs two copies.

    Containers have 64 MB of it unless told otherwise, less than a group of large images. Left to the DataLoader, a
    batch that finds no room there would be lost, and the run would wait for it for ever.
    """
    if get_worker_info() is None or isinstance(made, PoseError):
        return made
    try:
        made.share_memory()
    except RuntimeError:
        return tuple(tensor.numpy() for tensor in made.tensors())
    return made


@dataclass(frozen=True)
class _Batches:
    """The batches of a loader; workers begin when they are asked for, and the error of an image is raised here."""

    loader: Iterable[list[Made]]

    def __iter__(self) -> Iterator[Batch]:
        return map(_received, chain.from_iterable(iter(self.loader)))


def _received(made: Made) -> Batch:
    if isinstance(made, PoseError):
        raise made
    return made if isinstance(made, Batch) else batch_of_arrays(made)


def make_loader(images: AugmentedImages, order: EpochOrder, *, workers: int, pin_memory: bool) -> Iterable[Batch]:
    """Make a loader of Batch in the given order; workers is capped at this process's share of the cores."""
    workers = min(workers, max(_cores() // order.world, 1))
    loader = DataLoader(
        _Groups(images),
        batch_size=None,  # a group is made of batches already
        collate_fn=list,  # as it is: left to itself, torch makes tensors of arrays
        sampler=_Tasks(order, workers),
        num_workers=workers,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        prefetch_factor=(1 if order.batches_per_group > 1 else 2) if workers else None,
        worker_init_fn=_begin_worker,
    )
    return _Batches(loader)


def explain_lost_worker(error: RuntimeError) -> str:
    """Say why a worker has ended, which torch raises wherever the learning process is just then; "" of other errors."""
    said = str(error).partition("\n")[0].strip()
    if not said.startswith("DataLoader worker (pid"):
        return ""
    if "signal: Killed" in said:
        return "a process that reads images was killed, as systems do that run out of memory"
    guard = "" if get_start_method() == "fork" else "; a script must train under `if __name__ == '__main__':`"
    return f"a process that reads images has ended ({said}){guard}"


def _cores() -> int:
    """Count the cores that this process may use, where the system tells, or else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin_worker(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the run itself says when it ends
    if hasattr(signal, "sigtimedwait"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _end_with(parent: int) -> None:
    """End this worker when the learning process ends it or is gone, whatever it is doing; nobody else's SIGTERM does.

    A scheduler sends one to every process of a job, while the learning process wants to end its step.
    """
    while os.getppid() == parent:
        sent = signal.sigtimedwait({signal.SIGTERM}, LOOK_FOR_PARENT)
        if sent is not None and sent.si_pid == parent:
            break
    os._exit(0)
