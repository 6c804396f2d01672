"""What `pose demo` says at its end: one table of figures, and where the files are."""

from __future__ import annotations

from rich.table import Table

from pose_cli.demo import DemoReport
from pose_cli.progress import duration
from pose_cli.tables import figure
from pose_cli.validation import Validation


def report_table(report: DemoReport) -> Table:
    """Figures of every step on the held-out people."""
    images = report.after.images
    table = Table(title=f"{images} held-out images, {duration(report.seconds)} in all", title_justify="left")
    table.add_column("")
    for column in ("keypoint AP", "AP50", "AP75", "box AP", "box AP50", "network ms"):
        table.add_column(column, justify="right")
    if report.before is not None:
        table.add_row("weights as they come", *_row(report.before))
    training = report.training
    table.add_row(f"after {training.epochs} epochs, {duration(training.seconds)}", *_row(report.after))
    table.add_row("the same as ONNX", *_row(report.exported_validation))
    return table


def report_files(report: DemoReport) -> list[str]:
    """Where everything is, one line each, so that long paths stay whole."""
    parity = report.exported.parity
    assert parity is not None  # an ONNX file is run on every machine
    difference = f"differs from the network by {parity.box_max:.2g} px and {parity.score_max:.2g} in scores at most"
    rows = (
        ("data set", report.data),
        ("training run", report.training.run_folder),
        ("weights", report.training.best),
        ("ONNX file", f"{report.exported.path} ({report.exported.megabytes:.1f} MB; {difference})"),
        ("drawn", report.pictures),
    )
    return [f"{name + ':':14}{value}" for name, value in rows]


def _row(validation: Validation) -> tuple[str, ...]:
    pose, box = validation.pose, validation.box
    figures = tuple(figure(value) for value in (pose.map, pose.map50, pose.map75, box.map, box.map50))
    return (*figures, f"{validation.times.network:.1f}")
