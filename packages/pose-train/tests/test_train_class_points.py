"""Classes with keypoints of their own: what a class lacks is learnt by nothing, and a run knows it to its end."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pose_data import PoseTargets, Sample, Skeleton
from pose_eval import PoseEvaluator
from pose_nn import RawOutputs, TorchRuntime, load_checkpoint
from pose_train import (
    BatchTargets,
    Gains,
    Likelihood,
    PoseLoss,
    ResidualFlow,
    TrainSettings,
    make_heatmaps,
    train,
    validate,
)
from pose_train.data import OneClass

SKELETON = Skeleton(
    ("nose", "left_wrist", "right_wrist", "tail"), mirror=((1, 2),), sigmas=(0.1,) * 4, classes=((0, 1, 2), (0, 3))
)
HAS = torch.tensor([[True, True, True, False], [True, False, False, True]])
OPTIONS = [
    {},
    {"alignment": "oks"},
    {"occluded": "ignored"},
    {"occluded": "own"},
    {"gains": Gains(likelihood=1.0)},
]


def targets(*labels):
    """One object of each label in an image of its own: its points are labelled, the first as hidden."""
    has = HAS[list(labels)]
    visibility = has.to(torch.uint8) * 2
    visibility[:, 0] = 1
    return BatchTargets(
        image_index=torch.arange(len(labels)),
        labels=torch.tensor(labels),
        boxes=torch.tensor([[4.0, 4.0, 28.0, 28.0]]).repeat(len(labels), 1),
        keypoints=torch.full((len(labels), 4, 2), 12.0) * has[..., None],
        visibility=visibility,
    )


def outputs(images, points=4):
    generator = torch.Generator().manual_seed(0)
    shapes = ((images, 64, 16), (images, 2, 16), (images, 12, 16), (images, 8, 16))
    drawn = [torch.randn(shape, generator=generator) for shape in shapes]
    return [values.requires_grad_() for values in drawn]


def losses(leaves, wanted, *, class_points, **options):
    """Losses with their gradients for keypoints, (B, K, 3, A), and for the spreads of the likelihood, (B, K, 2, A)."""
    boxes, scores, keypoints, spreads = leaves
    raw = RawOutputs(boxes, scores, keypoints, ((4, 4),), (8,))
    likelihood = Likelihood(spreads, ResidualFlow()) if "gains" in options else None
    result = PoseLoss(torch.full((4,), 0.1), class_points=class_points, **options)(raw, wanted, likelihood)
    result.total.backward()
    images, _, anchors = keypoints.shape
    spread_gradient = torch.zeros_like(spreads) if spreads.grad is None else spreads.grad
    return result, keypoints.grad.reshape(images, 4, 3, anchors), spread_gradient.reshape(images, 4, 2, anchors)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_loss_looks_at_a_point_that_the_class_lacks(options):
    result, gradient, spreads = losses(outputs(2), targets(0, 1), class_points=HAS, **options)
    assert result.positives > 2
    for image, label in enumerate((0, 1)):
        assert torch.count_nonzero(gradient[image][~HAS[label]]) == 0
        assert torch.count_nonzero(spreads[image][~HAS[label]]) == 0
        assert (gradient[image][HAS[label]][1:].abs().sum(dim=2) > 0).all()  # x, y and score of the others
    assert torch.isfinite(result.items).all()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_label_of_a_point_that_the_class_lacks_changes_no_loss(options):
    wanted = targets(0, 1)
    labelled = replace(wanted, visibility=torch.where(HAS, wanted.visibility, 2))
    before, after = (losses(outputs(2), people, class_points=HAS, **options)[0] for people in (wanted, labelled))
    assert torch.equal(before.items, after.items)


def test_without_classes_the_score_of_such_a_point_is_pushed_to_zero():
    _, gradient, _ = losses(outputs(1), targets(1), class_points=None)
    assert (gradient[0, 1:3, 2].sum(dim=1) > 0).all()
    assert torch.count_nonzero(gradient[0, 1:3, :2]) == 0


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_classes_that_have_all_points_have_the_losses_of_none_to_the_bit(options):
    wanted = targets(0, 1)
    plain = losses(outputs(2), wanted, class_points=None, **options)
    said = losses(outputs(2), wanted, class_points=torch.ones(2, 4, dtype=torch.bool), **options)
    assert torch.equal(plain[0].items, said[0].items)
    assert torch.equal(plain[1], said[1])


def test_a_class_costs_what_it_costs_with_its_own_points_alone():
    boxes, scores, keypoints, _ = outputs(1)
    own = torch.tensor([0, 3])
    wanted = targets(1)
    whole = PoseLoss(torch.tensor([0.1, 0.2, 0.3, 0.4]), class_points=HAS)(
        RawOutputs(boxes, scores, keypoints, ((4, 4),), (8,)), wanted
    )
    alone = PoseLoss(torch.tensor([0.1, 0.4]))(
        RawOutputs(boxes, scores, keypoints.reshape(1, 4, 3, 16)[:, own].reshape(1, 6, 16), ((4, 4),), (8,)),
        replace(wanted, keypoints=wanted.keypoints[:, own], visibility=wanted.visibility[:, own]),
    )
    torch.testing.assert_close(whole.items, alone.items)


# Runs


class Pets:
    """Eight images of 64 pixels with a person on the left and a dog on the right; implements Samples."""

    names, skeleton, keypoint_dims = ("person", "dog"), SKELETON, 3

    def __len__(self):
        return 8

    def __getitem__(self, index):
        image = np.random.default_rng(index).integers(0, 60, (64, 64, 3), np.uint8)
        image[12:52, 4:28] += 150
        image[30:54, 34:62, 0] += 150
        return Sample(image, self.targets(index), f"{index}.png")

    def targets(self, index):
        points = [[[16, 14], [6, 30], [26, 30], [0, 0]], [[36, 34], [0, 0], [0, 0], [60, 36]]]
        return PoseTargets(
            boxes=np.array([[4, 12, 28, 52], [34, 30, 62, 54]], np.float32),
            labels=np.array([0, 1]),
            keypoints=np.array(points, np.float32),
            visibility=HAS.numpy() * np.uint8(2),
            areas=np.array([500, 350], np.float32),
            crowd=np.zeros(2, np.bool_),
        )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of two epochs, with flips."""
    settings = TrainSettings(
        model="yolov8n-pose",
        project=str(tmp_path_factory.mktemp("run")),
        epochs=2,
        imgsz=64,
        batch=4,
        nbs=4,
        workers=0,
        device="cpu",
        fliplr=0.5,
    )
    return train(settings, train_samples=Pets(), val_samples=Pets())


def test_the_weights_know_which_class_has_which_points(done):
    for path in (done.best, done.last):
        card = load_checkpoint(path).card
        assert card.skeleton == SKELETON
        assert card.names == ("person", "dog")


def test_validation_counts_each_class_with_its_own_points(done, monkeypatch):
    told = {}

    class Watched(PoseEvaluator):
        def update(self, poses, targets, *, name=None):
            told.setdefault("poses", []).append(poses)
            super().update(poses, targets, name=name)

        def __init__(self, sigmas, **options):
            told.update(options)
            super().__init__(sigmas, **options)

    monkeypatch.setattr("pose_train.validation.PoseEvaluator", Watched)
    checkpoint = load_checkpoint(done.last)
    state = checkpoint.net.state_dict()
    for level in range(3):  # anchors of the finest level are surest of dogs, those of the others of people
        state[f"model.22.cv3.{level}.2.bias"] += torch.tensor([0.0, 4.0] if level == 0 else [4.0, 0.0])
    checkpoint.net.load_state_dict(state)
    result = validate(TorchRuntime(checkpoint.net, checkpoint.card), Pets(), conf=0.0)
    assert told["class_keypoints"] == SKELETON.classes
    labels = np.concatenate([poses.labels for poses in told["poses"]])
    scores = np.concatenate([poses.keypoint_scores for poses in told["poses"]])
    assert set(labels.tolist()) == {0, 1}
    assert np.array_equal(scores > 0, HAS.numpy()[labels])
    assert result.metrics.keypoints.per_class.shape == (2,)
    assert (result.metrics.keypoints.per_class >= 0).all()


def test_one_class_has_the_points_of_all(tmp_path):
    assert OneClass(Pets()).skeleton == replace(SKELETON, classes=None)
    settings = TrainSettings(
        model="yolov8n-pose",
        project=str(tmp_path / "run"),
        epochs=1,
        imgsz=64,
        batch=8,
        workers=0,
        device="cpu",
        single_cls=True,
        plots=False,
    )
    card = load_checkpoint(train(settings, train_samples=Pets(), val_samples=Pets()).last).card
    assert card.names == ("object",)
    assert card.skeleton == replace(SKELETON, classes=None)


def test_points_that_a_class_lacks_have_no_heatmap():
    wanted = replace(targets(0, 1), visibility=torch.full((2, 4), 2, dtype=torch.uint8))
    own = PoseLoss(torch.full((4,), 0.1), class_points=HAS).as_learnt(wanted)
    drawn = make_heatmaps(own, images=2, level=(4, 4), stride=8).amax(dim=(2, 3))
    assert torch.equal(drawn > 0, HAS)
    assert torch.equal(PoseLoss(torch.full((4,), 0.1)).as_learnt(wanted).visibility, wanted.visibility)
