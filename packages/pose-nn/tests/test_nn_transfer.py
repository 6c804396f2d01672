"""Taking over weights of another class or keypoint count."""

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
