"""Passes that are replayed as CUDA graphs are those of the network."""

import copy

import pytest
import torch
from pose_nn import build_network
from pose_train.replay import Replay

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")


NAMES = ("boxes", "scores", "keypoints")


@pytest.fixture
def images():
    generator = torch.Generator("cuda").manual_seed(0)
    return torch.randint(0, 255, (2, 3, 64, 96), dtype=torch.uint8, device="cuda", generator=generator)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return build_network("yolov8n-pose").cuda().train()


def test_outputs_gradients_and_statistics_are_those_of_the_network(net, images):
    other = copy.deepcopy(net)
    replay = Replay(other, precision=None)
    for _ in range(2):  # recorded, then replayed
        expected, found = net.raw(images.float() / 255), replay(images)
        for name in NAMES:
            torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-3, atol=1e-4)
        for raw in (expected, found):
            sum(getattr(raw, name).square().mean() for name in NAMES).backward()
        assert (found.levels, found.strides) == (expected.levels, expected.strides)
    for (name, mine), theirs in zip(net.named_parameters(), other.parameters(), strict=True):
        if mine.grad is not None:
            torch.testing.assert_close(theirs.grad, mine.grad, rtol=1e-2, atol=1e-5, msg=name)
    for (name, mine), theirs in zip(net.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(theirs, mine, rtol=1e-3, atol=1e-5, msg=name)


def test_another_shape_is_left_to_the_network(net, images):
    replay = Replay(net, precision=torch.bfloat16)
    assert replay(images) is not None
    assert replay(images[:1]) is None
