"""The tables of a run: a row for every epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from pose_data import CheckpointError, atomic_path
from pose_eval import Metrics, PoseMetrics

METRIC_NAMES = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar")
SHOWN = 40  # characters of a line that can't be used


def read_rows(table: Path) -> list[dict[str, str]]:
    """Read a table of epochs; none where there is no file yet."""
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_row(table: Path, epoch: int, row: Mapping[str, float | int]) -> None:
    """Put the row of an epoch (from 1) into a table, over any row of that epoch or a later one."""
    written = {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in row.items()}
    rows = [old for old in read_rows(table) if int(old["epoch"]) < epoch] + [{"epoch": str(epoch), **written}]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[-1]), restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_path(table) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def check_table(table: Path) -> None:
    """Check that a table can be gone on with; one that isn't there can.

    Raises:
        CheckpointError: it isn't as the run wrote it, as after a spreadsheet has saved it.
    """
    wrong = _what_is_wrong(table) if table.exists() else ""
    if wrong:
        raise CheckpointError(
            f"{table}: must be the table that the run wrote, UTF-8 with commas, 'epoch' first and a number in every "
            f"cell; got {wrong}; put it back as it was, or move it elsewhere and the run begins a new one"
        )


def metric_columns(metrics: PoseMetrics) -> dict[str, float]:
    """Name the figures of a validation as the table does."""
    both: tuple[tuple[str, Metrics], ...] = (("box", metrics.boxes), ("pose", metrics.keypoints))
    return {f"{kind}/{name}": float(getattr(part, name)) for kind, part in both for name in METRIC_NAMES}


def loss_columns(losses: Mapping[str, float]) -> dict[str, float]:
    """Name the losses as the table does."""
    return {f"loss/{name}": value for name, value in losses.items()}


def _what_is_wrong(table: Path) -> str:
    """Say what of a table can't be used; nothing where all can."""
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return "bytes that aren't UTF-8"
    if not lines or lines[0].split(",")[0] != "epoch":
        return f"a first line that begins {lines[0][:SHOWN]!r}" if lines else "an empty file"
    columns = lines[0].count(",") + 1
    for number, line in enumerate(lines[1:], start=2):
        if not _is_row(line.split(","), columns):
            return f"line {number}: {line[:SHOWN]!r}"
    return ""


def _is_row(cells: list[str], columns: int) -> bool:
    try:
        return len(cells) == columns and int(cells[0]) >= 1 and all(_is_number(cell) for cell in cells[1:])
    except ValueError:
        return False


def _is_number(cell: str) -> bool:
    """Whether a cell holds a number or, where nothing was measured, is empty."""
    return not cell or isinstance(float(cell), float)
