"""Settings of a run from words and recipes: settings that belong together, under a name or in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from pose_data import SettingsError, make_settings, nearest_key, read_yaml

from pose_train.refused import check_not_refused
from pose_train.settings import TrainSettings

RECIPE = "recipe"  # the word that names one
_SUFFIXES = (".yaml", ".yml")


def make_train_settings(
    mapping: Mapping[str, object], *, source: str, defaults: Mapping[str, object] | None = None
) -> TrainSettings:
    """Make settings from keys and values; a word of other trainers is refused with what to write instead.

    Args:
        mapping: values by name; `recipe` names settings that hold where the mapping has none of its own.
        source: the file or the place that errors name.
        defaults: settings that hold where neither the mapping nor the recipe has them.

    Raises:
        SettingsError: an unknown key, a wrong type, a value out of range, or a key beside `resume`.
    """
    check_not_refused(mapping, source=source)
    beside = [key for key in mapping if key not in ("resume", "model")]
    if mapping.get("resume") and beside:
        raise SettingsError(
            f"{source}: with resume a run goes on with its own settings; got {', '.join(beside)} as well; leave "
            "out all but resume, or begin another run with model=<its weights/last.safetensors>"
        )
    return make_settings(TrainSettings, {**(defaults or {}), **with_recipe(mapping)}, source=source)


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that come along."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.suffix == ".yaml"))


def read_recipe(name: str) -> dict[str, object]:
    """Read the settings of a recipe.

    Args:
        name: one of `recipe_names`, or a YAML file of training settings.

    Raises:
        SettingsError: there is no such recipe or file, or it holds something that is no setting.
    """
    path = Path(name).expanduser()
    if path.suffix.lower() not in _SUFFIXES:
        path = _folder() / f"{name}.yaml"
        if not path.is_file():
            near = nearest_key(name, recipe_names())
            hint = f"did you mean '{near}'?" if near else f"there are {', '.join(recipe_names())}"
            raise SettingsError(f"recipe: must be a known name or a YAML file; got '{name}'; {hint}")
    content = read_yaml(path)
    check_not_refused(content, source=str(path))
    make_settings(TrainSettings, content, source=str(path))  # what is wrong in it is wrong in the file
    return content


def with_recipe(mapping: Mapping[str, object]) -> dict[str, object]:
    """Put the settings of the recipe that a mapping names under those that it has itself, and take the name out."""
    own = {key: value for key, value in mapping.items() if key != RECIPE}
    name = mapping.get(RECIPE)
    return {**read_recipe(str(name)), **own} if name else own


def _folder() -> Path:
    folder = resources.files("pose_train") / "recipe_files"
    assert isinstance(folder, Path)  # a package in a zip file has no settings that could be read as a file
    return folder
