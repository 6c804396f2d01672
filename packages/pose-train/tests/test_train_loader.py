"""Order, groups and mixing of the training images, and how often each is read."""

import numpy as np
import pytest
import torch
from pose_data import AugmentSettings, DrawnPeople, PoseTargets
from pose_train import Batch, BatchTargets, make_batch
from pose_train.loader import AugmentedImages, EpochOrder, make_loader
from torch.utils.data._utils import pin_memory


class CountedPeople:
    """Drawn people that note which of them were read."""

    def __init__(self, count, size):
        self.inner, self.read = DrawnPeople(count, size=size, seed=0), []
        self.names, self.skeleton, self.keypoint_dims = self.inner.names, self.inner.skeleton, 3

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        self.read.append(index)
        return self.inner[index]

    def targets(self, index):
        return self.inner.targets(index)


def test_an_epoch_shows_every_image_once():
    batches = [batch for group in EpochOrder(10, batch=4, per_epoch=10, seed=0) for batch in group]
    assert [len(b) for b in batches] == [4, 4, 2]
    assert sorted(draw.index for b in batches for draw in b) == list(range(10))


def test_short_epochs_go_through_the_whole_set_before_they_repeat():
    order = EpochOrder(6, batch=3, per_epoch=3, seed=0)
    seen = []
    for order.epoch in (0, 1):
        seen += [draw.index for group in order for batch in group for draw in batch]
    assert sorted(seen) == list(range(6))


def test_order_depends_on_seed_and_epoch_alone():
    first, second = EpochOrder(50, batch=50, per_epoch=50, seed=3), EpochOrder(50, batch=50, per_epoch=50, seed=3)
    list(first)
    first.epoch = second.epoch = 4
    assert list(first) == list(second)


def test_images_are_mixed_with_those_of_their_group_so_that_each_is_read_once(tmp_path):
    people = CountedPeople(256, size=32)
    images = AugmentedImages(people, 32, AugmentSettings(mosaic=1.0), seed=0)
    order = EpochOrder(256, batch=16, per_epoch=256, seed=0)
    assert [len(batch.images) for batch in make_loader(images, order, workers=0, pin_memory=False)] == [16] * 16
    assert sorted(people.read) == list(range(256))


@pytest.mark.parametrize("world", [2, 4])
def test_processes_do_not_read_what_is_mixed_into_the_images_of_others(world):
    read = []
    for rank in range(world):
        people = CountedPeople(256, size=32)
        images = AugmentedImages(people, 32, AugmentSettings(mosaic=1.0), seed=0)
        order = EpochOrder(256, batch=16, per_epoch=256, seed=0, rank=rank, world=world)
        assert (
            sum(len(batch.images) for batch in make_loader(images, order, workers=0, pin_memory=False)) == 256 / world
        )
        read += people.read
    assert sorted(read) == list(range(256))


def test_an_image_is_not_mixed_with_itself_and_has_enough_others():
    for group in EpochOrder(200, batch=8, per_epoch=200, seed=1):
        for draw in (draw for batch in group for draw in batch):
            assert draw.index not in draw.partners
            assert len(set(draw.partners)) == 15


def test_a_batch_at_the_end_of_an_epoch_is_mixed_with_images_of_the_next():
    *_, group = EpochOrder(130, batch=16, per_epoch=130, seed=1)
    assert [len(batch) for batch in group] == [2]
    assert all(len(draw.partners) == 15 for draw in group[0])


def test_an_epoch_that_goes_on_within_a_group_has_the_batches_that_were_left():
    order = EpochOrder(150, batch=16, per_epoch=150, seed=1, rank=1, world=2)
    whole = [batch for group in order for batch in group]
    order.done = 6
    assert [batch for group in order for batch in group] == whole[6:]
    assert [order.batch_of(step) for step in range(1, 11)] == whole


@pytest.mark.parametrize("batch", [1, 5, 16, 48, 64, 100])
def test_batches_of_any_size_make_an_epoch(batch):
    order = EpochOrder(230, batch=batch, per_epoch=230, seed=0)
    batches = [one for group in order for one in group]
    assert len(batches) == len(order)
    assert sorted(draw.index for one in batches for draw in one) == list(range(230))
    assert min(len(draw.partners) for one in batches for draw in one) >= 11


def test_batches_are_pinned_whole(monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    batch = make_batch([(np.zeros((8, 8, 3), np.uint8), PoseTargets.empty(17))])
    (copy,) = pin_memory.pin_memory([batch])
    assert isinstance(copy, Batch)
    assert len(pinned) == 1 + len(BatchTargets.__annotations__)
