"""The best trial as a recipe: the settings that `recipe=` takes to train with what was found."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

import yaml
from pose_data import atomic_path

from pose_train.settings import TrainSettings
from pose_train.training import with_whole_paths

NO_RESULT_DEPENDS_ON = ("device", "workers", "cache", "plots", "tracker", "exist_ok", "save_period", "project")
_LEFT_OUT = (*NO_RESULT_DEPENDS_ON, "name", "resume")  # of the search, or of where it ran
_ALWAYS = ("model", "data")  # `pose train` begins with other weights than `train` where no model is named


def write_recipe(file: Path, settings: TrainSettings, *, found: Collection[str]) -> None:
    """Write the settings of the best trial as a recipe."""
    text = yaml.safe_dump(recipe_of(settings, found=found), sort_keys=False, allow_unicode=True)
    with atomic_path(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def recipe_of(settings: TrainSettings, *, found: Collection[str]) -> dict[str, object]:
    """Choose what another run needs to learn as a trial did.

    Args:
        settings: of the trial.
        found: names of the settings that were searched over.

    Returns:
        Network and data, by whole paths; what was found; and what differs from the defaults, but for what the search
        chose itself and what belongs to the machine.
    """
    whole = with_whole_paths(settings)
    chosen: dict[str, object] = {}
    for field in dataclasses.fields(TrainSettings):
        value = getattr(whole, field.name)
        given = field.name not in _LEFT_OUT and value != field.default
        if given or field.name in _ALWAYS or field.name in found:
            chosen[field.name] = list(value) if isinstance(value, tuple) else value
    return chosen
