"""Schedule, warm-up, averaging and optimizer groups, each against numbers worked out by hand."""

import numpy as np
import pytest
import torch
from pose_data import PoseTargets
from pose_train import TrainSettings, complete_iou, make_targets
from pose_train.ema import WeightAverage
from pose_train.optimizer import OptimizerPlan, make_optimizer, plan_optimizer
from pose_train.schedule import WarmUp, learning_rate_factor
from torch import nn


@pytest.mark.parametrize(
    ("epoch", "cosine", "factor"), [(0, False, 1.0), (5, False, 0.6), (10, False, 0.2), (5, True, 0.6), (10, True, 0.2)]
)
def test_learning_rate_goes_from_one_to_its_last_factor(epoch, cosine, factor):
    assert learning_rate_factor(epoch, epochs=10, lrf=0.2, cosine=cosine) == pytest.approx(factor)


def make_groups():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    return net, make_optimizer(net, "SGD", lr=0.1, momentum=0.9, weight_decay=0.5)


def test_only_convolution_weights_decay():
    _, optimizer = make_groups()
    assert {g["kind"]: g["weight_decay"] for g in optimizer.param_groups} == {"bias": 0.0, "norm": 0.0, "weight": 0.5}


def test_half_way_through_warm_up_rates_momentum_and_accumulation_are_half_way():
    _, optimizer = make_groups()
    warm_up = WarmUp(steps=10, bias_lr=0.3, momentum=0.8, final_momentum=0.9, accumulate=5)
    assert warm_up.apply(optimizer, 5, 1.0) == 3
    rates = {g["kind"]: g["lr"] for g in optimizer.param_groups}
    assert rates == pytest.approx({"bias": 0.2, "norm": 0.05, "weight": 0.05})
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(0.85)


def test_without_warm_up_the_first_step_is_a_whole_one():
    _, optimizer = make_groups()
    warm_up = WarmUp(steps=0, bias_lr=0.3, momentum=0.8, final_momentum=0.9, accumulate=4)
    assert warm_up.apply(optimizer, 0, 0.5) == 4
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.05] * 3)


@pytest.mark.parametrize(
    ("words", "images", "plan"),
    [
        ({}, 64_000, OptimizerPlan("AdamW", 0.002, 16)),
        ({}, 64_001, OptimizerPlan("SGD", 0.01, 64)),
        ({"nbs": 64}, 64_000, OptimizerPlan("AdamW", 0.002, 64)),
        ({"nbs": 32}, 64_000, OptimizerPlan("SGD", 0.01, 32)),
        ({"batch": 128}, 64_001, OptimizerPlan("AdamW", 0.002, 128)),
        ({"optimizer": "AdamW"}, 10, OptimizerPlan("AdamW", 0.5, 64)),
    ],
)
def test_auto_takes_adamw_for_short_runs_and_sgd_for_long_ones(words, images, plan):
    settings = TrainSettings(epochs=10, lr0=0.5, **words)
    assert plan_optimizer(settings, images=images, num_classes=1) == plan


def test_average_moves_towards_the_network_by_one_minus_its_decay():
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 0.0)
    average = WeightAverage(net, updates=1999)
    nn.init.constant_(net.weight, 1.0)
    average.update(net)
    decay = 0.9999 * (1 - np.exp(-1))
    assert average.net.weight.item() == pytest.approx(1 - decay, rel=1e-6)


def test_average_takes_no_gradient_and_leaves_the_network_alone():
    net = nn.Linear(1, 1)
    average = WeightAverage(net)
    average.update(net)
    assert not average.net.weight.requires_grad
    assert net.weight.requires_grad


def test_ciou_of_a_box_with_itself_is_one():
    box = torch.tensor([[1.0, 2.0, 5.0, 9.0]])
    torch.testing.assert_close(complete_iou(box, box), torch.tensor([1.0]))


def test_ciou_of_boxes_side_by_side_is_minus_their_distance_over_the_diagonal():
    a, b = torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[2.0, 0.0, 4.0, 2.0]])
    # IoU 0, centres 2 apart, diagonal squared 4^2 + 2^2, equal shapes
    torch.testing.assert_close(complete_iou(a, b), torch.tensor([-4 / 20]))


def test_crowds_are_not_learnt():
    people = PoseTargets(
        boxes=np.array([[0, 0, 4, 4], [0, 0, 8, 8]], np.float32),
        labels=np.zeros(2, np.int64),
        keypoints=np.zeros((2, 3, 2), np.float32),
        visibility=np.zeros((2, 3), np.uint8),
        areas=np.array([16, 64], np.float32),
        crowd=np.array([False, True]),
    )
    targets = make_targets([PoseTargets.empty(3), people])
    assert targets.image_index.tolist() == [1]
    assert targets.boxes.tolist() == [[0, 0, 4, 4]]
