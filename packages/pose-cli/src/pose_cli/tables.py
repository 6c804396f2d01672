"""Figures as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pose_data import StageTimes
from rich.table import Table

if TYPE_CHECKING:
    from pose_eval import Metrics, PoseMetrics
    from pose_export import LayerError

_COLUMNS = ("AP", "AP50", "AP75", "AP medium", "AP large", "AR")


def metrics_table(metrics: PoseMetrics, *, title: str) -> Table:
    """Box and keypoint figures, COCO's; one row more per class where there are several."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for kind, block in (("boxes", metrics.boxes), ("keypoints", metrics.keypoints)):
        table.add_row(kind, *_row(block))
        for name, ap in zip(metrics.names, block.per_class, strict=True) if len(metrics.names) > 1 else ():
            table.add_row(f"  {name}", figure(float(ap)))
    return table


def layers_table(errors: Sequence[LayerError]) -> Table:
    """What each layer suffers from 8 bit by itself, worst first."""
    table = Table("layer", "signal to noise, dB", "in 8 bit", title="one layer in 8 bit", title_justify="left")
    table.columns[1].justify = "right"
    for error in errors:
        in_8_bit = "with contract=heads, in TFLite also normalised" if error.stays_float else "yes"
        table.add_row(error.name, f"{error.signal_to_noise:.1f}", in_8_bit)
    return table


def times_line(times: StageTimes) -> str:
    """Milliseconds per image of each stage."""
    return (
        f"per image: preprocess {times.preprocess:.1f} ms, network {times.network:.1f} ms, select {times.select:.1f} ms"
    )


def figure(value: float) -> str:
    """Three digits, or a dash for a figure that doesn't exist (COCO's -1: nothing of that kind is labelled)."""
    return "-" if value < 0 or value != value else f"{value:.3f}"


def _row(block: Metrics) -> tuple[str, ...]:
    values = (block.ap, block.ap50, block.ap75, block.ap_medium, block.ap_large, block.ar)
    return tuple(figure(value) for value in values)
