"""The losses and their gradients equal the reference outputs, and what can be worked out by hand."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pose_data import COCO_PERSON
from pose_nn import RawOutputs, build_network
from pose_train import BatchTargets, Gains, PoseLoss, keypoint_loss

ORACLES = Path(__file__).parent / "oracles"
CASES = ("people", "nobody", "no_keypoints_labelled", "one_image_empty")


@pytest.fixture(scope="module")
def seeded_outputs():
    """Raw outputs of the seeded n, batch norm in evaluation mode."""
    spec = importlib.util.spec_from_file_location("seeded_weights", ORACLES / "seeded_weights.py")
    seeded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded)
    net = build_network("yolov8n-pose").eval()
    state = seeded.seeded_state({name: tuple(value.shape) for name, value in net.state_dict().items()})
    net.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    with torch.no_grad():
        return net.raw(torch.from_numpy(seeded.seeded_image(2, 128, 192)))


def read_targets(oracle, case):
    size = torch.tensor([192.0, 128.0])
    boxes = torch.from_numpy(oracle[f"{case}/boxes_cxcywh_norm"])
    keypoints = torch.from_numpy(oracle[f"{case}/keypoints_norm"])
    corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)
    return BatchTargets(
        image_index=torch.from_numpy(oracle[f"{case}/batch_idx"]),
        labels=torch.zeros(len(boxes), dtype=torch.int64),
        boxes=corners * size.repeat(2),
        keypoints=keypoints[..., :2] * size,
        visibility=keypoints[..., 2].to(torch.uint8),
    )


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_equal_the_reference(seeded_outputs, case):
    with np.load(ORACLES / "losses.npz") as oracle:
        leaves = [
            t.clone().requires_grad_() for t in (seeded_outputs.boxes, seeded_outputs.scores, seeded_outputs.keypoints)
        ]
        raw = RawOutputs(*leaves, levels=seeded_outputs.levels, strides=seeded_outputs.strides)
        result = PoseLoss(torch.from_numpy(COCO_PERSON.require_sigmas()))(raw, read_targets(oracle, case))
        result.total.backward()
        np.testing.assert_allclose(result.items, oracle[f"{case}/items"], rtol=1e-4)
        np.testing.assert_allclose(result.total.item(), oracle[f"{case}/total"], rtol=1e-4)
        positives = oracle[f"{case}/positives"]
        assert result.positives == len(positives)
        for leaf, name in zip((leaves[0], leaves[2]), ("grad_boxes", "grad_kpts"), strict=True):
            wanted = oracle[f"{case}/{name}"]
            got = leaf.grad.numpy()[positives[:, 0], :, positives[:, 1]]
            np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max(initial=0))
        wanted = oracle[f"{case}/grad_scores"]
        np.testing.assert_allclose(leaves[1].grad, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


def test_a_keypoint_one_sigma_scale_away_costs_what_the_formula_says():
    # area 50, sigma 0.1: e = d^2 / (0.04 * 50 * 2) = d^2 / 4, so a distance of 2 gives e = 1
    xy = torch.tensor([[[2.0, 0.0], [0.0, 0.0], [9.0, 9.0]]])
    labelled = torch.tensor([[True, True, False]])
    loss = keypoint_loss(xy, torch.zeros(1, 3, 2), labelled, torch.tensor([50.0]), torch.full((3,), 0.1))
    # two of three points count: each weighs 3 / 2, and the mean is over three
    assert loss.item() == pytest.approx((1 - math.exp(-1)) / 2)


@pytest.mark.parametrize(("smallest_side", "learnt"), [(0.0, False), (16.0, True)])
def test_somebody_between_the_cells_is_learnt_when_small_boxes_are_enlarged(seeded_outputs, smallest_side, learnt):
    person = BatchTargets(
        image_index=torch.zeros(1, dtype=torch.int64),
        labels=torch.zeros(1, dtype=torch.int64),
        boxes=torch.tensor([[61.0, 61.0, 67.0, 67.0]]),  # the cells around have their centres at 60 and 68
        keypoints=torch.full((1, 17, 2), 64.0),
        visibility=torch.full((1, 17), 2, dtype=torch.uint8),
    )
    loss = PoseLoss(torch.from_numpy(COCO_PERSON.require_sigmas()), smallest_side=smallest_side)
    assert (loss(seeded_outputs, person).positives > 0) == learnt


def test_nobody_labelled_costs_nothing():
    loss = keypoint_loss(
        torch.ones(2, 3, 2), torch.zeros(2, 3, 2), torch.zeros(2, 3, dtype=torch.bool), torch.ones(2), torch.ones(3)
    )
    assert loss.item() == 0


def test_gains_scale_their_loss_alone(seeded_outputs):
    with np.load(ORACLES / "losses.npz") as oracle:
        targets = read_targets(oracle, "people")
    sigmas = torch.from_numpy(COCO_PERSON.require_sigmas())
    once = PoseLoss(sigmas)(seeded_outputs, targets).items
    twice = PoseLoss(sigmas, gains=Gains(pose=24.0))(seeded_outputs, targets).items
    np.testing.assert_allclose(twice / once, [1, 2, 1, 1, 1], rtol=1e-6)


def test_two_numbers_per_keypoint_have_no_visibility_loss():
    torch.manual_seed(0)
    raw = RawOutputs(torch.randn(1, 64, 16), torch.randn(1, 1, 16), torch.randn(1, 6, 16), ((4, 4),), (8,))
    targets = BatchTargets(
        image_index=torch.tensor([0]),
        labels=torch.tensor([0]),
        boxes=torch.tensor([[2.0, 2.0, 30.0, 30.0]]),
        keypoints=torch.full((1, 3, 2), 10.0),
        visibility=torch.full((1, 3), 2, dtype=torch.uint8),
    )
    items = PoseLoss(torch.full((3,), 0.1), keypoint_dims=2)(raw, targets).items
    assert items[2] == 0
    assert items[1] > 0
