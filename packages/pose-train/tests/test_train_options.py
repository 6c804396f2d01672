"""What settings change in what is learnt: classes, sizes, layers, hidden points, the measure of assignment."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from pose_data import DrawnPeople, PoseTargets, Sample, SettingsError, open_dataset, read_data_settings, write_people
from pose_nn import RawOutputs, load_checkpoint
from pose_train import (
    LOSS_NAMES,
    BatchTargets,
    Gains,
    Likelihood,
    MessageEvent,
    PoseLoss,
    ResidualFlow,
    assign,
    make_batch,
    train,
)
from pose_train.data import OneClass, image_name, open_run_data
from pose_train.interrupts import Interrupts
from pose_train.kept_images import KeptImages, StoredImages
from pose_train.learner import resize_batch
from pose_train.optimizer import ignored_settings, make_optimizer
from pose_train.settings import OPTIMIZERS
from safetensors.torch import load_file

ANCHORS = torch.tensor([[4.0, 12.0, 20.0, 28.0], [4.0, 4.0, 4.0, 4.0]])  # a row of four cells of 8 px


def one_person(visibility=(2, 2, 2)):
    return BatchTargets(
        image_index=torch.tensor([0]),
        labels=torch.tensor([0]),
        boxes=torch.tensor([[0.0, 0.0, 32.0, 8.0]]),
        keypoints=torch.full((1, 3, 2), 4.0),
        visibility=torch.tensor([visibility], dtype=torch.uint8),
    )


def test_with_a_similarity_the_anchor_with_the_right_keypoints_wins_over_its_equals():
    boxes = torch.tensor([[[0.0, 0.0, 32.0, 8.0]] * 4])
    alike = torch.tensor([0.25, 1.0, 0.5, 0.25])
    found = assign(
        torch.full((1, 1, 4), 0.25), boxes, ANCHORS, one_person(), topk=2, similarity=lambda i, a, p: alike[a]
    )
    assert found.anchor.tolist() == [1, 2]
    # overlap is sqrt(1 * s), and the metric 0.25^0.5 * overlap^6: the best is asked for 1, the other for 0.5^3
    torch.testing.assert_close(found.score, torch.tensor([1.0, 0.5**3]), atol=1e-5, rtol=0)


def raw_outputs(visibility_logit=0.0):
    """Four cells whose boxes are the person's, whose score logits are 2, and whose keypoints are at their corners."""
    keypoints = torch.zeros(1, 9, 4)
    keypoints[:, 2::3] = visibility_logit
    boxes = torch.zeros(1, 4, 16, 4)
    for cell in range(4):
        for side, distance in enumerate((cell + 0.5, 0.5, 3.5 - cell, 0.5)):
            boxes[0, side, int(distance) : int(distance) + 2, cell] = 30  # half and half: their mean
    return RawOutputs(boxes.reshape(1, 64, 4), torch.full((1, 1, 4), 2.0), keypoints, ((1, 4),), (8,))


def test_oks_alignment_looks_at_the_keypoints_of_each_anchor():
    sigmas = torch.full((3,), 0.5)
    by_boxes = PoseLoss(sigmas)(raw_outputs(), one_person())
    # all boxes are perfect: every cell is asked for the score 1
    assert by_boxes.items[3].item() == pytest.approx(0.5 * math.log(1 + math.exp(-2)), rel=1e-4)
    by_both = PoseLoss(sigmas, alignment="oks")(raw_outputs(), one_person())
    # corners are 8 i, 0 and the points 4, 4, in pixels; e is d^2 over (2 * 0.5)^2 * 256 * 2
    alike = [math.exp(-((8 * i - 4) ** 2 + 16) / 512 / 2) for i in range(4)]  # sqrt(OKS)
    asked = [alike[0] * (u / alike[0]) ** 6 for u in alike]
    cost = sum(math.log(1 + math.exp(2)) - 2 * score for score in asked) / sum(asked)
    assert by_both.items[3].item() == pytest.approx(0.5 * cost, rel=1e-4)


def test_oks_alignment_of_people_without_keypoints_is_that_of_their_boxes():
    nobody_labelled = one_person((0, 0, 0))
    plain = PoseLoss(torch.full((3,), 0.5))(raw_outputs(), nobody_labelled)
    with_oks = PoseLoss(torch.full((3,), 0.5), alignment="oks")(raw_outputs(), nobody_labelled)
    # sqrt(CIoU) in place of CIoU: another scale, the same anchors
    assert with_oks.positives == plain.positives
    assert torch.isfinite(with_oks.items).all()


@pytest.mark.parametrize(
    ("occluded", "kobj"),
    [
        # logit z = log 3, p = 3/4: visible points cost log 4/3, others log 4; the person has v = 2, 1, 0
        ("visible", (2 * math.log(4 / 3) + math.log(4)) / 3),
        ("ignored", (math.log(4 / 3) + math.log(4)) / 2),
        ("own", (math.log(4 / 3) + (math.log(4 / 3) + math.log(4)) / 2 + math.log(4)) / 3),
    ],
)
def test_a_hidden_keypoint_is_what_the_policy_says_to_the_visibility_loss(occluded, kobj):
    loss = PoseLoss(torch.full((3,), 0.5), occluded=occluded)
    items = loss(raw_outputs(math.log(3)), one_person((2, 1, 0))).items
    assert items[2].item() == pytest.approx(kobj, rel=1e-5)


def test_the_place_of_a_hidden_keypoint_is_learnt_unless_it_is_ignored():
    targets = one_person((2, 1, 0))
    targets.keypoints[0, 0] = 0.0  # the first anchor's prediction, so that only the hidden point is wrong there
    costs = {
        policy: PoseLoss(torch.full((3,), 0.5), occluded=policy)(raw_outputs(), targets).items[1].item()
        for policy in ("visible", "ignored", "own")
    }
    assert costs["visible"] == costs["own"] != costs["ignored"]


def all_losses(targets, *, occluded, alignment):
    torch.manual_seed(0)
    raw = raw_outputs()
    raw = replace(raw, boxes=raw.boxes + torch.randn(raw.boxes.shape))  # some are better than others
    likelihood = Likelihood(torch.randn(1, 6, 4), ResidualFlow())
    gains = Gains(likelihood=1.0)
    loss = PoseLoss(torch.full((3,), 0.5), alignment=alignment, occluded=occluded, gains=gains)
    return dict(zip((*LOSS_NAMES, "likelihood"), loss(raw, targets, likelihood).items.tolist(), strict=True))


@pytest.mark.parametrize("alignment", ["iou", "oks"])
@pytest.mark.parametrize("occluded", ["visible", "ignored", "own"])
def test_where_an_ignored_point_is_changes_no_loss_and_where_a_learnt_one_is_all_that_look_at_it(occluded, alignment):
    before, after = one_person((2, 1, 0)), one_person((2, 1, 0))
    after.keypoints[0, 1] = torch.tensor([28.0, 4.0])
    before, after = (all_losses(targets, occluded=occluded, alignment=alignment) for targets in (before, after))
    changed = {name for name in before if before[name] != after[name]}
    look = {"pose", "likelihood"} | ({"box", "cls", "dfl"} if alignment == "oks" else set())
    assert changed == (set() if occluded == "ignored" else look)


class HiddenNose:
    """Drawn people whose nose is hidden, so many pixels to the right; implements Samples."""

    def __init__(self, moved):
        self.people, self.moved = DrawnPeople(4, size=64, seed=1), moved
        self.names, self.skeleton, self.keypoint_dims = self.people.names, self.people.skeleton, 3

    def __len__(self):
        return len(self.people)

    def __getitem__(self, index):
        return replace(self.people[index], targets=self.targets(index))

    def targets(self, index):
        targets = self.people.targets(index)
        keypoints, visibility = targets.keypoints.copy(), targets.visibility.copy()
        keypoints[:, 0] = [20 + self.moved, 30]
        visibility[:, 0] = 1
        return replace(targets, keypoints=keypoints, visibility=visibility)


@pytest.mark.parametrize("occluded", ["ignored", "own"])
def test_a_run_with_every_loss_learns_the_same_wherever_the_ignored_points_are(tiny, tmp_path, occluded):
    nets, tables = [], []
    for moved in (0, 8):
        settings = tiny.settings(
            tmp_path / str(moved),
            epochs=1,
            val=False,
            occluded=occluded,
            heatmap=1.0,
            likelihood=1.0,
            mosaic=0.0,  # which cuts points off
            translate=0.0,
            scale=0.0,
        )
        done = train(settings, train_samples=HiddenNose(moved), val_samples=HiddenNose(moved))
        nets.append(load_file(done.last))
        tables.append((done.run_folder / "results.csv").read_text())
    assert (tables[0] == tables[1]) == (occluded == "ignored")
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0]) == (occluded == "ignored")


def test_a_resized_batch_takes_its_people_along():
    people = PoseTargets(
        boxes=np.array([[8, 16, 24, 32]], np.float32),
        labels=np.zeros(1, np.int64),
        keypoints=np.full((1, 3, 2), 16, np.float32),
        visibility=np.full((1, 3), 2, np.uint8),
        areas=np.array([256], np.float32),
        crowd=np.zeros(1, np.bool_),
    )
    batch = resize_batch(make_batch([(np.full((64, 64, 3), 7, np.uint8), people)]), 96)
    assert batch.images.shape == (1, 3, 96, 96)
    assert (batch.images == 7).all()
    assert batch.targets.boxes.tolist() == [[12, 24, 36, 48]]
    assert batch.targets.keypoints[0, 0].tolist() == [24, 24]


def test_multi_scale_and_single_class_train(tiny, tmp_path):
    result = tiny(tiny.settings(tmp_path, epochs=1, multi_scale=0.5, single_cls=True, val=False))
    assert load_checkpoint(result.last).card.names == ("person",)


class ReadPeople(DrawnPeople):
    """Drawn people that remember which pictures were read."""

    def __init__(self, count):
        super().__init__(count, size=64)
        self.read = set()

    def __getitem__(self, index):
        self.read.add(index)
        return super().__getitem__(index)


@pytest.mark.parametrize("cache", [False, "ram"])
def test_a_fraction_of_the_images_is_all_that_is_read_for_mosaics_too(cache, tiny, tmp_path):
    people = ReadPeople(12)
    settings = tiny.settings(
        tmp_path, epochs=3, fraction=0.25, cache=cache, mosaic=1.0, mixup=1.0, close_mosaic=0, val=False
    )
    train(settings, train_samples=people)
    assert people.read == {0, 1, 2}


class TwoKinds(DrawnPeople):
    """Drawn people of two classes."""

    @property
    def names(self):
        return ("child", "grown-up")

    def targets(self, index):
        people = super().targets(index)
        people.labels[::2] = 1
        return people

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return Sample(sample.image, self.targets(index), sample.name)


def test_one_class_takes_all_for_one():
    samples = OneClass(TwoKinds(4, size=64))
    assert samples.names == ("object",)
    assert all((samples.targets(i).labels == 0).all() and (samples[i].targets.labels == 0).all() for i in range(4))


def test_layers_of_a_list_are_frozen_and_others_learn(tiny, tmp_path):
    start = tiny(tiny.settings(tmp_path, epochs=1, val=False, seed=5))
    before = load_file(start.last)
    after = load_file(tiny(tiny.settings(tmp_path, model=str(start.last), epochs=1, freeze=(1,), val=False)).last)
    assert torch.equal(before["model.1.conv.weight"], after["model.1.conv.weight"])
    assert not torch.equal(before["model.0.conv.weight"], after["model.0.conv.weight"])


def test_freeze_of_a_layer_that_is_not_there_is_refused(tiny, tmp_path):
    with pytest.raises(SettingsError, match="layers must be from 0 to 22; got 23"):
        tiny(tiny.settings(tmp_path, freeze=(23,)))


@pytest.mark.parametrize(
    ("freeze", "message"),
    [(23, "must leave a layer that learns; got all 23"), (30, "must be a number of layers up to 22, of 23; got 30")],
)
def test_freeze_of_all_layers_or_of_more_is_refused(tiny, tmp_path, freeze, message):
    with pytest.raises(SettingsError, match=f"^freeze: {message}"):
        tiny(tiny.settings(tmp_path, freeze=freeze))


def test_what_auto_does_not_look_at_is_said_where_it_was_given(tiny, tmp_path):
    said = []
    settings = tiny.settings(tmp_path, epochs=1, val=False, lr0=0.001, momentum=0.8)
    tiny(settings, on_event=lambda event: said.append(event.text) if isinstance(event, MessageEvent) else None)
    assert [line for line in said if "leaves out" in line] == [
        "optimizer=auto chooses for itself and leaves out lr0=0.001, momentum=0.8; to have it, name one, such as "
        "optimizer=AdamW"
    ]
    assert ignored_settings(tiny.settings(tmp_path)) == []
    assert ignored_settings(tiny.settings(tmp_path, optimizer="SGD", lr0=0.001)) == []


@pytest.mark.parametrize("name", ["Adam", "Muon"])
def test_a_momentum_that_never_lets_go_is_refused(tiny, tmp_path, name):
    with pytest.raises(SettingsError, match=f"momentum must be below 1 with optimizer={name}; got 1"):
        tiny(tiny.settings(tmp_path, optimizer=name, momentum=1.0))


def test_pretrained_weights_are_taken_and_reported_and_named_in_the_card(tiny, tmp_path):
    start = tiny(tiny.settings(tmp_path, epochs=1, val=False))
    said = []
    result = tiny(
        tiny.settings(tmp_path, epochs=1, val=False, pretrained=str(start.last), lr0=0.0, optimizer="SGD"),
        on_event=lambda event: said.append(event.text) if isinstance(event, MessageEvent) else None,
    )
    assert f"{start.last}: 397 of 397 tensors taken" in said
    assert "last.safetensors" in load_checkpoint(result.last).card.provenance


def test_without_pretrained_a_checkpoint_gives_its_network_alone(tiny, tmp_path):
    start = tiny(tiny.settings(tmp_path, epochs=1, val=False))
    fresh = tiny(tiny.settings(tmp_path, epochs=1, val=False, model=str(start.last), pretrained=False))
    first, second = load_file(start.last), load_file(fresh.last)
    assert all(torch.equal(first[name], second[name]) for name in first)  # both from scratch, with one seed


def test_an_epoch_of_fewer_images_than_the_nominal_batch_has_a_step(tiny, tmp_path):
    still = tiny(tiny.settings(tmp_path, epochs=1, val=False, optimizer="AdamW", lr0=0.0))
    learnt = tiny(tiny.settings(tmp_path, epochs=1, val=False, optimizer="AdamW", nbs=64))
    first, second = load_file(still.last), load_file(learnt.last)
    assert not torch.equal(first["model.0.conv.weight"], second["model.0.conv.weight"])


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "auto"])
def test_every_optimizer_steps_downhill(name):
    net = torch.nn.Conv2d(1, 1, 1)
    optimizer = make_optimizer(net, name, lr=0.01, momentum=0.9, weight_decay=0.0)
    before = net.weight.item()
    net(torch.ones(1, 1, 1, 1)).sum().backward()
    optimizer.step()
    assert net.weight.item() < before


def test_images_are_stored_once_and_read_back_the_same(tmp_path):
    dataset = open_dataset(read_data_settings(write_people(tmp_path / "people", train=3, val=1, size=64)), "train")
    stored = StoredImages(dataset, tmp_path / "cache")
    stored.fill(len(stored), Interrupts())
    assert len(list((tmp_path / "cache").iterdir())) == 3
    for index in range(3):
        assert (stored[index].image == dataset[index].image).all()
        assert stored[index].name == dataset[index].name
    smaller = StoredImages(dataset.shrunk(32), tmp_path / "cache")
    assert smaller[0].image.shape == (32, 32, 3)
    assert stored[0].image.shape == (64, 64, 3)


def test_images_are_read_no_larger_than_they_are_learnt(tiny, tmp_path):
    data = write_people(tmp_path / "people", train=2, val=1, size=128)
    opened = open_run_data(tiny.settings(tmp_path, data=str(data), imgsz=64), None, None)
    assert opened.learnt[0].image.shape == (64, 64, 3)
    assert opened.held_out[0].image.shape == (128, 128, 3)


def test_images_that_are_no_files_are_not_stored(tiny, tmp_path):
    with pytest.raises(SettingsError, match="use cache=ram"):
        tiny(tiny.settings(tmp_path, cache="disk"))


def test_images_in_memory_are_read_once():
    class Counted(DrawnPeople):
        reads = 0

        def __getitem__(self, index):
            self.reads += 1
            return super().__getitem__(index)

    samples = Counted(3, size=64)
    kept = KeptImages(samples)
    kept.fill(len(kept), Interrupts())
    assert (kept[2].image == kept[2].image).all()
    assert samples.reads == 3


def test_an_image_is_named_by_its_file(tmp_path):
    dataset = open_dataset(read_data_settings(write_people(tmp_path / "people", train=1, val=1, size=64)), "train")
    assert image_name(OneClass(dataset), 0) == str(dataset.image_path(0))
