"""One setting of a command: its default, and in the same place what help and checks say about it."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

_T = TypeVar("_T")


def word(
    default: _T,
    text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> _T:
    """Make a dataclass field; `pose_data.make_settings` checks the limits, `--help` shows the text."""
    limits = {"help": text, "min": least, "max": most, "choices": choices}
    metadata = {name: value for name, value in limits.items() if value is not None}
    return dataclasses.field(default=default, metadata=metadata)
