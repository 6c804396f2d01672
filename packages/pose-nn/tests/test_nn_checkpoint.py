"""Writing and reading our own files of weights."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from pose_data import CheckpointError, PoseError
from pose_nn import fuse, is_fused, load_checkpoint, save_checkpoint

FORMS = pytest.mark.parametrize("suffix", [".safetensors", ".pt"])


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)


@FORMS
def test_network_and_card_come_back(small, card, tmp_path, suffix):
    path = tmp_path / f"pets{suffix}"
    save_checkpoint(path, small, card)
    checkpoint = load_checkpoint(path)
    assert same(checkpoint.net, small)
    assert checkpoint.card == card
    assert checkpoint.notes == ()
    assert not checkpoint.net.training


@FORMS
def test_half_is_half_the_size_and_loads_as_float32(small, card, tmp_path, suffix):
    whole, half = tmp_path / f"whole{suffix}", tmp_path / f"half{suffix}"
    save_checkpoint(whole, small, card)
    save_checkpoint(half, small, card, half=True)
    assert half.stat().st_size < 0.52 * whole.stat().st_size
    checkpoint = load_checkpoint(half)
    assert checkpoint.card.precision == "float16"
    assert same(checkpoint.net, small) is False
    weight = small.model[0].conv.weight
    assert torch.equal(checkpoint.net.model[0].conv.weight, weight.half().float())


def test_pt_form_loads_with_weights_only(small, card, tmp_path):
    save_checkpoint(tmp_path / "pets.pt", small, card)
    document = torch.load(tmp_path / "pets.pt", weights_only=True)
    assert json.loads(document["pose_card"])["names"] == ["cat", "dog"]
    assert list(document["state_dict"]) == list(small.state_dict())


def read_metadata(path: Path) -> dict[str, str]:
    """What a reader that knows nothing of this project finds beside the tensors."""
    if path.suffix == ".pt":
        document = torch.load(path, weights_only=True)
        return {name: text for name, text in document.items() if name != "state_dict"}
    with safetensors.safe_open(path, framework="pt") as file:
        return {name: text for name, text in file.metadata().items() if name != "format"}


@FORMS
def test_public_keys_are_beside_the_card(small, card, tmp_path, suffix):
    path = tmp_path / f"pets{suffix}"
    save_checkpoint(path, small, card)
    metadata = read_metadata(path)
    assert metadata.pop("pose_card") == load_checkpoint(path).card.to_json()
    assert metadata == {
        "task": "pose",
        "stride": "32",
        "batch": "1",
        "imgsz": str(list(card.imgsz)),
        "names": "{0: 'cat', 1: 'dog'}",
        "kpt_shape": "[3, 3]",
    }


@FORMS
def test_same_network_gives_the_same_bytes(small, card, tmp_path, suffix):
    noted = replace(card, provenance='drawn by "Zoë"\n\x01\\ 猫')
    paths = [tmp_path / f"{turn}" / f"pets{suffix}" for turn in range(8)]
    for path in paths:
        path.parent.mkdir()
        save_checkpoint(path, small, noted)
    assert len({path.read_bytes() for path in paths}) == 1
    assert load_checkpoint(paths[0]).card == noted


@FORMS
def test_file_with_the_card_alone_is_read(small, card, tmp_path, suffix):
    path = tmp_path / f"older{suffix}"
    if suffix == ".pt":
        torch.save({"pose_card": card.to_json(), "state_dict": small.state_dict()}, path)
    else:
        metadata = {"format": "pt", "pose_card": card.to_json()}
        safetensors.torch.save_file(small.state_dict(), path, metadata=metadata)
    assert load_checkpoint(path).card == card


def test_tensors_of_the_native_form_are_where_they_are_aligned(small, card, tmp_path):
    save_checkpoint(tmp_path / "pets.safetensors", small, card)
    assert int.from_bytes((tmp_path / "pets.safetensors").read_bytes()[:8], "little") % 8 == 0


def test_batch_counters_are_kept(small, card, tmp_path, build_seeded):
    net = build_seeded("yolov8n-pose", num_classes=2, kpt_shape=(3, 3))
    net.model[0].bn.num_batches_tracked.fill_(123_456)
    save_checkpoint(tmp_path / "pets.safetensors", net, card, half=True)
    assert load_checkpoint(tmp_path / "pets.safetensors").net.model[0].bn.num_batches_tracked == 123_456


def test_fused_network_comes_back_fused(small, card, tmp_path):
    fused = fuse(small)
    save_checkpoint(tmp_path / "fused.safetensors", fused, card)
    checkpoint = load_checkpoint(tmp_path / "fused.safetensors")
    assert is_fused(checkpoint.net)
    assert same(checkpoint.net, fused)


def test_channels_last_network_is_stored_in_order(small, card, tmp_path, build_seeded):
    net = build_seeded("yolov8n-pose", num_classes=2, kpt_shape=(3, 3)).to(memory_format=torch.channels_last)
    save_checkpoint(tmp_path / "pets.safetensors", net, card)
    assert same(load_checkpoint(tmp_path / "pets.safetensors").net, small)


def test_loaded_network_can_learn(small, card, tmp_path):
    save_checkpoint(tmp_path / "pets.safetensors", small, card)
    net = load_checkpoint(tmp_path / "pets.safetensors").net.train()
    net(torch.rand(1, 3, 64, 64)).scores.sum().backward()
    assert net.model[0].conv.weight.grad.abs().sum() > 0
    assert not net.head.dfl.conv.weight.requires_grad


def test_content_decides_not_the_name(small, card, tmp_path):
    save_checkpoint(tmp_path / "a.pt", small, card)
    save_checkpoint(tmp_path / "b.safetensors", small, card)
    (tmp_path / "a.pt").rename(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").rename(tmp_path / "b.pt")
    assert same(load_checkpoint(tmp_path / "a.safetensors").net, load_checkpoint(tmp_path / "b.pt").net)


@FORMS
def test_full_disk_leaves_the_old_file(small, card, tmp_path, suffix, monkeypatch):
    path = tmp_path / f"best{suffix}"
    path.write_bytes(b"the best so far")

    def fill_up(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(PoseError, match="No space left"):
        save_checkpoint(path, small, card)
    assert path.read_bytes() == b"the best so far"
    assert list(tmp_path.iterdir()) == [path]


def test_other_suffix_is_an_error(small, card, tmp_path):
    with pytest.raises(CheckpointError, match=r"must end in \.safetensors or \.pt"):
        save_checkpoint(tmp_path / "pets.bin", small, card)


def test_card_of_another_network_is_not_written(small, card, tmp_path):
    with pytest.raises(CheckpointError, match="the card must describe the network"):
        save_checkpoint(tmp_path / "pets.pt", small, replace(card, names=("cat",)))
    assert not list(tmp_path.iterdir())


def test_value_too_large_for_half_is_an_error(card, tmp_path, build_seeded):
    net = build_seeded("yolov8n-pose", num_classes=2, kpt_shape=(3, 3))
    net.model[0].bn.running_var[0] = 70_000
    with pytest.raises(
        CheckpointError, match=r"'model\.0\.bn\.running_var' must be below 65,504 for float16; got 70000"
    ):
        save_checkpoint(tmp_path / "pets.pt", net, card, half=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file"),
        (b"hello, I am a photograph", "got another kind of file"),
        (b"\x80\x02}q\x00.", "is a bare pickle"),
        (b"PK\x03\x04 and no more", "is cut off or damaged"),
        (b"\xff\xff\xff\x00\x00\x00\x00\x00{}", "is cut off or damaged"),
    ],
    ids=["empty", "other", "pickle", "zip", "safetensors"],
)
def test_file_that_is_no_checkpoint_is_an_error(tmp_path, content, message):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_errors(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match="got a folder"):
        load_checkpoint(tmp_path)


@FORMS
@pytest.mark.parametrize("part", [0.2, 0.999])
def test_cut_off_file_is_an_error(small, card, tmp_path, suffix, part):
    path = tmp_path / f"pets{suffix}"
    save_checkpoint(path, small, card, half=True)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(CheckpointError, match="is cut off or damaged"):
        load_checkpoint(path)


def test_changed_number_in_pt_form_is_an_error(small, card, tmp_path):
    path = tmp_path / "pets.pt"
    save_checkpoint(path, small, card)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is cut off or damaged"):
        load_checkpoint(path)


def test_card_that_disagrees_with_the_weights_is_an_error(small, card, tmp_path):
    path = tmp_path / "pets.safetensors"
    text = replace(card, names=("cat", "dog", "cow")).to_json()
    safetensors.torch.save_file(small.state_dict(), path, metadata={"pose_card": text})
    with pytest.raises(
        CheckpointError, match=r"'model\.22\.cv3\.0\.2\.weight': needed \[3, 64, 1, 1\], got \[2, 64, 1, 1\]"
    ):
        load_checkpoint(path)


def test_missing_tensor_is_an_error(small, card, tmp_path):
    path = tmp_path / "pets.safetensors"
    state = small.state_dict()
    del state["model.5.conv.weight"]
    safetensors.torch.save_file(state, path, metadata={"pose_card": card.to_json()})
    with pytest.raises(CheckpointError, match=r"'model\.5\.conv\.weight': needed \[128, 64, 3, 3\], got none"):
        load_checkpoint(path)


def test_unknown_architecture_is_an_error(small, card, tmp_path):
    path = tmp_path / "pets.safetensors"
    text = replace(card, architecture="yolov9n-pose").to_json()
    safetensors.torch.save_file(small.state_dict(), path, metadata={"pose_card": text})
    with pytest.raises(CheckpointError, match="got 'yolov9n-pose'"):
        load_checkpoint(path)


def test_tensors_without_a_card_are_an_error(small, tmp_path):
    path = tmp_path / "pets.safetensors"
    safetensors.torch.save_file(small.state_dict(), path)
    with pytest.raises(CheckpointError, match="must have a model card"):
        load_checkpoint(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_file_is_an_error_that_says_so(tmp_path):
    torch.jit.script(torch.nn.ReLU()).save(str(tmp_path / "relu.pt"))
    with pytest.raises(CheckpointError, match="exported TorchScript"):
        load_checkpoint(tmp_path / "relu.pt")
