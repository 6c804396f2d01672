"""Settings: from a YAML file or words to a frozen dataclass, with exact errors."""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from pose_data.errors import SettingsError
from pose_data.values import WrongTypeError, convert, expected, seen

_T = TypeVar("_T")


def load_settings(cls: type[_T], path: Path) -> _T:
    """Read a frozen dataclass from a YAML file.

    Args:
        cls: the dataclass; its field names are the keys.
        path: the file; one that is empty gives all defaults.

    Raises:
        SettingsError: the file can't be read, or a key or a value is wrong (see `make_settings`).
    """
    from pose_data.yaml_file import read_yaml  # only who reads a file pays for importing PyYAML

    return make_settings(cls, read_yaml(path), source=str(path))


def make_settings(cls: type[_T], mapping: Mapping[str, object], *, source: str) -> _T:
    """Make a frozen dataclass from keys and values, checking each of them.

    Types are those of the fields: bool, int, float, str, Path, Literal, Optional and other unions, tuples,
    mappings and nested dataclasses. An int is taken where a float is expected, and so is text such as 1e-2,
    which YAML doesn't read as a number. A bool is never a number. The words None and null mean None where a
    field allows it. One value is taken for a tuple of any length. A field's metadata may hold `min` and
    `max` (both allowed themselves), `choices` and `help`.

    Args:
        cls: the dataclass; its field names are the keys.
        mapping: values by key, as YAML or the command line gives them.
        source: the file or the place that errors name.

    Raises:
        SettingsError: an unknown key (the nearest right one is named), a missing key, a wrong type, a value
            out of range, or whatever the dataclass itself refuses.
    """
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    _check_keys(mapping, fields, source=source)
    hints = typing.get_type_hints(cls)
    values = {key: _checked(value, fields[key], hints[key], what=f"{source}: {key}") for key, value in mapping.items()}
    try:
        return cls(**values)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from error


def nearest_key(name: str, known: Iterable[str]) -> str | None:
    """Find the known key that a mistyped one most likely means; None if none is near."""
    by_lower = {key.lower(): key for key in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def _check_keys(mapping: Mapping[str, object], fields: Mapping[str, dataclasses.Field[object]], *, source: str) -> None:
    for key in mapping:
        if key not in fields:
            near = nearest_key(str(key), fields)
            hint = f"did you mean '{near}'?" if near else f"the settings are {', '.join(fields)}"
            raise SettingsError(f"{source}: no setting '{key}'; {hint}")
    for key, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and key not in mapping:
            raise SettingsError(f"{source}: '{key}' must be given; add '{key}: ...'")


def _checked(value: object, field: dataclasses.Field[object], hint: object, *, what: str) -> object:
    nested = next((h for h in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(h)), None)
    if isinstance(nested, type) and isinstance(value, Mapping):
        return make_settings(nested, value, source=what)
    try:
        result = convert(value, hint)
    except WrongTypeError as error:
        raise SettingsError(f"{what} must be {expected(hint)}; got {seen(value)}") from error
    _check_range(result, field.metadata, what=what)
    return result


def _check_range(value: object, metadata: Mapping[str, object], *, what: str) -> None:
    for item in value if isinstance(value, tuple) else (value,):
        if "choices" in metadata and item is not None:
            _check_choice(item, metadata, what=what)
        if isinstance(item, bool) or not isinstance(item, (int, float)):
            continue
        low, high = metadata.get("min", -math.inf), metadata.get("max", math.inf)
        if not low <= item <= high:  # type: ignore[operator]
            raise SettingsError(f"{what} must be {_range_words(metadata)}; got {item}")


def _check_choice(value: object, metadata: Mapping[str, object], *, what: str) -> None:
    allowed = list(typing.cast("Iterable[object]", metadata["choices"]))
    if value not in allowed:
        shown = [str(choice) for choice in allowed if choice != ""]
        meant = typing.cast("Mapping[str, str]", metadata.get("meant", {}))
        near = meant.get(str(value)) or nearest_key(str(value), shown)
        hint = f"; did you mean '{near}'?" if near else ""
        words = f"one of {', '.join(shown)}" if len(shown) > 1 else shown[0]
        raise SettingsError(f"{what} must be {words}; got {seen(value)}{hint}")


def _range_words(metadata: Mapping[str, object]) -> str:
    if "min" in metadata and "max" in metadata:
        return f"from {metadata['min']} to {metadata['max']}"
    return f"at least {metadata['min']}" if "min" in metadata else f"at most {metadata['max']}"
