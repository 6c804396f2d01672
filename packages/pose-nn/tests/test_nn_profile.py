"""Parameters and operations of the published table."""

import pytest
import torch
from pose_nn import build_network, fuse, profile

# name, input, parameters and GFLOPs unfused, the same fused
TABLE = [
    ("yolov8n-pose", 640, 3_295_470, 9.2935, 3_289_964, 9.1777),
    ("yolov8s-pose", 640, 11_626_046, 30.4019, 11_615_724, 30.1858),
    ("yolov8m-pose", 640, 26_464_462, 81.4062, 26_447_596, 81.0224),
    ("yolov8l-pose", 640, 44_489_196, 169.1447, 44_465_580, 168.5500),
    ("yolov8x-pose", 640, 69_491_724, 263.9520, 69_462_204, 263.2082),
    ("yolov8x-pose-p6", 1280, 99_182_640, 1069.4013, 99_141_280, 1066.3674),
]


def build(name):
    with torch.device("meta"):
        return build_network(name)


@pytest.mark.parametrize(("name", "imgsz", "parameters", "gflops", "fused_parameters", "fused_gflops"), TABLE)
def test_figures_are_the_published_ones(name, imgsz, parameters, gflops, fused_parameters, fused_gflops):
    net = build(name)
    whole, fused = profile(net, imgsz), profile(fuse(net), imgsz)
    assert (whole.parameters, fused.parameters) == (parameters, fused_parameters)
    assert not whole.fused
    assert fused.fused
    assert fused.gflops == pytest.approx(fused_gflops, abs=5e-5)
    # The published unfused figures of the two largest differ from the exact count in the seventh digit.
    assert whole.gflops == pytest.approx(gflops, abs=5e-5, rel=2e-6)


def test_layers_add_up_to_the_whole():
    whole = profile(build("yolov8n-pose"))
    assert [stage.index for stage in whole.stages] == list(range(23))
    assert whole.parameters == sum(stage.parameters for stage in whole.stages) == 3_295_470
    assert whole.weight_bytes == 4 * 3_295_470


def test_first_layer_by_hand():
    # 16 filters of 3x3x3 at 320x320: two operations per multiply-add, eight per output of the norm.
    stage = profile(build("yolov8n-pose")).stages[0]
    assert (stage.block, stage.sources, stage.size, stage.parameters) == ("ConvBlock", (-1,), (16, 320, 320), 464)
    assert stage.gflops * 1e9 == pytest.approx(320 * 320 * 16 * (2 * 27 + 8))
    # Kept for the way back: the image, what the convolution made and what the norm made, and the norm's
    # mean and deviation of 16 channels (shared by the two images that are counted).
    kept = 4 * (3 * 640 * 640 + 2 * 16 * 320 * 320)
    assert kept <= stage.activation_bytes <= kept + 2 * 4 * 16


def test_size_may_differ_by_side():
    assert profile(build("yolov8n-pose"), (320, 640)).gflops == pytest.approx(9.2935 / 2, abs=1e-4)
    assert profile(build("yolov8n-pose"), (320, 640)).imgsz == (320, 640)
