"""The door of the package: what it shows, and that showing it costs nothing."""

from __future__ import annotations

import dataclasses
import typing

import pose_cli
import pytest
from pose_cli.train_words import TrainWords


def test_the_door_shows_exactly_what_it_names() -> None:
    assert sorted(pose_cli.__all__) == dir(pose_cli)
    for name in pose_cli.__all__:
        assert getattr(pose_cli, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        pose_cli.Nothing  # noqa: B018


def test_the_words_of_training_are_its_settings() -> None:
    from pose_train import TrainSettings

    fields = {field.name: field.type for field in dataclasses.fields(TrainSettings)}
    for name in ("model", "pretrained"):
        del fields[name]
    words = {name: hint.__forward_arg__ for name, hint in TrainWords.__annotations__.items()}
    assert words == fields
    assert not typing.get_type_hints(TrainWords).keys() - fields.keys()
