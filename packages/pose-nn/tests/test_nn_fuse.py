"""Folding batch norm into convolutions."""

import torch
from pose_nn import fuse, is_fused


def test_fused_network_computes_the_same(small):
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(fuse(small)(images), small(images), rtol=1e-4, atol=1e-4)


def test_names_change_as_published(small):
    names = set(fuse(small).state_dict())
    assert not [name for name in names if ".bn." in name]
    assert {name.replace(".bn.bias", ".conv.bias") for name in small.state_dict() if name.endswith("bias")} <= names


def test_network_given_stays_as_it_is(small):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    assert is_fused(fuse(small))
    assert not is_fused(small)
    assert all(torch.equal(tensor, before[name]) for name, tensor in small.state_dict().items())


def test_fusing_twice_changes_nothing(small):
    once = fuse(small)
    twice = fuse(once)
    assert all(torch.equal(tensor, once.state_dict()[name]) for name, tensor in twice.state_dict().items())
