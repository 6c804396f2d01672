"""Recipes: settings that belong together, under a name or in a YAML file of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from pose_data import SettingsError, make_settings, nearest_key, read_yaml

from pose_train.settings import TrainSettings

RECIPE = "recipe"  # the word that names one
_SUFFIXES = (".yaml", ".yml")


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
