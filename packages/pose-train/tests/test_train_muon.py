"""Muon: orthogonal steps of AdamW's size, AdamW's own for the rest, and the same bits after a stop."""

import pytest
import torch
from pose_nn import build_network
from pose_train import StepEvent, TrainSettings
from pose_train.muon import Muon, orthogonalise
from pose_train.optimizer import make_optimizer
from torch import nn


class StopError(Exception):
    """Ends a run in the middle of an epoch."""


@pytest.mark.parametrize("shape", [(16, 72), (72, 16), (40, 40)])
def test_singular_values_come_near_one_and_their_vectors_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonalise(matrix)
    aligned = u.T @ result @ v.T
    values = aligned.diagonal()
    assert (values > 0.6).all()
    assert (values < 1.3).all()
    assert (aligned - values.diag()).abs().max() < 1e-4


def test_orthogonal_steps_have_the_size_of_adamws():
    for shape in ((64, 64, 3, 3), (128, 32, 1, 1)):
        weight = nn.Parameter(torch.zeros(shape))
        optimizer = Muon([{"params": [weight], "orthogonal": True}], lr=0.1)
        weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        optimizer.step()
        assert weight.detach().square().mean().sqrt() == pytest.approx(0.1 * 0.2, rel=0.3)


def test_other_groups_learn_as_by_adamw():
    gradients = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    mine, theirs = (nn.Parameter(torch.ones(7)) for _ in range(2))
    muon = Muon([{"params": [mine], "weight_decay": 0.1}], lr=0.01, beta1=0.9)
    adamw = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.999), weight_decay=0.1)
    for gradient in gradients:
        mine.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        adamw.step()
    assert torch.allclose(mine, theirs, rtol=1e-6, atol=0)


def test_what_reads_images_or_gives_outputs_learns_by_adamw():
    net = build_network("yolov8n-pose")
    optimizer = make_optimizer(net, "Muon", lr=0.01, momentum=0.9, weight_decay=0.1)
    orthogonal = {id(p) for group in optimizer.param_groups if group["orthogonal"] for p in group["params"]}
    names = {n for n, p in net.named_parameters() if p.requires_grad and id(p) not in orthogonal}
    weights = {name for name in names if name.endswith("weight") and ".bn." not in name}
    ends = {f"model.22.cv{kind}.{level}.2.weight" for kind in (2, 3, 4) for level in range(3)}
    assert weights == {"model.0.conv.weight", *ends}
    learnt = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(learnt) == sorted(id(p) for p in net.parameters() if p.requires_grad)


def test_stopped_and_resumed_a_run_ends_with_the_same_bits(tiny, tmp_path, assert_same_run):
    def stop(event):
        if isinstance(event, StepEvent) and event.epoch == 2:
            raise StopError

    options = {"optimizer": "Muon", "lr0": 0.002, "nbs": 4, "save_period": -1}
    tiny(tiny.settings(tmp_path / "whole", **options))
    with pytest.raises(StopError):
        tiny(tiny.settings(tmp_path / "stopped", **options), on_event=stop)
    tiny(TrainSettings(resume=str(tmp_path / "stopped" / "run")))
    assert_same_run(tmp_path / "whole" / "run", tmp_path / "stopped" / "run")
