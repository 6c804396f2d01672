"""The settings are those that people know from elsewhere, or are refused with the way out; each of them is read."""

import ast
from pathlib import Path

import pose_train
import pytest
from pose_data import SettingsError, make_settings
from pose_train import REFUSED_SETTINGS, OverfitSettings, TrainSettings, make_train_settings
from pose_train.engine import make_engine

# Names and defaults of other trainers' arguments for training and validation; None where theirs is "nothing given".
KNOWN = {
    "task": "detect",
    "mode": "train",
    "model": None,
    "data": None,
    "epochs": 100,
    "time": None,
    "patience": 100,
    "batch": 16,
    "imgsz": 640,
    "save": True,
    "save_period": -1,
    "cache": False,
    "device": None,
    "workers": 8,
    "project": None,
    "name": None,
    "exist_ok": False,
    "pretrained": True,
    "cls_remap": True,
    "optimizer": "auto",
    "verbose": True,
    "seed": 0,
    "deterministic": True,
    "single_cls": False,
    "rect": False,
    "cos_lr": False,
    "close_mosaic": 10,
    "resume": False,
    "amp": True,
    "fraction": 1.0,
    "profile": False,
    "freeze": None,
    "multi_scale": 0.0,
    "compile": False,
    "channels_last": None,
    "overlap_mask": True,
    "mask_ratio": 4,
    "dropout": 0.0,
    "val": True,
    "split": "val",
    "save_json": False,
    "conf": None,
    "iou": 0.7,
    "max_det": 300,
    "quantize": None,
    "dnn": False,
    "plots": True,
    "nms": None,
    "lr0": 0.01,
    "lrf": 0.01,
    "momentum": 0.937,
    "weight_decay": 0.0005,
    "warmup_epochs": 3.0,
    "warmup_momentum": 0.8,
    "warmup_bias_lr": 0.1,
    "distill_model": None,
    "dis": 6.0,
    "box": 7.5,
    "cls": 0.5,
    "cls_pw": 0.0,
    "dfl": 1.5,
    "pose": 12.0,
    "kobj": 1.0,
    "rle": 1.0,
    "angle": 1.0,
    "dlog": 1.0,
    "dgrad": 0.5,
    "dlam": 1.0,
    "nbs": 64,
    "hsv_h": 0.015,
    "hsv_s": 0.7,
    "hsv_v": 0.4,
    "degrees": 0.0,
    "translate": 0.1,
    "scale": 0.5,
    "shear": 0.0,
    "perspective": 0.0,
    "flipud": 0.0,
    "fliplr": 0.5,
    "bgr": 0.0,
    "mosaic": 1.0,
    "mixup": 0.0,
    "cutmix": 0.0,
    "copy_paste": 0.0,
    "copy_paste_mode": "flip",
    "auto_augment": "randaugment",
    "erasing": 0.4,
    "cfg": None,
}
OWN_DEFAULTS = {"model", "data", "project", "name", "device"}  # where theirs is nothing and ours is a word


def test_every_known_argument_is_a_setting_or_refused_and_never_both():
    fields = TrainSettings.__dataclass_fields__.keys()
    assert [name for name in KNOWN if (name in fields) == (name in REFUSED_SETTINGS)] == []


@pytest.mark.parametrize("name", sorted(KNOWN.keys() & TrainSettings.__dataclass_fields__.keys() - OWN_DEFAULTS))
def test_a_known_argument_has_its_known_default(name):
    published = make_train_settings({"recipe": "published"}, source="train")
    value = getattr(published, name)
    assert (published.augmentation().fliplr if name == "fliplr" else value) == KNOWN[name]


@pytest.mark.parametrize("name", sorted(REFUSED_SETTINGS))
def test_a_refused_argument_is_named_with_what_to_do_instead(name):
    with pytest.raises(SettingsError, match=f"train.yaml: no setting '{name}' here; .{{12,}}"):
        make_train_settings({name: 1}, source="train.yaml")


def test_an_unknown_word_gets_the_nearest_right_one():
    with pytest.raises(SettingsError, match="did you mean 'epochs'"):
        make_train_settings({"epoch": 3}, source="train.yaml")


def test_words_of_any_allowed_kind_become_settings():
    words = {
        "freeze": ["0", "2"],
        "cache": "disk",
        "pretrained": False,
        "time": "1e-2",
        "save_period": -1,
    }
    settings = make_train_settings(words, source="words")
    assert (settings.freeze, settings.cache) == ((0, 2), "disk")
    assert (settings.pretrained, settings.time) == (False, 0.01)
    assert make_train_settings({"resume": True, "model": "last.safetensors"}, source="words").resume is True


def test_words_beside_resume_are_refused_by_their_names():
    with pytest.raises(SettingsError, match="with resume a run goes on with its own settings; got epochs, lr0 as well"):
        make_train_settings({"resume": "runs/train", "epochs": 4, "lr0": 0.1}, source="train")


@pytest.mark.parametrize("kind", [TrainSettings, OverfitSettings])
def test_a_seed_of_more_than_32_bits_is_refused(kind):
    assert make_settings(kind, {"seed": 2**32 - 1}, source="words").seed == 4294967295
    with pytest.raises(SettingsError, match="words: seed must be from 0 to 4294967295; got 4294967296"):
        make_settings(kind, {"seed": 2**32}, source="words")


def test_freeze_may_be_a_number_of_layers():
    assert make_settings(TrainSettings, {"freeze": "10"}, source="words").freeze == 10


def test_a_cache_of_another_kind_is_refused():
    with pytest.raises(SettingsError, match="cache must be False, True, 'ram' or 'disk'; got 'gpu'"):
        TrainSettings(cache="gpu")


def test_a_fraction_of_nothing_is_refused():
    with pytest.raises(SettingsError, match="fraction must be above 0; got 0"):
        TrainSettings(fraction=0.0)


def test_several_devices_name_the_command_that_starts_a_process_for_each():
    way_out = "CUDA_VISIBLE_DEVICES=0,1 torchrun --standalone --nproc-per-node 2 --no-python pose train"
    with pytest.raises(SettingsError, match=f"each process learns on one device; got '0,1'.*{way_out}"):
        make_engine(TrainSettings(device="0,1"))


def test_every_setting_is_read_by_something():
    files = [file for file in Path(pose_train.__file__).parent.glob("*.py") if file.stem != "overfitting"]  # has others
    read = {name for file in files for name in settings_read_in(file)}
    passed_on = TrainSettings().augmentation().__dataclass_fields__.keys()
    assert [name for name in TrainSettings.__dataclass_fields__ if name not in read | passed_on] == []


def settings_read_in(file):
    """Names of attributes of something called `settings`, such as `self.settings.epochs`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name == "settings":
                yield node.attr
