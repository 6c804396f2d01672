"""One thing that is wrong with a data set, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_SHOWN = 20  # faults that an error lists one by one


@dataclass(frozen=True)
class Fault:
    """Something wrong in one file of a data set.

    Args:
        file: the image, label or annotation file.
        line: counted from 1 in a text file; None where the fault is the file's as a whole.
        reason: what is wrong, and what was expected.
        severity: an error stops training; a warning is something to look at.
    """

    file: Path
    line: int | None
    reason: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.file}" if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.reason}"


def list_faults(faults: Sequence[Fault]) -> str:
    """Write faults one per line, the first twenty of them, and how many more there are."""
    lines = [f"  {fault}" for fault in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        lines.append(f"  ... and {len(faults) - _SHOWN} more")
    return "\n".join(lines)
