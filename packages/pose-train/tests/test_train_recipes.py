"""Recipes: those that come along, one's own, and what wins."""

from dataclasses import fields

import pytest
from pose_data import SettingsError
from pose_nn import find_architecture
from pose_train import TrainSettings, make_train_settings, read_recipe, recipe_names

SIZES = ("coco-n", "coco-s", "coco-m", "coco-l", "coco-x", "coco-x-p6")


def test_there_is_a_recipe_for_each_size_of_network():
    assert set(recipe_names()) == {*SIZES, "few", "published"}
    for name in SIZES:
        settings = make_train_settings({"recipe": name}, source="train")
        assert settings.data == "coco-pose"
        assert settings.imgsz == (1280 if "p6" in name else 640)
        find_architecture(settings.model)
    assert len({make_train_settings({"recipe": name}, source="train").model for name in SIZES}) == len(SIZES)


def test_the_published_recipe_is_the_defaults_but_for_the_nominal_batch_and_the_matching():
    assert make_train_settings({"recipe": "published"}, source="train") == TrainSettings(nbs=64, alignment="iou")


def test_defaults_hold_where_neither_words_nor_recipe_say():
    defaults = {"model": "mine.safetensors", "epochs": 7}
    few = make_train_settings({"recipe": "few"}, source="train", defaults=defaults)
    assert (few.model, few.epochs) == ("mine.safetensors", read_recipe("few")["epochs"])
    assert few.alignment == "oks"
    assert make_train_settings({"recipe": "published"}, source="train", defaults=defaults).model == "yolov8n-pose"
    assert make_train_settings({"epochs": 3}, source="train", defaults=defaults).epochs == 3


def test_a_recipe_for_coco_learns_as_the_published_one():
    usual = make_train_settings({"recipe": "published"}, source="train")
    names = [field.name for field in fields(usual)]
    found = [make_train_settings({"recipe": name}, source="train") for name in SIZES]
    changed = {name for name in names for one in found if getattr(one, name) != getattr(usual, name)}
    assert changed == {"model", "data", "epochs", "batch", "imgsz"}


def test_own_words_win(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 7\nheatmap: 1\n", encoding="utf-8")
    settings = make_train_settings({"recipe": str(path), "heatmap": 0.0, "batch": 4}, source="train")
    assert (settings.epochs, settings.heatmap, settings.batch) == (7, 0.0, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", r"mine\.yaml: no setting 'epoch'; did you mean 'epochs'"),
        ("epochs: no", r"mine\.yaml: epochs must be"),
        ("epochs: 3\nepochs: 4", r"mine\.yaml:2: must be YAML; got the key 'epochs' twice"),
        ("recipe: few", r"mine\.yaml: no setting 'recipe'"),
        ("copy_paste: 0.3", r"mine\.yaml: no setting 'copy_paste' here; it needs masks"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named_with_its_file(text, message, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        make_train_settings({"recipe": str(path)}, source="train")


def test_an_unknown_recipe_gets_the_nearest_right_one():
    with pytest.raises(SettingsError, match="recipe: must be a known name or a YAML file; got 'coco-p6'; did you mean"):
        read_recipe("coco-p6")
