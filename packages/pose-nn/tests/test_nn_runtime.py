"""Running a network with torch."""

import numpy as np
import pytest
import torch
from pose_data import DataError, Runtime, SettingsError
from pose_nn import TorchRuntime, find_device


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)


def decoded(net, images):
    with torch.inference_mode():
        return net(torch.from_numpy(images).permute(0, 3, 1, 2) / 255).numpy()


@pytest.mark.parametrize("channels_last", [True, False])
def test_images_give_the_decoded_rows(small, card, images, channels_last):
    runtime: Runtime = TorchRuntime(small, card, device="cpu", channels_last=channels_last)
    rows = runtime(images)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, decoded(small, images), rtol=1e-4, atol=1e-3)
    assert runtime.card is card


@pytest.mark.parametrize(("precision", "pixels"), [("bfloat16", 2.0), ("float16", 0.25)])
def test_lower_precision_is_near(small, card, images, precision, pixels):
    rows = TorchRuntime(small, card, device="cpu", precision=precision)(images)
    assert rows.dtype == np.float32
    assert 0 < abs(rows - decoded(small, images)).max() < pixels


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize(("precision", "pixels"), [("float32", 0.05), ("bfloat16", 2.0), ("float16", 0.25)])
def test_gpu_gives_what_the_cpu_gives(small, card, images, precision, pixels):
    rows = TorchRuntime(small, card, device="cuda", precision=precision)(images)
    assert abs(rows - decoded(small, images)).max() < pixels


@pytest.mark.filterwarnings("error")
def test_read_only_and_mirrored_arrays_are_taken(small, card, images):
    runtime = TorchRuntime(small, card, device="cpu")
    assert runtime.runs_on == "torch, cpu"
    wanted = runtime(np.ascontiguousarray(images[:, :, ::-1]))
    images.flags.writeable = False
    np.testing.assert_array_equal(runtime(images[:, :, ::-1]), wanted)


def test_no_images_give_no_rows(small, card):
    assert TorchRuntime(small, card, device="cpu")(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, card.channels, 0)


def test_network_given_is_left_alone(small, card, images):
    before = small.model[0].conv.weight.clone()
    TorchRuntime(small, card, device="cpu", precision="bfloat16")(images)
    assert small.model[0].conv.weight.dtype == torch.float32
    assert torch.equal(small.model[0].conv.weight, before)


def test_number_of_threads_is_put_back(small, card, images):
    before = torch.get_num_threads()
    TorchRuntime(small, card, device="cpu", threads=before + 1)(images)
    assert torch.get_num_threads() == before


def test_all_cores_are_used_unless_the_environment_says_otherwise(small, card, images, monkeypatch):
    used = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(5)), raising=False)
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    TorchRuntime(small, card, device="cpu")(images)
    assert used[0] == 5


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 64, 64, 3)), np.zeros((64, 64, 3), np.uint8), np.zeros((1, 3, 64, 64), np.uint8)],
    ids=["float", "one image", "channels first"],
)
def test_other_arrays_are_errors(small, card, images):
    with pytest.raises(DataError, match=r"must be \(B, H, W, 3\) uint8"):
        TorchRuntime(small, card, device="cpu")(images)


def test_size_must_fit_the_stride(small, card):
    with pytest.raises(DataError, match="multiples of 32; got 64 x 80"):
        TorchRuntime(small, card, device="cpu")(np.zeros((1, 64, 80, 3), np.uint8))


def test_unknown_precision_and_threads_are_errors(small, card):
    with pytest.raises(SettingsError, match="got 'fp16'"):
        TorchRuntime(small, card, precision="fp16")
    with pytest.raises(SettingsError, match="threads must be at least 1; got 0"):
        TorchRuntime(small, card, threads=0)


def test_devices_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert str(find_device("auto")) == "cuda"
    assert str(find_device("1")) == str(find_device("cuda:1")) == "cuda:1"
    assert str(find_device("cpu")) == "cpu"


def test_missing_and_unknown_devices_are_errors(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SettingsError, match="'cuda:1' isn't here: torch sees 1"):
        find_device("cuda:1")
    with pytest.raises(SettingsError, match="got 'tpu'"):
        find_device("tpu")
