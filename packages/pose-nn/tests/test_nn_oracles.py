"""The six networks against numbers of the reference implementation."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pose_nn import PoseNet, fuse

ORACLES = Path(__file__).parent / "oracles"
NAMES = ("yolov8n-pose", "yolov8s-pose", "yolov8m-pose", "yolov8l-pose", "yolov8x-pose", "yolov8x-pose-p6")


@pytest.fixture(scope="module", params=NAMES)
def net(request, build_seeded) -> PoseNet:
    return build_seeded(request.param)


@pytest.fixture(scope="module")
def oracle(net):
    with np.load(ORACLES / "forward.npz") as arrays:
        prefix = f"{net.name}."
        return {name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)}


@pytest.fixture(scope="module")
def images(net, seeded):
    return torch.from_numpy(seeded.seeded_image(2 if net.name == "yolov8n-pose" else 1, 128, 192))


def check(found: torch.Tensor, oracle: dict, key: str) -> None:
    # Beside 1e-4 of each value, a millionth of the largest: sums of large and small numbers end near zero.
    wanted = oracle[key]
    np.testing.assert_allclose(found.numpy()[:, :, oracle["anchors"]], wanted, rtol=1e-4, atol=1e-6 * abs(wanted).max())


def test_state_dict_has_the_published_names_and_shapes_in_order(net):
    wanted = json.loads((ORACLES / "state-dicts.json").read_text(encoding="utf-8"))[net.name]
    assert [(name, list(tensor.shape)) for name, tensor in net.state_dict().items()] == list(wanted.items())


def test_raw_outputs_are_the_reference_s(net, oracle, images):
    with torch.inference_mode():
        raw = net.raw(images)
    check(raw.boxes, oracle, "head_boxes")
    check(raw.scores, oracle, "head_scores")
    check(raw.keypoints, oracle, "head_kpts")


def test_decoded_outputs_are_the_reference_s(net, oracle, images):
    with torch.inference_mode():
        check(net(images), oracle, "decoded")


def test_fused_outputs_are_the_reference_s(net, oracle, images):
    with torch.inference_mode():
        check(fuse(net)(images), oracle, "decoded")
