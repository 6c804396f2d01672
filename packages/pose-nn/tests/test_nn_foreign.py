"""Reading other people's .pt files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pose_data import COCO_PERSON, CheckpointError
from pose_nn import load_checkpoint, save_checkpoint

NAME = "shared/oracles/foreign-yolov8n-pose.pt"  # beside the checkout, too large to be in it
FILE = next((folder / NAME for folder in Path(__file__).resolve().parents if (folder / NAME).is_file()), None)
THREE = {"names": {0: "cat", 1: "dog"}, "kpt_shape": [3, 3]}


@pytest.fixture
def net(build_seeded):
    return build_seeded("yolov8n-pose", num_classes=2, kpt_shape=(3, 3))


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint(FILE)


@pytest.mark.skipif(FILE is None, reason=f"no {NAME} beside this checkout")
class TestFileOfTheReference:
    def test_weights_are_the_seeded_ones_in_half(self, checkpoint, build_seeded):
        wanted = build_seeded("yolov8n-pose").half().float().state_dict()
        found = checkpoint.net.state_dict()
        assert list(found) == list(wanted)
        assert all(torch.equal(found[name], wanted[name].to(found[name].dtype)) for name in wanted)

    def test_forward_is_the_oracle_s_within_half_rounding(self, checkpoint, seeded):
        images = torch.from_numpy(seeded.seeded_image(2, 128, 192))
        with torch.inference_mode():
            rows = checkpoint.net(images).numpy()
        with np.load(Path(__file__).parent / "oracles" / "forward.npz") as oracle:
            wanted, columns = oracle["yolov8n-pose.decoded"], oracle["yolov8n-pose.anchors"]
        assert abs(rows[:, :, columns] - wanted).max() < 0.02  # pixels; weights are rounded to 11 bits

    def test_card_says_what_the_file_says(self, checkpoint):
        card = checkpoint.card
        assert card.architecture == "yolov8n-pose"
        assert card.names == ("person",)
        assert card.skeleton == COCO_PERSON
        assert card.precision == "float16"
        assert "AGPL" in card.licence
        assert "foreign file foreign-yolov8n-pose.pt (version 8.4.190" in card.provenance

    def test_user_is_told_the_licence(self, checkpoint):
        assert any(checkpoint.card.licence in note for note in checkpoint.notes)

    def test_licence_stays_with_the_weights(self, checkpoint, tmp_path):
        save_checkpoint(tmp_path / "ours.safetensors", checkpoint.net, checkpoint.card, half=True)
        ours = load_checkpoint(tmp_path / "ours.safetensors")
        assert ours.card == checkpoint.card
        assert torch.equal(ours.net.model[0].conv.weight, checkpoint.net.model[0].conv.weight)


def test_pickled_network_is_read(net, small, save_foreign):
    checkpoint = load_checkpoint(save_foreign(net, attributes=THREE))
    wanted = small.state_dict()
    found = checkpoint.net.state_dict()
    assert list(found) == list(wanted)
    assert torch.equal(found["model.4.cv1.bn.running_var"], wanted["model.4.cv1.bn.running_var"].half().float())
    assert checkpoint.card.names == ("cat", "dog")
    assert checkpoint.card.kpt_shape == (3, 3)


def test_p6_network_is_read(build_seeded, save_foreign):
    net = build_seeded("yolov8n-pose-p6", kpt_shape=(3, 2))
    checkpoint = load_checkpoint(save_foreign(net, attributes={"names": ["cat"], "kpt_shape": (3, 2)}))
    assert checkpoint.card.architecture == "yolov8n-pose-p6"
    assert (checkpoint.card.stride, checkpoint.card.imgsz) == (64, (1280, 1280))
    assert checkpoint.net.kpt_shape == (3, 2)


def test_averaged_weights_of_an_unfinished_run_are_read(net, save_foreign):
    path = save_foreign(net, attributes=THREE, document={"ema": net, "model": None, "epoch": 3})
    assert load_checkpoint(path).card.architecture == "yolov8n-pose"


def test_keypoint_names_flips_and_sigmas_come_along(net, save_foreign):
    attributes = {
        "kpt_names": {0: ["tail", "left ear", "right ear"]},
        "flip_idx": [0, 2, 1],
        "kpt_oks_sigmas": torch.tensor([0.5, 0.25, 0.25]),
    }
    skeleton = load_checkpoint(save_foreign(net, attributes={**THREE, **attributes})).card.skeleton
    assert skeleton.names == ("tail", "left ear", "right ear")
    assert skeleton.mirror == ((1, 2),)
    assert skeleton.sigmas == (0.5, 0.25, 0.25)


def test_unnamed_keypoints_have_no_mirror_and_say_so(net, save_foreign):
    checkpoint = load_checkpoint(save_foreign(net, attributes=THREE))
    assert checkpoint.card.skeleton.mirror is None
    assert checkpoint.card.skeleton.sigmas is None
    assert "the file names none of its 3 keypoints; a data YAML can name them" in checkpoint.notes


def test_arguments_give_size_and_data(net, save_foreign):
    document = {"train_args": {"imgsz": 320, "data": "pets.yaml"}}
    card = load_checkpoint(save_foreign(net, attributes=THREE, document=document)).card
    assert card.imgsz == (320, 320)
    assert card.facts == {"trained on": "pets.yaml"}


def test_file_without_a_licence_says_so(net, save_foreign):
    checkpoint = load_checkpoint(save_foreign(net, attributes=THREE))
    assert checkpoint.card.licence == ""
    assert "the file states no licence for its weights; ask whoever made it" in checkpoint.notes


def test_licence_is_one_printable_line(net, save_foreign):
    document = {"license": "MIT\n\x1b[31mand more"}
    checkpoint = load_checkpoint(save_foreign(net, attributes=THREE, document=document))
    assert checkpoint.card.licence == "MIT  [31mand more"


def test_paths_in_a_file_are_ignored(net, save_foreign):
    document = {"train_args": {"project": Path("runs"), "imgsz": 64}}
    assert load_checkpoint(save_foreign(net, attributes=THREE, document=document)).card.imgsz == (64, 64)


def test_detection_network_is_an_error_that_says_so(net, save_foreign):
    path = save_foreign(net, attributes=THREE, classes={"PoseNet": "ultralytics.nn.tasks.DetectionModel"})
    with pytest.raises(CheckpointError, match="holds a 'DetectionModel'; only YOLOv8 pose networks"):
        load_checkpoint(path)


def test_network_of_other_blocks_is_an_error_that_names_them(net, save_foreign):
    path = save_foreign(net, attributes=THREE, classes={"C2f": "ultralytics.nn.modules.block.C3k2"})
    with pytest.raises(CheckpointError, match=r"another kind \(it has C3k2\); only YOLOv8 pose networks"):
        load_checkpoint(path)


def test_kpt_shape_that_disagrees_with_the_head_is_an_error(net, save_foreign):
    with pytest.raises(CheckpointError, match=r"with 9 rows in all; got \[4, 3\]"):
        load_checkpoint(save_foreign(net, attributes={"names": ["a", "b"], "kpt_shape": [4, 3]}))


def test_file_without_a_network_is_an_error(tmp_path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "some.pt")
    with pytest.raises(CheckpointError, match="must hold a network under 'model' or 'ema'; got keys 'weights'"):
        load_checkpoint(tmp_path / "some.pt")


def test_list_of_tensors_is_an_error(tmp_path):
    torch.save([torch.zeros(3)], tmp_path / "some.pt")
    with pytest.raises(CheckpointError, match="must hold a dict; got list"):
        load_checkpoint(tmp_path / "some.pt")
