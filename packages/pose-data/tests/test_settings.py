from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from pose_data import SettingsError, load_settings, make_settings, nearest_key, setting


@dataclass(frozen=True)
class Inner:
    depth: int = 1


@dataclass(frozen=True)
class Settings:
    lr0: float = field(default=0.01, metadata={"min": 0.0, "max": 1.0})
    epochs: int = field(default=100, metadata={"min": 1})
    name: str = "exp"
    cache: bool | str = False
    data: Path | None = None
    device: str | None = None
    imgsz: int | tuple[int, int] = 640
    classes: tuple[int, ...] | None = None
    optimizer: Literal["auto", "SGD"] = "auto"
    mode: str = field(default="max", metadata={"choices": ("max", "min")})
    form: str = field(default="", metadata={"choices": ("", "b"), "meant": {"ay": "b"}})
    gains: Mapping[str, float] | None = None
    inner: Inner | None = None
    rect: bool = False


def make(**values: object) -> Settings:
    return make_settings(Settings, values, source="train.yaml")


def test_defaults_are_those_of_the_dataclass():
    assert make() == Settings()


def test_an_unknown_key_names_the_nearest_one():
    with pytest.raises(SettingsError) as caught:
        make(epoch=3)
    assert str(caught.value) == "train.yaml: no setting 'epoch'; did you mean 'epochs'?"


def test_a_key_like_no_other_lists_them_all():
    with pytest.raises(SettingsError, match="no setting 'zzzz'; the settings are lr0, epochs"):
        make(zzzz=1)


def test_a_wrong_type_says_what_was_seen():
    with pytest.raises(SettingsError) as caught:
        make(lr0="abc")
    assert str(caught.value) == "train.yaml: lr0 must be a number; got 'abc' (text)"


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("lr0", "1e-2", 0.01),
        ("lr0", 1, 1.0),
        ("epochs", 3.0, 3),
        ("epochs", "1e2", 100),
        ("name", 7, "7"),
        ("cache", True, True),
        ("cache", "ram", "ram"),
        ("data", "a.yaml", Path("a.yaml")),
        ("data", None, None),
        ("device", "None", None),
        ("imgsz", [480, 640], (480, 640)),
        ("classes", 3, (3,)),
        ("classes", [0, 2], (0, 2)),
        ("optimizer", "SGD", "SGD"),
        ("gains", {"box": 7}, {"box": 7.0}),
        ("inner", {"depth": 2}, Inner(2)),
    ],
)
def test_a_value_becomes_the_type_of_its_field(key: str, given: object, expected: object):
    value = getattr(make(**{key: given}), key)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("key", "given", "message"),
    [
        ("lr0", True, "lr0 must be a number; got True (true or false)"),
        ("lr0", float("nan"), "lr0 must be a number; got nan"),
        ("lr0", None, "lr0 must be a number; got nothing (null)"),
        ("lr0", 2.0, "lr0 must be from 0.0 to 1.0; got 2.0"),
        ("epochs", 0, "epochs must be at least 1; got 0"),
        ("epochs", 1.5, "epochs must be a whole number; got 1.5"),
        ("name", ["a"], "name must be text; got ['a'] (a list)"),
        ("rect", 1, "rect must be true or false; got 1 (a whole number)"),
        ("imgsz", [1, 2, 3], "imgsz must be a whole number or a list of 2: a whole number, a whole number; got [1, 2"),
        ("optimizer", "Adam", "optimizer must be one of auto, SGD; got 'Adam'"),
        ("mode", "maxx", "mode must be one of max, min; got 'maxx' (text); did you mean 'max'?"),
        ("form", "c", "form must be b; got 'c' (text)"),
        ("form", "ay", "form must be b; got 'ay' (text); did you mean 'b'?"),
        ("gains", 3, "gains must be a mapping of text to a number or nothing (null); got 3"),
        ("inner", {"depht": 2}, "inner: no setting 'depht'; did you mean 'depth'?"),
        ("inner", 3, "inner must be a mapping or nothing (null); got 3"),
    ],
)
def test_a_value_that_can_not_be_used_is_refused(key: str, given: object, message: str):
    with pytest.raises(SettingsError) as caught:
        make(**{key: given})
    assert message in str(caught.value)


def test_a_required_key_is_asked_for():
    @dataclass(frozen=True)
    class Required:
        data: str

    with pytest.raises(SettingsError, match="'data' must be given"):
        make_settings(Required, {}, source="words")


def test_what_the_dataclass_refuses_names_the_source():
    with pytest.raises(SettingsError, match=r"^train\.yaml: close_mosaic must be below epochs$"):
        make_settings(Refusing, {}, source="train.yaml")


@dataclass(frozen=True)
class Refusing:
    epochs: int = 1

    def __post_init__(self) -> None:
        raise SettingsError("close_mosaic must be below epochs")


def test_numbers_that_yaml_reads_as_text_are_numbers(tmp_path: Path):
    file = tmp_path / "train.yaml"
    file.write_text("lr0: 1e-2\nepochs: 3\n", encoding="utf-8")
    assert load_settings(Settings, file) == Settings(lr0=0.01, epochs=3)


def test_an_empty_file_gives_the_defaults(tmp_path: Path):
    file = tmp_path / "train.yaml"
    file.touch()
    assert load_settings(Settings, file) == Settings()


def test_yaml_may_merge_one_mapping_into_another(tmp_path: Path):
    file = tmp_path / "train.yaml"
    file.write_text("gains: &g {box: 7}\ninner: {<<: {depth: 3}}\n", encoding="utf-8")
    assert load_settings(Settings, file) == Settings(gains={"box": 7.0}, inner=Inner(3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"epochs: 3\n\tlr0: 1", r"train\.yaml:2: must be YAML"),
        (b"epochs: 3\nepochs: 4", r"train\.yaml:2: must be YAML; got the key 'epochs' twice"),
        (b"- 1", "must hold 'key: value' lines"),
        (b"\xff\xfe\x00", "must be UTF-8"),
        (b"1: 2", "keys must be text"),
    ],
)
def test_a_file_that_is_no_settings_is_refused(tmp_path: Path, content: bytes, message: str):
    file = tmp_path / "train.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        load_settings(Settings, file)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"nowhere\.yaml: no such file"):
        load_settings(Settings, tmp_path / "nowhere.yaml")


def test_the_nearest_key_ignores_case():
    assert nearest_key("LR0", ["lr0", "lrf"]) == "lr0"


def test_there_is_not_always_a_near_key():
    assert nearest_key("mosaic", ["lr0", "lrf"]) is None


@dataclass(frozen=True)
class Described:
    share: float = setting(0.5, "of the images", least=0, most=1)
    form: str = setting("a", "of the file", choices=("a", "b"))


def test_a_setting_keeps_its_default_and_its_meaning():
    assert Described() == Described(share=0.5, form="a")
    assert Described.__dataclass_fields__["share"].metadata == {"help": "of the images", "min": 0, "max": 1}


def test_a_setting_is_held_to_its_limits():
    with pytest.raises(SettingsError, match=r"words: share must be from 0 to 1; got 2\.0"):
        make_settings(Described, {"share": 2}, source="words")
    with pytest.raises(SettingsError, match="words: form must be one of a, b; got 'c'"):
        make_settings(Described, {"form": "c"}, source="words")
