"""One setting of a dataclass: its default, and in the same place what help and checks say about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

_T = TypeVar("_T")


def setting(
    default: _T,
    text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] | None = None,
    meant: Mapping[str, str] | None = None,
) -> _T:
    """Make a dataclass field that `make_settings` checks and help can show.

    Args:
        default: the value when nothing is given.
        text: what the setting means, for help.
        least: smallest number that is allowed.
        most: largest number that is allowed.
        choices: the only words that are allowed.
        meant: other words, each with the choice that an error names for it.
    """
    limits = {"help": text, "min": least, "max": most, "choices": choices, "meant": meant}
    metadata = {name: value for name, value in limits.items() if value is not None}
    return dataclasses.field(default=default, metadata=metadata)
