"""`pose benchmark`: every format and precision of one network, measured beside each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pose_data import atomic_path, setting
from pose_export import FORMATS, PRECISIONS, Measurement

from pose_cli.command import WordsCommand
from pose_cli.commands.export import ALL

if TYPE_CHECKING:
    from rich.table import Table

HELP = """Measure every format and precision of a network side by side.

\b
  pose benchmark best.safetensors data=people.yaml
  pose benchmark best.safetensors format=onnx,openvino precision=fp32,int8 imgsz=640 threads=4
"""


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is measured, and how."""

    model: str = setting("", "file of weights; empty takes the weights that come along")
    data: str = setting("", "data YAML, or 'people', for AP, images and 8-bit ranges; the card's data when empty")
    format: str = setting(
        "", f"formats with commas, of {', '.join(row.name for row in FORMATS)}; all, or empty, takes all"
    )
    precision: str = setting("", f"precisions with commas, of {', '.join(PRECISIONS)}; all when empty")
    imgsz: tuple[int, ...] | None = setting(
        None, "side, or [height,width], of the input; the card's if empty", least=32
    )
    calls: int = setting(30, "images that are timed, one by one", least=1)
    threads: int | None = setting(None, "CPU threads; all cores when empty", least=1)
    ap: bool = setting(True, "measure AP on the validation images of the data")
    project: str = setting("runs/benchmark", "folder of the results, numbered when it is taken")
    name: str = setting("", "folder inside project; empty numbers the project folder itself")
    keep: bool = setting(False, "keep the exported files, in files/ of the results")


def _run(settings: BenchmarkSettings) -> int:
    import tempfile

    from pose_export import benchmark, plan_benchmark

    from pose_cli.benchmark_picture import write_picture
    from pose_cli.commands.export import measure_ap
    from pose_cli.console import messages, results
    from pose_cli.images import CALIBRATION_IMAGES, TIMED_IMAGES, read_split
    from pose_cli.models import model_file
    from pose_cli.run_folder import make_run_folder
    from pose_cli.sizes import input_size

    model = model_file(settings.model)
    formats, precisions = _names(settings.format), _names(settings.precision)
    pairs = plan_benchmark(formats, precisions)
    data = settings.data or _data_of(model)
    images = read_split(data, "val", most=TIMED_IMAGES) if data else None
    in_8_bit = any(precision == "int8" for _, precision in pairs)
    folder = make_run_folder(settings.project, name=settings.name)
    with messages().status("measuring") as status, tempfile.TemporaryDirectory() as temporary:
        measured = benchmark(
            model,
            output=folder / "files" if settings.keep else temporary,
            formats=formats,
            precisions=precisions,
            imgsz=input_size(settings.imgsz),
            images=images,
            calibration=read_split(data, "train", most=CALIBRATION_IMAGES) if data and in_8_bit else None,
            measure_ap=measure_ap(data) if data and settings.ap else None,
            calls=settings.calls,
            threads=settings.threads,
            progress=status.update,
        )
    results().print(make_table(measured))
    for one in measured:
        if one.status != "passed":
            click.echo(f"{one.format} {one.precision}: {one.status}", err=True)
    with atomic_path(folder / "benchmark.json") as temporary:
        temporary.write_text(json.dumps([asdict(one) for one in measured], indent=1), encoding="utf-8")
    write_picture(folder / "benchmark.png", measured)
    click.echo(f"benchmark.json and benchmark.png are in {folder}")
    return int(all(one.times is None for one in measured))


def make_table(measured: Sequence[Measurement]) -> Table:
    """Make the table: a row for each format and precision."""
    from rich.table import Table

    table = Table("format", "precision", "status")
    for column in ("MB", "AP", "preprocess ms", "network ms", "select ms", "per second", "memory MB"):
        table.add_column(column, justify="right")
    for one in measured:
        status = one.status.split(":")[0]
        style = {"passed": "green", "failed": "red"}.get(status, "yellow")
        table.add_row(one.format, one.precision, f"[{style}]{status}[/]", *_figures(one))
    return table


def _figures(one: Measurement) -> tuple[str, ...]:
    size = "" if one.megabytes is None else f"{one.megabytes:.1f}"
    ap = "" if one.ap is None else f"{one.ap:.4f}"
    if one.times is None:
        return (size, ap, "", "", "", "", "")
    stages = one.times.stages
    shown = tuple(f"{stage:.1f}" for stage in (stages.preprocess, stages.network, stages.select))
    return (size, ap, *shown, f"{1000 / stages.total:.1f}", f"{one.times.memory:.0f}")


def _data_of(model: Path) -> str:
    from pose_nn import load_checkpoint

    return load_checkpoint(model).card.data


def _names(words: str) -> list[str] | None:
    """Split names at commas; None, which is all, where there are none or the one word says so."""
    from pose_cli.names import split_names

    return None if words in ("", ALL) else list(split_names(words)) or [words]


command = WordsCommand("benchmark", settings=lambda: BenchmarkSettings, run=_run, help=HELP, places=("model", "data"))
