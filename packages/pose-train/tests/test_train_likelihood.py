"""Points learnt by their likelihood: the density, its loss, and a run with the branch."""

import math

import pytest
import torch
from pose_nn import RawOutputs, build_network
from pose_train import BatchTargets, Gains, LikelihoodBranch, PoseLoss, ResidualFlow, likelihood_loss
from pose_train.student import Student
from safetensors.torch import load_file


def shaken_flow():
    torch.manual_seed(0)
    flow = ResidualFlow()
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return flow


def test_a_new_flow_is_the_normal_density():
    points = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    expected = torch.distributions.Normal(0, 1).log_prob(points).sum(dim=1)
    torch.testing.assert_close(ResidualFlow().log_density(points), expected)


def test_the_density_of_a_flow_adds_up_to_one():
    axis = torch.linspace(-12, 12, 601)
    grid = torch.cartesian_prod(axis, axis)
    flow = shaken_flow()
    with torch.no_grad():
        density = flow.log_density(grid).exp()
    assert not torch.allclose(density, ResidualFlow().log_density(grid).exp(), atol=1e-3)
    assert density.sum().item() * (24 / 600) ** 2 == pytest.approx(1, abs=1e-3)


def test_loss_is_the_laplace_and_the_residual_likelihood():
    errors, log_sigmas = torch.tensor([[0.2, -0.1]]), torch.tensor([[0.2, 0.1]]).log()
    laplace = -sum(torch.distributions.Laplace(0.0, s).log_prob(torch.tensor(e)) for e, s in ((0.2, 0.2), (-0.1, 0.1)))
    residual = (1 + 1) / 2 + math.log(2 * math.pi)
    loss = likelihood_loss(errors, log_sigmas, ResidualFlow())
    assert loss.item() == pytest.approx(laplace.item() + residual, abs=1e-5)


def test_a_point_that_is_far_away_is_still_moved():
    errors = torch.tensor([[3.0, 0.0]], requires_grad=True)
    likelihood_loss(errors, torch.full((1, 2), math.log(0.1)), ResidualFlow()).sum().backward()
    assert errors.grad[0, 0].item() >= 1 / 0.1
    assert 1 - math.exp(-(3.0**2) / (2 * (2 * 0.05) ** 2)) == 1.0  # where 1 - OKS is flat


def test_branch_gives_a_spread_for_each_coordinate_of_each_anchor():
    net = build_network("yolov8n-pose", kpt_shape=(3, 3))
    student = Student(net, with_likelihood=True).eval()
    outputs = student(torch.zeros(2, 3, 64, 64))
    assert outputs.likelihood.log_sigmas.shape == (2, 6, 64 + 16 + 4)
    assert outputs.heatmaps == ()
    assert (outputs.likelihood.log_sigmas.exp() - 0.1).abs().max() < 0.09


def make_raw(keypoints):
    """One level of one cell per image; keypoints in raw units."""
    images = len(keypoints)
    return RawOutputs(
        boxes=torch.zeros(images, 64, 1),
        scores=torch.zeros(images, 1, 1),
        keypoints=keypoints,
        levels=((1, 1),),
        strides=(32,),
    )


def test_only_labelled_points_count():
    person = BatchTargets(
        image_index=torch.tensor([0]),
        labels=torch.tensor([0]),
        boxes=torch.tensor([[0.0, 0.0, 32.0, 32.0]]),
        keypoints=torch.tensor([[[8.0, 8.0], [24.0, 8.0], [0.0, 0.0]]]),
        visibility=torch.tensor([[2, 1, 0]], dtype=torch.uint8),
    )
    keypoints = torch.zeros(1, 9, 1)
    branch = LikelihoodBranch((4,), 3)
    likelihood = branch([torch.zeros(1, 4, 1, 1)])
    loss = PoseLoss(torch.full((3,), 0.05), gains=Gains(likelihood=1.0))
    losses = {}
    for name, moved in (("labelled", 0), ("unlabelled", 2)):
        other = keypoints.clone()
        other[0, 3 * moved] = 0.7
        losses[name] = loss(make_raw(other), person, likelihood).items[5].item()
    still = loss(make_raw(keypoints), person, likelihood).items[5].item()
    assert losses["unlabelled"] == pytest.approx(still)
    assert losses["labelled"] != pytest.approx(still)


def test_run_keeps_the_branch_in_its_state_and_out_of_the_weights(tiny, tmp_path):
    result = tiny(tiny.settings(tmp_path, epochs=1, likelihood=1.0, val=False))
    assert any(
        name.startswith("likelihood.flow.") for name in load_file(result.run_folder / "weights" / "resume.safetensors")
    )
    assert load_file(result.last).keys() == build_network("yolov8n-pose").state_dict().keys()
    head = (result.run_folder / "results.csv").read_text().splitlines()[0]
    assert "loss/likelihood" in head
    assert "loss/heatmap" not in head
