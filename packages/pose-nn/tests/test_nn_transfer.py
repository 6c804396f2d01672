"""Taking over weights of another class or keypoint count."""

import pytest
import torch
from pose_nn import build_network, transfer


def test_same_network_is_taken_whole(small):
    net = build_network("yolov8n-pose", num_classes=2, kpt_shape=(3, 3))
    report = transfer(net, small.state_dict())
    assert len(report.taken) == 397
    assert report.reshaped == report.missing == report.unused == ()
    assert all(torch.equal(tensor, small.state_dict()[name]) for name, tensor in net.state_dict().items())


def test_other_class_count_starts_the_last_class_layers_fresh(small):
    net = build_network("yolov8n-pose", num_classes=5, kpt_shape=(3, 3))
    fresh = net.head.cv3[0][-1].weight.clone()
    report = transfer(net, small.state_dict())
    wanted = {f"model.22.cv3.{level}.2.{kind}" for level in range(3) for kind in ("weight", "bias")}
    assert {mismatch.name for mismatch in report.reshaped} == wanted
    assert len(report.taken) == 397 - 6
    assert torch.equal(net.head.cv3[0][-1].weight, fresh)
    assert torch.equal(net.model[0].conv.weight, small.model[0].conv.weight)


def test_other_keypoint_count_names_both_shapes(small):
    net = build_network("yolov8n-pose", num_classes=2, kpt_shape=(17, 3))
    report = transfer(net, small.state_dict())
    shapes = {mismatch.name: (mismatch.given, mismatch.needed) for mismatch in report.reshaped}
    assert shapes["model.22.cv4.0.2.bias"] == ((9,), (51,))
    assert all(name.startswith("model.22.cv4.") for name in shapes)


def test_report_reads_as_one_line(small):
    given = dict(list(small.state_dict().items())[1:])
    given["model.0.bn.weight"] = torch.zeros(3)
    given["extra"] = torch.zeros(1)
    text = str(transfer(build_network("yolov8n-pose", num_classes=2, kpt_shape=(3, 3)), given))
    assert text == (
        "395 of 397 tensors taken; 1 of another shape start fresh: model.0.bn.weight (given [3], needed [16]); "
        "1 not given start fresh: model.0.conv.weight; 1 given and not used: extra"
    )


def test_half_weights_fill_a_float32_network(small):
    net = build_network("yolov8n-pose", num_classes=2, kpt_shape=(3, 3))
    transfer(net, {name: t.half() if t.is_floating_point() else t for name, t in small.state_dict().items()})
    assert net.model[0].conv.weight.dtype == torch.float32
    assert torch.equal(net.model[0].conv.weight, small.model[0].conv.weight.half().float())


NAMES = ("nose", "left_ear", "right_ear")


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand((1, 3, 64, 96), generator=torch.Generator().manual_seed(0))


def keypoints_of(net, image):
    with torch.no_grad():
        raw = net.eval().raw(image).keypoints
    return raw.reshape(len(image), net.kpt_shape[0], net.kpt_shape[1], -1)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("right_ear", "tail", "nose", "left_ear"), id="as wide"),
        pytest.param(("right_ear", *"abcdefg", "nose", "left_ear"), id="wider"),
    ],
)
def test_shared_keypoints_are_found_as_before(small, image, names, dims):
    net = build_network("yolov8n-pose", num_classes=2, kpt_shape=(len(names), dims))
    fresh = net.head.cv4[0][-1].bias.detach().clone()
    report = transfer(net, small.state_dict(), keypoints=(NAMES, names))
    assert len(report.taken) == 397
    assert report.fresh_keypoints == tuple(name for name in names if name not in NAMES)
    before, after = keypoints_of(small, image), keypoints_of(net, image)
    for place, name in enumerate(names):
        if name in NAMES:
            torch.testing.assert_close(after[:, place], before[:, NAMES.index(name), :dims], rtol=1e-4, atol=1e-5)
    assert torch.equal(net.head.cv4[0][-1].bias[dims : 2 * dims], fresh[dims : 2 * dims])


def test_a_narrower_branch_keeps_the_strongest_channels(image):
    wide = build_network("yolov8n-pose", kpt_shape=(8, 3))  # 24 hidden channels, of which a third says nothing
    for branch in wide.head.cv4:
        for layer in branch[:2]:
            layer.bn.weight.data[::3] = 0
    narrow = build_network("yolov8n-pose", kpt_shape=(2, 3))  # 16 of them
    transfer(narrow, wide.state_dict(), keypoints=("abcdefgh", "hc"))
    before, after = keypoints_of(wide, image), keypoints_of(narrow, image)
    torch.testing.assert_close(after, before[:, [7, 2]], rtol=1e-4, atol=1e-5)


def test_branches_of_another_size_of_network_start_fresh():
    large = build_network("yolov8s-pose", kpt_shape=(3, 3))
    report = transfer(build_network("yolov8n-pose", kpt_shape=(4, 3)), large.state_dict(), keypoints=("abc", "abcd"))
    assert "model.22.cv4.0.0.conv.weight" in {mismatch.name for mismatch in report.reshaped}


def test_as_many_keypoints_with_other_names_start_fresh(small):
    net = build_network("yolov8n-pose", num_classes=2, kpt_shape=(3, 3))
    fresh = net.head.cv4[0][-1].weight.detach().clone()
    report = transfer(net, small.state_dict(), keypoints=(NAMES, ("paw", "tail", "snout")))
    assert report.fresh_keypoints == ("paw", "tail", "snout")
    assert torch.equal(net.head.cv4[0][-1].weight, fresh)
    assert torch.equal(net.head.cv4[0][0].conv.weight, small.head.cv4[0][0].conv.weight)


def test_keypoints_that_start_fresh_are_named(small):
    net = build_network("yolov8n-pose", num_classes=2, kpt_shape=(4, 3))
    text = str(transfer(net, small.state_dict(), keypoints=(NAMES, ("nose", "paw", "tail", "left_ear"))))
    assert text == "397 of 397 tensors taken; 2 keypoints it doesn't know start fresh: paw, tail"
