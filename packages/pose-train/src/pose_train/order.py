"""Which images make which batch and what is mixed into them: drawn from the seed, whoever makes the batches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

GROUP_IMAGES = 64  # of a group, unless a batch alone has more
LANES = 4


@dataclass(frozen=True)
class Draw:
    """What an augmented image depends on besides the seed.

    Args:
        epoch: from 0.
        place: of the image in the epoch, from 0; an image that comes twice in an epoch is another each time.
        index: of the image in the data set.
        mix: whether others are mixed in.
        partners: indices that the others are drawn from, each once.
    """

    epoch: int
    place: int
    index: int
    mix: bool
    partners: tuple[int, ...] | range


Group = list[list[Draw]]  # batches that are made together


class EpochOrder(Sampler[Group]):
    """The batches of an epoch: a shuffle of the data set, continued from epoch to epoch.

    Batches come in groups of up to 64 images, or of one batch that has more. A mosaic is made of images of one group,
    so that whoever makes the group decodes each image once; as the order is random, so is what is mixed. (YOLOv8
    mixes with images that were read of late, which would let the number of workers change what is learnt.) A group
    has four lanes, and what is mixed comes from one of them: then two processes that share each batch read nothing
    that is another's, nor do four whose batch they can share evenly. The last group of an epoch is mixed with images
    of the next one as well. Images that are cached needn't be decoded, and are mixed with any of the data set, as they
    are in YOLOv8; then, and without mixing, each batch is a group.

    Set `epoch` (from 0), `mix` (whether mosaic and mixup are on) and `done` (batches of the epoch that were learnt
    before) before each epoch.

    Args:
        count: images in the data set.
        batch: images per batch; the last one of an epoch may be smaller.
        per_epoch: images that make an epoch.
        seed: of the run.
        cached: whether decoded images are at hand.
        rank: this process; it gets every world-th image of each batch, from its rank on.
        world: processes that share each batch.
    """

    def __init__(
        self,
        count: int,
        *,
        batch: int,
        per_epoch: int,
        seed: int,
        cached: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.count, self.batch, self.per_epoch, self.seed, self.cached = count, batch, per_epoch, seed, cached
        self.rank, self.world = rank, world
        self.epoch = 0
        self.mix = True
        self.done = 0

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        return math.ceil(self.per_epoch / self.batch)

    def __iter__(self) -> Iterator[Group]:
        """Give the groups of the epoch, without the batches that are done."""
        step = self.batches_per_group
        for first in range(self.done // step * step, len(self), step):
            group = self._group(first)
            yield [batch[self.rank :: self.world] for batch in group[max(self.done - first, 0) :]]

    @property
    def batches_per_group(self) -> int:
        """How many batches are made together; the last group of an epoch may have fewer."""
        return max(GROUP_IMAGES // self.batch, 1) if self.mix and not self.cached else 1

    def batch_of(self, step: int) -> list[Draw]:
        """Say what this process's part of a batch of this epoch is made of; steps are counted from 1."""
        group, place = divmod(step - 1, self.batches_per_group)
        return self._group(group * self.batches_per_group)[place][self.rank :: self.world]

    def _group(self, first_batch: int) -> Group:
        in_epoch = first_batch * self.batch
        in_run = self.epoch * self.per_epoch + in_epoch
        indices = [self._index(in_run + i) for i in range(self.batches_per_group * self.batch)]
        lanes: list[list[int]] = [[] for _ in range(LANES)]
        for i, index in enumerate(indices):
            lanes[self._lane(i)].append(index)
        draws = [
            Draw(self.epoch, in_epoch + i, index, self.mix, self._partners(lanes[self._lane(i)], index))
            for i, index in enumerate(indices[: self.per_epoch - in_epoch])
        ]
        return [draws[i : i + self.batch] for i in range(0, len(draws), self.batch)]

    def _lane(self, place_in_group: int) -> int:
        return place_in_group % self.batch % LANES

    def _partners(self, lane: list[int], index: int) -> tuple[int, ...] | range:
        if not self.mix:
            return ()
        if self.cached:
            return range(self.count)
        return tuple(dict.fromkeys(other for other in lane if other != index))

    def _index(self, place_in_run: int) -> int:
        round_, place = divmod(place_in_run, self.count)
        return int(self._shuffle(round_)[place])

    def _shuffle(self, round_: int) -> NDArray[np.int64]:
        if getattr(self, "_shuffled", (-1, None))[0] != round_:
            self._shuffled = (round_, np.random.default_rng([self.seed, round_]).permutation(self.count))
        return self._shuffled[1]
