"""Words of the command line: every way to write one, and what is said about a wrong one."""

from __future__ import annotations

import typing
from dataclasses import dataclass

import pytest
from pose_cli.foreign import foreign_hint
from pose_cli.names import split_names
from pose_cli.words import check_words, looks_like_model, read_words, value_from_text, words_help
from pose_data import SettingsError, setting
from pose_train import TrainSettings, make_train_settings


@dataclass(frozen=True)
class Settings:
    model: str = setting("yolov8n-pose", "the network")
    data: str = setting("people", "the data set")
    source: tuple[str, ...] = setting((), "images")
    epochs: int = setting(100, "times through the images", least=1)
    imgsz: tuple[int, ...] | None = setting(None, "side or height and width")
    save_txt: bool = setting(False, "save label text")
    val: bool = setting(True, "validate")
    cache: str = setting("", "where images are kept", choices=("", "ram"))


def words(*arguments: str, places: tuple[str, ...] = ("model", "source"), many: str | None = "source") -> dict:
    return read_words(arguments, settings=Settings, places=places, many=many, command="train")


@pytest.mark.parametrize("form", [("epochs=7",), ("--epochs=7",), ("--epochs", "7"), ("-epochs=7",)])
def test_a_word_and_its_option_are_the_same(form: tuple[str, ...]) -> None:
    assert words(*form) == {"epochs": "7"}


@pytest.mark.parametrize(
    "form", ["save_txt", "--save-txt", "--save_txt", "save_txt=True", "save_txt=yes", "save_txt=1"]
)
def test_a_flag_can_be_set_in_every_usual_way(form: str) -> None:
    assert words(form) == {"save_txt": True}


@pytest.mark.parametrize("form", ["--no-val", "val=False", "--val=off", "val=0"])
def test_a_flag_can_be_cleared_in_every_usual_way(form: str) -> None:
    assert words(form) == {"val": False}


def test_a_value_that_is_no_bool_is_left_for_the_check_of_settings() -> None:
    assert words("val=perhaps") == {"val": "perhaps"}


@pytest.mark.parametrize("text", ["[320,640]", "320,640", "(320, 640)"])
def test_a_list_is_read_in_brackets_or_without(text: str) -> None:
    assert words(f"imgsz={text}") == {"imgsz": ("320", "640")}


def test_a_comma_in_a_file_name_makes_no_list() -> None:
    assert value_from_text("photo,1.jpg", tuple[str, ...]) == "photo,1.jpg"


def test_a_list_of_names_is_read_in_brackets() -> None:
    assert words("source=[a.jpg,'b.jpg']") == {"source": ("a.jpg", "b.jpg")}


def test_the_last_of_two_equal_words_counts() -> None:
    assert words("epochs=1", "epochs=2") == {"epochs": "2"}


def test_an_equals_sign_may_be_part_of_a_value() -> None:
    assert words("model=a=b.pt") == {"model": "a=b.pt"}


def test_a_bare_image_is_the_source() -> None:
    assert words("photo.jpg") == {"source": ("photo.jpg",)}


def test_several_bare_images_are_all_sources() -> None:
    assert words("a.jpg", "b.jpg", "c.jpg") == {"source": ("a.jpg", "b.jpg", "c.jpg")}


def test_a_bare_model_file_is_the_model_wherever_it_stands() -> None:
    assert words("a.jpg", "best.onnx", "b.jpg") == {"model": "best.onnx", "source": ("a.jpg", "b.jpg")}


def test_a_model_that_was_named_leaves_a_bare_word_to_the_source() -> None:
    assert words("model=best.onnx", "photo.jpg") == {"model": "best.onnx", "source": ("photo.jpg",)}


def test_a_bare_yaml_is_data_and_a_network_name_with_yaml_behind_it_is_the_model() -> None:
    given = words("people.yaml", "yolov8n-pose.yaml", places=("model", "data"), many=None)
    assert given == {"data": "people.yaml", "model": "yolov8n-pose.yaml"}


def test_everything_after_two_dashes_is_bare() -> None:
    assert words("--", "epochs=7.jpg") == {"source": ("epochs=7.jpg",)}


def test_one_bare_word_too_many_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"'c\.yaml' is one too many"):
        words("a.yaml", "c.yaml", places=("data",), many=None)


def test_a_bare_word_is_refused_where_none_is_taken() -> None:
    with pytest.raises(SettingsError, match="takes words such as key=value; got 'now'"):
        words("now", places=(), many=None)


@pytest.mark.parametrize("wrong", ["epoch=7", "--epoch", "--epoch=7", "--epoch 7"])
def test_an_unknown_word_gets_the_nearest_right_one(wrong: str) -> None:
    with pytest.raises(SettingsError, match="train: no setting 'epoch'; did you mean 'epochs'"):
        words(*wrong.split())


def test_an_unknown_word_that_is_near_nothing_gets_the_whole_list() -> None:
    with pytest.raises(SettingsError, match="no setting 'zzz'; it knows model, data, source"):
        words("zzz=1")


def test_an_option_without_its_value_is_refused() -> None:
    with pytest.raises(SettingsError, match="--epochs must be followed by its value"):
        words("--epochs")


@pytest.mark.parametrize("harmless", ["task=pose", "mode=train", "overlap_mask=True", "--augment=False", "--stream"])
def test_a_foreign_word_that_changes_nothing_is_dropped(harmless: str) -> None:
    assert words(harmless) == {}


@pytest.mark.parametrize(
    ("foreign", "way_out"),
    [
        ("task=detect", "keypoints are all that is learnt here"),
        ("mode=val", "pose val"),
        ("weights=a.pt", "model=FILE"),
        ("lr=1", "lr0=RATE"),
        ("int8=True", "8-bit files are made by `pose export int8=True`"),
        ("quantize=8", r"half=True \(16 bit\) or int8=True \(8 bit\) with `pose export`"),
        ("nms=True", "made by `pose export nms=True`"),
        ("optimize=True", "an option of `pose export format=torchscript`"),
        ("rect=True", "training images are square"),
        ("cls_remap=False", "weights are taken wherever name and shape fit"),
    ],
)
def test_a_foreign_word_that_does_not_fit_says_what_to_write_instead(foreign: str, way_out: str) -> None:
    with pytest.raises(SettingsError, match=way_out):
        words(foreign)


def test_none_is_the_default_of_a_setting_that_knows_no_none() -> None:
    assert words("epochs=None", "imgsz=None") == {"imgsz": "None"}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [("cache", "True", True), ("cache", "disk", "disk"), ("pretrained", "False", False), ("save_period", "-1", -1)],
)
def test_values_that_people_know_from_elsewhere_are_values_of_training(key: str, text: str, value: object) -> None:
    given = value_from_text(text, typing.get_type_hints(TrainSettings)[key])
    assert getattr(make_train_settings({key: given}, source="train"), key) == value


def test_words_from_python_are_checked_like_those_that_are_typed() -> None:
    given = {"epochs": 3, "cache": True, "task": "pose", "data": None}
    assert check_words(given, settings=Settings, command="Pose.train") == {"epochs": 3, "cache": True}


def test_a_word_nobody_knows_has_no_foreign_hint() -> None:
    assert foreign_hint("zzz", "1", command="train") is None


@pytest.mark.parametrize(
    "name", ["best.safetensors", "A.PT", "m.onnx", "m.torchscript", "yolov8n-pose", "yolov8x-pose-p6.yaml"]
)
def test_models_are_known_by_their_names(name: str) -> None:
    assert looks_like_model(name)


@pytest.mark.parametrize("name", ["photo.jpg", "people.yaml", "yolov8n.yaml", "runs/train"])
def test_other_names_are_no_models(name: str) -> None:
    assert not looks_like_model(name)


def test_help_shows_default_meaning_and_choices_of_a_field() -> None:
    rows = dict(words_help(Settings))
    assert rows["epochs=100"] == "times through the images"
    assert rows["imgsz="] == "side or height and width"
    assert rows["cache="].endswith("(ram)")


@pytest.mark.parametrize("text", ["a,b", "a, b", "[a,b]", "['a', \"b\"]", ",a,,b,"])
def test_names_are_split_at_commas(text: str) -> None:
    assert split_names(text) == ("a", "b")


def test_no_text_has_no_names() -> None:
    assert split_names("") == split_names("[]") == ()
