"""One value as YAML or the command line gives it, turned into the type that a setting has."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path


class WrongTypeError(Exception):
    """A value is not of the type that it should have; whoever knows its name makes the message."""


def convert(value: object, hint: object) -> object:
    """Turn one value into what a type hint asks for.

    Raises:
        WrongTypeError: it can't be turned into that.
        TypeError: no setting can have such a type.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments)
    if origin is typing.Literal:
        return _one_of(value, arguments)
    if origin is tuple:
        return _convert_tuple(value, arguments)
    if origin is not None:  # the other generics that settings use are mappings
        return _convert_mapping(value, arguments)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _instance(value, hint)
    if hint is type(None):
        return _none(value)
    if not isinstance(hint, type) or hint not in _SCALARS:
        raise TypeError(f"a setting can't have the type {hint}")
    return _SCALARS[hint](value)


def _convert_union(value: object, members: tuple[object, ...]) -> object:
    # Text is the last resort: "1e-2" is a number where a number is allowed, and None is None.
    order = {type(None): 0, bool: 1, int: 2, float: 3, Path: 8, str: 9}
    ranked = sorted(members, key=lambda m: order.get(m, 5) if isinstance(m, type) else 5)
    for member in ranked:
        try:
            return convert(value, member)
        except WrongTypeError:
            continue
    raise WrongTypeError


def _one_of(value: object, choices: tuple[object, ...]) -> object:
    for choice in choices:
        if value == choice and isinstance(value, bool) == isinstance(choice, bool):
            return choice
    raise WrongTypeError


def _convert_tuple(value: object, arguments: tuple[object, ...]) -> object:
    of_any_length = len(arguments) == 2 and arguments[1] is Ellipsis
    if not isinstance(value, (list, tuple)):
        if not of_any_length or value is None or isinstance(value, dict):
            raise WrongTypeError
        value = [value]
    hints = [arguments[0]] * len(value) if of_any_length else list(arguments)
    if len(hints) != len(value):
        raise WrongTypeError
    return tuple(convert(item, hint) for item, hint in zip(value, hints, strict=True))


def _convert_mapping(value: object, arguments: tuple[object, ...]) -> object:
    if not isinstance(value, Mapping):
        raise WrongTypeError
    key_hint, item_hint = arguments
    return {convert(k, key_hint): convert(v, item_hint) for k, v in value.items()}


def _instance(value: object, cls: type) -> object:
    if not isinstance(value, cls):
        raise WrongTypeError
    return value


def _none(value: object) -> object:
    if value is not None and value not in ("None", "none", "null", "~"):
        raise WrongTypeError
    return None


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongTypeError
    return value


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise WrongTypeError
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise WrongTypeError from error
    if not math.isfinite(number):
        raise WrongTypeError
    return number


def _int(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = _float(value)
    if not number.is_integer():
        raise WrongTypeError
    return int(number)


def _str(value: object) -> str:
    # `device: 0` and `name: 7` are numbers to YAML and names to everyone else.
    if isinstance(value, bool) or not isinstance(value, (str, int, Path)):
        raise WrongTypeError
    return str(value)


def _path(value: object) -> Path:
    if not isinstance(value, (str, Path)):
        raise WrongTypeError
    return Path(value).expanduser()


_SCALARS: dict[type, Callable[[object], object]] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    Path: _path,
}


def expected(hint: object) -> str:
    """Say what a hint asks for, for the 'must be ...' of an error."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(expected(a) for a in arguments)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"a list, each {expected(arguments[0])}"
    if origin is tuple:
        return f"a list of {len(arguments)}: {', '.join(expected(a) for a in arguments)}"
    if origin is not None:
        return f"a mapping of {expected(arguments[0])} to {expected(arguments[1])}"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
    return "nothing (null)" if hint is type(None) else names.get(typing.cast(type, hint), "a mapping")


def seen(value: object) -> str:
    """Say what a value is, for the 'got ...' of an error."""
    shown = repr(value)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    for kind, word in _WORDS.items():
        if isinstance(value, kind):
            return f"{shown} ({word})"
    return "nothing (null)" if value is None else shown


_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
}
