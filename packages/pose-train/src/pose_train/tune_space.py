"""What `tune` searches over: for each setting a range or a list of values, from a YAML file or by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pose_data import SettingsError, make_settings, nearest_key, read_yaml

from pose_train.settings import TrainSettings

Value = bool | int | float | str


@dataclass(frozen=True)
class SearchRange:
    """Numbers between two ends; whole ones for a setting that is a whole number.

    Args:
        low: smallest value.
        high: largest value.
        log: whether factors count and not differences, as for learning rates.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class SearchChoices:
    """A few values without order.

    Args:
        choices: the values.
    """

    choices: tuple[Value, ...]


Search = SearchRange | SearchChoices
Space = Mapping[str, Search]

# What changes accuracy, and not the data, the time per epoch or the network; the recipe's values lie inside.
DEFAULT_SPACE: Space = {
    "lr0": SearchRange(1e-4, 1e-2, log=True),
    "lrf": SearchRange(0.01, 0.5, log=True),
    "weight_decay": SearchRange(1e-5, 1e-2, log=True),
    "box": SearchRange(2.0, 15.0),
    "cls": SearchRange(0.2, 2.0),
    "dfl": SearchRange(0.5, 3.0),
    "pose": SearchRange(4.0, 30.0),
    "hsv_s": SearchRange(0.0, 0.9),
    "hsv_v": SearchRange(0.0, 0.9),
    "degrees": SearchRange(0.0, 30.0),
    "translate": SearchRange(0.0, 0.3),
    "scale": SearchRange(0.0, 0.9),
    "mosaic": SearchRange(0.0, 1.0),
}
# Whose values can't be compared by what they lead to, or would make trials write over each other.
FIXED = ("data", "device", "epochs", "exist_ok", "name", "project", "resume", "seed", "split", "time", "tracker", "val")


def make_space(words: Sequence[str]) -> dict[str, Search]:
    """Choose what to search over.

    Args:
        words: names of settings of `DEFAULT_SPACE`, or one YAML file; nothing for all of `DEFAULT_SPACE`.

    Raises:
        SettingsError: an unknown name, or a file that can't be used.
    """
    if len(words) == 1 and words[0].lower().endswith((".yaml", ".yml")):
        return read_space(Path(words[0]))
    for word in words:
        if word in FIXED:
            raise SettingsError(f"space: {word} must stay the same in all trials; leave it out")
        if word not in DEFAULT_SPACE:
            near = None if word in TrainSettings.__dataclass_fields__ else nearest_key(word, DEFAULT_SPACE)
            hint = f"did you mean '{near}'?" if near else "write a YAML file with its range and give that"
            raise SettingsError(f"space must name settings of {', '.join(DEFAULT_SPACE)}; got '{word}'; {hint}")
    return {name: DEFAULT_SPACE[name] for name in words or DEFAULT_SPACE}


def read_space(path: Path) -> dict[str, Search]:
    """Read a search space: `lr0: {low: 1e-4, high: 1e-2, log: true}`, `mosaic: [0, 1]`, `optimizer: {choices: [...]}`.

    Raises:
        SettingsError: no such file, an unknown setting, or values that the setting can't have.
    """
    space = {key: _search(key, value, path) for key, value in read_yaml(path).items()}
    if not space:
        raise SettingsError(f"{path}: must name the settings to search over, such as 'mosaic: [0, 1]'; got none")
    for key, search in space.items():
        _check(key, search, path)
    return space


def _search(key: str, value: object, path: Path) -> Search:
    if isinstance(value, list) and len(value) == 2:
        return make_settings(SearchRange, {"low": value[0], "high": value[1]}, source=f"{path}: {key}")
    if isinstance(value, Mapping):
        kind: type[Search] = SearchChoices if "choices" in value else SearchRange
        return make_settings(kind, value, source=f"{path}: {key}")
    raise SettingsError(
        f"{path}: {key} must be [low, high], {{low: .., high: .., log: true}} or {{choices: [..]}}; got {value!r}"
    )


def _check(key: str, search: Search, path: Path) -> None:
    """Check that both ends, or all choices, are values that the setting can have."""
    if key in FIXED:
        raise SettingsError(f"{path}: {key} must stay the same in all trials; leave it out")
    if isinstance(search, SearchChoices):
        if not search.choices:
            raise SettingsError(f"{path}: {key}: choices must hold at least one value; got none")
        for choice in search.choices:
            make_settings(TrainSettings, {key: choice}, source=str(path))
        return
    if not search.low < search.high or (search.log and search.low <= 0):
        least = "0 < low < high for log" if search.log else "low < high"
        raise SettingsError(f"{path}: {key} must have {least}; got {search.low} and {search.high}")
    for end in (search.low, search.high):
        make_settings(TrainSettings, {key: int(end) if is_whole(key) and end == int(end) else end}, source=str(path))


def least(space: Space) -> dict[str, Value]:
    """The lower end of each range, and the first of each list of values."""
    return {key: _least(key, search) for key, search in space.items()}


def _least(key: str, search: Search) -> Value:
    if isinstance(search, SearchChoices):
        return search.choices[0]
    return int(search.low) if is_whole(key) else search.low


def is_whole(key: str) -> bool:
    """Whether a setting is a whole number."""
    default: object = getattr(TrainSettings.__dataclass_fields__.get(key), "default", None)
    return isinstance(default, int) and not isinstance(default, bool)


def describe_space(space: Space) -> dict[str, object]:
    """The space as plain values, to be kept with a study."""
    return {key: dataclasses.asdict(search) for key, search in space.items()}
