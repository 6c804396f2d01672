"""What the table of formats of pose-export says of its extras, read without importing it: nothing is installed yet."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "packages" / "pose-export" / "src" / "pose_export" / "formats.py"
GPU_ONLY = "tensorrt"


@dataclass(frozen=True)
class Row:
    """One format.

    Args:
        name: what a caller writes, such as "onnx".
        making: the extras that install what making its files takes.
        running: the extra that installs what running them takes; "" when the base install does.
    """

    name: str
    making: tuple[str, ...]
    running: str


@dataclass(frozen=True)
class Case:
    """An extra to try: the formats that it is there for.

    Args:
        extra: its name.
        making: the extras to make files with, as the rows name them.
        running: the formats, by the extras to run them with.
    """

    extra: str
    making: tuple[str, ...]
    running: Mapping[tuple[str, ...], tuple[str, ...]]

    @property
    def formats(self) -> tuple[str, ...]:
        """All its formats."""
        return tuple(name for names in self.running.values() for name in names)


def read_rows(table: Path = TABLE) -> tuple[Row, ...]:
    """Read each `Format(...)` of the module with the table."""
    calls = (node for node in ast.walk(ast.parse(table.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    words = [
        {word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)}
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "Format"
    ]
    return tuple(Row(str(row["name"]), tuple(str(row["extra"]).split(",")), str(row["run_extra"])) for row in words)


def make_cases(rows: Iterable[Row]) -> tuple[Case, ...]:
    """One case per extra of its own that a row names; what `convert` alone makes is tried by what runs it."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.running if row.making == ("convert",) else row.making[-1], []).append(row)
    return tuple(Case(extra, own[0].making, _by_run_extra(own)) for extra, own in found.items())


def make_whole_case(rows: Iterable[Row]) -> Case:
    """All extras together, but for the one that needs a GPU: files are made and run in one environment."""
    own = [row for row in rows if GPU_ONLY not in row.making]
    extras = tuple(sorted({extra for row in own for extra in (*row.making, row.running) if extra}))
    return Case("all", extras, {extras: tuple(row.name for row in own)})


def _by_run_extra(rows: list[Row]) -> dict[tuple[str, ...], tuple[str, ...]]:
    extras = dict.fromkeys(row.running for row in rows)
    return {(extra,) if extra else (): tuple(row.name for row in rows if row.running == extra) for extra in extras}
