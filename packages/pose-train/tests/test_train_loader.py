"""Order, groups and mixing of the training images, and how often each is read."""

from multiprocessing import get_start_method

import numpy as np
import pytest
import torch
from pose_data import AugmentSettings, DataError, DrawnPeople, PoseTargets
from pose_train import Batch, BatchTargets, make_batch
from pose_train.kept_images import KeptImages
from pose_train.loader import AugmentedImages, _Tasks, make_loader
from pose_train.order import EpochOrder
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


def test_images_are_mixed_with_those_of_their_group_so_that_each_is_read_once():
    people = CountedPeople(256, size=32)
    images = AugmentedImages(people, 32, AugmentSettings(mosaic=1.0), seed=0)
    order = EpochOrder(256, batch=16, per_epoch=256, seed=0)
    assert [len(batch.images) for batch in make_loader(images, order, workers=0, pin_memory=False)] == [16] * 16
    assert sorted(people.read) == list(range(256))


@pytest.mark.parametrize(("world", "batch"), [(2, 16), (4, 16), (2, 6), (2, 15)])
def test_processes_do_not_read_what_is_mixed_into_the_images_of_others(world, batch):
    count = 8 * EpochOrder(1, batch=batch, per_epoch=1, seed=0).batches_per_group * batch
    read = []
    for rank in range(world):
        people = CountedPeople(count, size=32)
        images = AugmentedImages(people, 32, AugmentSettings(mosaic=1.0), seed=0)
        order = EpochOrder(count, batch=batch, per_epoch=count, seed=0, rank=rank, world=world)
        for _ in make_loader(images, order, workers=0, pin_memory=False):
            pass
        read += people.read
    assert sorted(read) == list(range(count))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("count", [2, 8, 200, 1000])
def test_an_image_is_mixed_with_others_each_of_them_once(count, seed):
    order = EpochOrder(count, batch=8, per_epoch=300, seed=seed)
    for order.epoch in range(3):
        for draw in (draw for group in order for batch in group for draw in batch):
            assert draw.index not in draw.partners
            assert len(set(draw.partners)) == len(draw.partners) >= min(count - 1, 3)


def test_a_batch_at_the_end_of_an_epoch_is_mixed_with_images_of_the_next():
    *_, group = EpochOrder(130, batch=16, per_epoch=130, seed=1)
    assert [len(batch) for batch in group] == [2]
    assert all(len(draw.partners) >= 14 for draw in group[0])


def test_an_epoch_that_goes_on_within_a_group_has_the_batches_that_were_left():
    order = EpochOrder(150, batch=16, per_epoch=150, seed=1, rank=1, world=2)
    whole = [batch for group in order for batch in group]
    order.done = 6
    assert [batch for group in order for batch in group] == whole[6:]
    assert [order.batch_of(step) for step in range(1, 11)] == whole


def test_cached_images_are_mixed_with_any_other():
    people = DrawnPeople(500, size=32, seed=0)
    images = AugmentedImages(people, 32, AugmentSettings(mosaic=1.0), seed=0)
    order = EpochOrder(500, batch=16, per_epoch=160, seed=0, cached=True)
    draws = [draw for group in order for batch in group for draw in batch]
    assert [len(group) for group in order] == [1] * 10
    mixed = {index for draw in draws for index in images.sources(draw)[1:]}
    assert len(mixed) > 250  # a group would have 160
    assert all(len(set(images.sources(draw))) == 4 for draw in draws)


@pytest.mark.parametrize("mix", [True, False])
@pytest.mark.parametrize("batch", [1, 5, 16, 48, 64, 100])
def test_batches_of_any_size_make_an_epoch(batch, mix):
    order = EpochOrder(230, batch=batch, per_epoch=230, seed=0)
    order.mix = mix
    batches = [one for group in order for one in group]
    assert len(batches) == len(order)
    assert sorted(draw.index for one in batches for draw in one) == list(range(230))
    assert [draw.place for one in batches for draw in one] == list(range(230))
    assert {bool(draw.partners) for one in batches for draw in one} == {mix}


def test_an_image_that_comes_twice_in_an_epoch_is_another_each_time():
    images = AugmentedImages(DrawnPeople(4, size=32, seed=0), 32, AugmentSettings(), seed=0)
    order = EpochOrder(4, batch=4, per_epoch=20, seed=0)
    order.mix = False
    batches = torch.cat([batch.images for batch in make_loader(images, order, workers=0, pin_memory=False)])
    assert len({image.numpy().tobytes() for image in batches}) == 20


def made(*, workers=0, done=0, rank=0, world=1):
    """The batches of 150 images, as one process makes them, or its part."""
    images = AugmentedImages(DrawnPeople(150, size=32, seed=0), 32, AugmentSettings(), seed=0)
    order = EpochOrder(150, batch=16, per_epoch=150, seed=0, rank=rank, world=world)
    order.done = done
    return [batch.images for batch in make_loader(images, order, workers=workers, pin_memory=False)]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_from_workers_and_after_a_stop_within_a_group(workers):
    whole = made()
    assert len(whole) == 10
    assert all(torch.equal(a, b) for a, b in zip(made(workers=workers), whole, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(made(workers=workers, done=6), whole[6:], strict=True))


def test_processes_make_together_what_one_makes():
    for whole, *parts in zip(made(), *(made(rank=rank, world=2) for rank in (0, 1)), strict=True):
        for rank, part in enumerate(parts):
            assert torch.equal(part, whole[rank::2])


def test_what_is_said_to_be_in_a_batch_is_what_was_read_for_it():
    people = CountedPeople(40, size=32)
    images = AugmentedImages(people, 32, AugmentSettings(mosaic=1.0), seed=0)
    order = EpochOrder(40, batch=40, per_epoch=40, seed=0)
    list(make_loader(images, order, workers=0, pin_memory=False))
    read, people.read = people.read, []
    said = {index for draw in order.batch_of(1) for index in images.sources(draw)}
    assert said == set(read)


def test_batches_before_an_image_that_cannot_be_read_are_learnt():
    class Damaged(CountedPeople):
        def __getitem__(self, index):
            if index == bad:
                raise DataError("damaged")
            return super().__getitem__(index)

    order = EpochOrder(64, batch=16, per_epoch=64, seed=0)
    ((*_, last),) = order
    bad = last[5].index
    images = AugmentedImages(Damaged(64, size=32), 32, AugmentSettings(mosaic=0.0), seed=0)
    batches = iter(make_loader(images, order, workers=0, pin_memory=False))
    assert [len(next(batches).images) for _ in range(3)] == [16, 16, 16]
    with pytest.raises(DataError, match="damaged"):
        next(batches)


def test_few_groups_are_cut_so_that_every_worker_has_a_task():
    order = EpochOrder(200, batch=8, per_epoch=200, seed=0)
    tasks = list(_Tasks(order, workers=8))
    assert [batch for task in tasks for batch in task] == [batch for group in order for batch in group]
    assert len(tasks) >= 8
    assert len(list(_Tasks(order, workers=1))) == 4


def test_images_of_a_group_are_kept_no_larger_than_they_are_learnt():
    kept = KeptImages(DrawnPeople(2, size=128, seed=0), longest=32)
    assert kept[0].image.shape == (32, 32, 3)
    np.testing.assert_allclose(kept.targets(0).boxes, DrawnPeople(2, size=128, seed=0).targets(0).boxes / 4)


@pytest.mark.skipif(get_start_method() != "fork", reason="what is changed here reaches no worker that isn't forked")
def test_a_batch_that_finds_no_room_in_shared_memory_comes_through_a_pipe(monkeypatch):
    def full(_batch):
        raise RuntimeError("unable to allocate shared memory")

    images = AugmentedImages(DrawnPeople(8, size=32, seed=0), 32, AugmentSettings(), seed=0)
    order = EpochOrder(8, batch=4, per_epoch=8, seed=0)
    expected = list(make_loader(images, order, workers=0, pin_memory=False))
    monkeypatch.setattr(Batch, "share_memory", full)
    found = list(make_loader(images, order, workers=1, pin_memory=False))
    assert len(found) == 2
    for one, other in zip(found, expected, strict=True):
        assert not one.images.is_shared()
        assert all(map(torch.equal, one.tensors(), other.tensors()))


def test_batches_are_pinned_whole(monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    batch = make_batch([(np.zeros((8, 8, 3), np.uint8), PoseTargets.empty(17))])
    copy, error = pin_memory.pin_memory([batch, DataError("damaged")])
    assert isinstance(copy, Batch)
    assert isinstance(error, DataError)
    assert len(pinned) == 1 + len(BatchTargets.__annotations__)
