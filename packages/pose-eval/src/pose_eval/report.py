"""A report as tables, and the three ways to write it down: for a terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Cell: TypeAlias = float | int | str


@dataclass(frozen=True)
class Table:
    """Rows under column names.

    Args:
        title: one line.
        columns: names; the first column holds labels.
        rows: one cell per column; NaN and -1.0 mean that there was nothing to measure.
        note: one sentence on how to read it; may be empty.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Report:
    """All tables of an evaluation.

    Args:
        title: one line.
        tables: in the order in which a reader needs them.
    """

    title: str
    tables: tuple[Table, ...]

    def as_text(self) -> str:
        """Write tables with aligned columns for a terminal."""
        parts = [self.title, *("\n".join(_text_lines(table)) for table in self.tables)]
        return "\n\n".join(parts) + "\n"

    def as_markdown(self) -> str:
        """Write Markdown tables."""
        parts = [f"# {self.title}", *("\n".join(_markdown_lines(table)) for table in self.tables)]
        return "\n\n".join(parts) + "\n"

    def as_json(self) -> str:
        """Write an object of tables, each a list of objects; what wasn't measured is null."""
        tables = {
            table.title: [
                dict(zip(table.columns, (None if _absent(cell) else cell for cell in row), strict=True))
                for row in table.rows
            ]
            for table in self.tables
        }
        return json.dumps({"title": self.title, "tables": tables}, indent=1, ensure_ascii=False) + "\n"


def _text_lines(table: Table) -> list[str]:
    cells = [list(table.columns), *([_written(cell) for cell in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(_aligned(cell, width, i) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
             for row in cells]  # fmt: skip
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [table.title, rule, lines[0], rule, *lines[1:], *([table.note] if table.note else [])]


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)


def _markdown_lines(table: Table) -> list[str]:
    rows = [table.columns, *(tuple(_written(cell) for cell in row) for row in table.rows)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    rule = "|" + "|".join("---" if not column else "---:" for column in range(len(table.columns))) + "|"
    return [f"## {table.title}", "", lines[0], rule, *lines[1:], *(["", table.note] if table.note else [])]


def _written(cell: Cell) -> str:
    if _absent(cell):
        return "-"
    if isinstance(cell, float):
        return f"{cell:.3f}" if abs(cell) < 100 else f"{cell:.1f}"
    return str(cell)


def _absent(cell: Cell) -> bool:
    return isinstance(cell, float) and (math.isnan(cell) or cell == -1.0)


def row_of(label: str, cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Put a label before cells, with numpy's numbers as plain ones."""
    return (label, *(float(cell) if isinstance(cell, float) else cell for cell in cells))
