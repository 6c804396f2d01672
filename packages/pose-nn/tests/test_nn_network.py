"""Building networks, and what comes out of them."""

import math

import pytest
import torch
from pose_data import SettingsError
from pose_nn import NETWORK_NAMES, RawOutputs, build_network


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_every_name_builds_with_its_strides(name):
    with torch.device("meta"):
        net = build_network(name)
        decoded = net.eval()(torch.empty(1, 3, 128, 64))
    strides = (8, 16, 32, 64) if name.endswith("p6") else (8, 16, 32)
    assert net.strides == strides
    assert net.stride == strides[-1]
    assert decoded.shape == (1, 56, sum(128 * 64 // stride**2 for stride in strides))


def test_yaml_behind_a_name_is_the_same_network():
    with torch.device("meta"):
        assert build_network("yolov8m-pose-p6.yaml").name == "yolov8m-pose-p6"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("yolov8n-pos", "yolov8n-pose"), ("YOLOv8L-pose", "yolov8l-pose"), ("yolo8x-pose6", "yolov8x-pose")],
)
def test_unknown_name_is_an_error_with_the_nearest(name, nearest):
    with pytest.raises(SettingsError, match=f"got '{name}'; did you mean '{nearest}"):
        build_network(name)


@pytest.mark.parametrize("shape", [{"num_classes": 0}, {"kpt_shape": (0, 3)}, {"kpt_shape": (3, 4)}])
def test_impossible_counts_are_errors(shape):
    with pytest.raises(SettingsError, match="must be"):
        build_network("yolov8n-pose", **shape)


def test_training_gives_raw_outputs(small):
    net = build_network("yolov8n-pose", num_classes=2, kpt_shape=(3, 3))
    raw = net(torch.zeros(2, 3, 64, 96))
    assert isinstance(raw, RawOutputs)
    assert raw.levels == ((8, 12), (4, 6), (2, 3))
    assert raw.strides == (8, 16, 32)
    assert raw.boxes.shape == (2, 64, 126)
    assert raw.scores.shape == (2, 2, 126)
    assert raw.keypoints.shape == (2, 9, 126)


def test_two_dimensions_give_no_visibility(build_seeded):
    net = build_seeded("yolov8n-pose", num_classes=2, kpt_shape=(3, 2))
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 4 + 2 + 6, 21)


def test_scores_and_visibilities_are_between_0_and_1(small):
    with torch.inference_mode():
        rows = small(torch.rand(1, 3, 64, 64))
    scores = torch.cat((rows[:, 4:6], rows[:, 8::3]), dim=1)
    assert scores.shape[1] == 5
    assert 0 < scores.min() < scores.max() < 1


def test_head_starts_from_the_prior():
    head = build_network("yolov8n-pose", num_classes=2).head
    for level, stride in enumerate((8, 16, 32)):
        assert set(head.cv2[level][-1].bias.tolist()) == {2.0}
        prior = math.log(5 / 2 / (640 / stride) ** 2)
        assert head.cv3[level][-1].bias.tolist() == pytest.approx([prior, prior])


def test_distance_bins_are_frozen():
    net = build_network("yolov8n-pose")
    assert [name for name, p in net.named_parameters() if not p.requires_grad] == ["model.22.dfl.conv.weight"]
    assert net.head.dfl.conv.weight.flatten().tolist() == list(range(16))


def test_half_precision_is_decoded_in_float32(small):
    raw = small.raw(torch.zeros(1, 3, 32, 32))
    halved = RawOutputs(raw.boxes.half(), raw.scores.half(), raw.keypoints.half(), raw.levels, raw.strides)
    wanted = RawOutputs(halved.boxes.float(), halved.scores.float(), halved.keypoints.float(), raw.levels, raw.strides)
    assert torch.equal(small.head.decode(halved), small.head.decode(wanted))


def test_gradients_reach_every_trained_parameter():
    net = build_network("yolov8n-pose", kpt_shape=(3, 3))
    raw = net(torch.rand(2, 3, 64, 64))
    (raw.boxes.sum() + raw.scores.sum() + raw.keypoints.sum()).backward()
    assert not [name for name, p in net.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trace_works_at_other_sizes_and_batches(small):
    with torch.no_grad():
        traced = torch.jit.trace(small, torch.rand(1, 3, 64, 96))
        images = torch.rand(2, 3, 96, 32)
        torch.testing.assert_close(traced(images), small(images))


def test_an_exported_program_works_at_other_sizes_and_batches(small):
    batch, height, width = (torch.export.Dim(name, max=64) for name in ("batch", "height", "width"))
    with torch.no_grad():
        program = torch.export.export(
            small, (torch.rand(2, 3, 64, 96),), dynamic_shapes=({0: batch, 2: 32 * height, 3: 32 * width},)
        )
        images = torch.rand(3, 3, 96, 64)
        torch.testing.assert_close(program.module()(images), small(images))
