"""`pose benchmark`: every format and precision of one network, or files as they are, measured beside each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pose_data import PoseError, SettingsError, atomic_path, setting
from pose_export import FORMATS, PRECISIONS, Measurement

from pose_cli.command import WordsCommand
from pose_cli.commands.export import ALL
from pose_cli.models import PROVIDERS_HELP

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pose_data import Predictor
    from rich.table import Table

_OF_EXPORT = ("format", "precision", "imgsz", "keep")  # words that say what is exported
_FINE = ("passed", "measured")
HELP = """Measure formats and precisions of a network, or files, side by side.

\b
  pose benchmark best.safetensors data=people.yaml
  pose benchmark best.safetensors format=onnx,openvino precision=fp32,int8 imgsz=640 threads=4
  pose benchmark best.onnx,best_openvino_model data=people.yaml
"""


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is measured, and how."""

    model: str = setting(
        "", "file of weights to export; or exported files, with commas; empty takes the weights that come along"
    )
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
    providers: str = setting("", PROVIDERS_HELP)
    ap: bool = setting(True, "measure AP on the validation images of the data")
    project: str = setting("runs/benchmark", "folder of the results, numbered when it is taken")
    name: str = setting("", "folder inside project; empty numbers the project folder itself")
    keep: bool = setting(False, "keep the exported files, in files/ of the results")


def _run(settings: BenchmarkSettings) -> int:
    from pose_cli.benchmark_picture import write_picture
    from pose_cli.console import results
    from pose_cli.models import is_checkpoint

    models = _find_models(settings.model)
    as_they_are = len(models) > 1 or not is_checkpoint(models[0].name)
    _check_words(settings, as_they_are=as_they_are)
    measured, folder = (_measure_files if as_they_are else _measure_formats)(settings, models)
    results().print(make_table(measured))
    _print_notes(measured)
    with atomic_path(folder / "benchmark.json") as temporary:
        temporary.write_text(json.dumps([asdict(one) for one in measured], indent=1), encoding="utf-8")
    write_picture(folder / "benchmark.png", measured)
    click.echo(f"benchmark.json and benchmark.png are in {folder}")
    return int(all(one.times is None for one in measured))


def _measure_formats(settings: BenchmarkSettings, models: Sequence[Path]) -> tuple[tuple[Measurement, ...], Path]:
    """Export one file of weights to many formats and measure these; also gives the folder of the results."""
    import tempfile

    from pose_export import benchmark, plan_benchmark

    from pose_cli.console import messages
    from pose_cli.images import CALIBRATION_IMAGES, read_split
    from pose_cli.run_folder import make_run_folder
    from pose_cli.sizes import input_size

    formats, precisions = _names(settings.format), _names(settings.precision)
    in_8_bit = any(precision == "int8" for _, precision in plan_benchmark(formats, precisions))
    data = settings.data or _data_of(models[0])
    images = _images(data)
    folder = make_run_folder(settings.project, name=settings.name)
    with messages().status("measuring") as status, tempfile.TemporaryDirectory() as temporary:
        measured = benchmark(
            models[0],
            output=folder / "files" if settings.keep else temporary,
            formats=formats,
            precisions=precisions,
            imgsz=input_size(settings.imgsz),
            calibration=read_split(data, "train", most=CALIBRATION_IMAGES) if data and in_8_bit else None,
            progress=status.update,
            images=images,
            measure_ap=_measure_ap(settings, data),
            calls=settings.calls,
            threads=settings.threads,
        )
    return measured, folder


def _measure_files(settings: BenchmarkSettings, models: Sequence[Path]) -> tuple[tuple[Measurement, ...], Path]:
    """Measure files as they are; also gives the folder of the results, which is made when there are some."""
    from pose_export import benchmark_files

    from pose_cli.console import messages
    from pose_cli.names import split_names
    from pose_cli.run_folder import make_run_folder

    data = settings.data or _first_data(models)
    images = _images(data)
    with messages().status("measuring") as status:
        measured = benchmark_files(
            models,
            providers=split_names(settings.providers) or None,
            progress=status.update,
            images=images,
            measure_ap=_measure_ap(settings, data),
            calls=settings.calls,
            threads=settings.threads,
        )
    return measured, make_run_folder(settings.project, name=settings.name)


def _find_models(words: str) -> list[Path]:
    """The files that `model=` names, with commas where there are several."""
    from pose_cli.models import model_file
    from pose_cli.names import split_names

    if not words or Path(words).expanduser().exists():  # a comma may be part of the name
        return [model_file(words)]
    return [model_file(name) for name in split_names(words)] or [model_file(words)]


def _check_words(settings: BenchmarkSettings, *, as_they_are: bool) -> None:
    """Refuse words that would change nothing."""
    if not as_they_are and settings.providers:
        raise SettingsError(
            f"benchmark: providers must be left out for weights, which are exported first; got '{settings.providers}'; "
            "they are for .onnx files, named with model="
        )
    for name in _OF_EXPORT if as_they_are else ():
        if (value := getattr(settings, name)) != getattr(BenchmarkSettings, name):
            raise SettingsError(
                f"benchmark: {name} must be left out where files are measured as they are; got '{value}'; "
                "name one file of weights to have it exported"
            )


def _print_notes(measured: Sequence[Measurement]) -> None:
    """Print what each file ran on, and why one wasn't measured or differs from its network."""
    names = [(Path(one.file).name if one.file else one.format, one) for one in measured]
    for line in dict.fromkeys(f"{name}: {one.times.runs_on}" for name, one in names if one.times is not None):
        click.echo(line)
    for name, one in names:
        if one.status not in _FINE:
            click.echo(f"{name if one.file else f'{name} {one.precision}'}: {one.status}", err=True)


def make_table(measured: Sequence[Measurement]) -> Table:
    """Make the table: a row for each format and precision, or for each file where these were there before."""
    from rich.table import Table

    named = any(one.file for one in measured)
    table = Table(*(("file",) if named else ()), "format", "precision", "status")
    for column in ("MB", "AP", "preprocess ms", "network ms", "select ms", "per second", "memory MB"):
        table.add_column(column, justify="right")
    for one in measured:
        status = one.status.split(":")[0]
        style = "green" if status in _FINE else "red" if status == "failed" else "yellow"
        name = (Path(one.file).name,) if named else ()
        table.add_row(*name, one.format, one.precision, f"[{style}]{status}[/]", *_figures(one))
    return table


def _figures(one: Measurement) -> tuple[str, ...]:
    size = "" if one.megabytes is None else f"{one.megabytes:.1f}"
    ap = "" if one.ap is None else f"{one.ap:.4f}"
    if one.times is None:
        return (size, ap, "", "", "", "", "")
    stages = one.times.stages
    shown = tuple(f"{stage:.1f}" for stage in (stages.preprocess, stages.network, stages.select))
    return (size, ap, *shown, f"{1000 / stages.total:.1f}", f"{one.times.memory:.0f}")


def _first_data(models: Sequence[Path]) -> str:
    """The data that the card of the first file names that can be opened."""
    for model in models:
        with suppress(PoseError):
            return _data_of(model)
    return ""


def _data_of(model: Path) -> str:
    """The data that the card of a file names."""
    from pose_cli.models import is_checkpoint

    if not is_checkpoint(model.name):
        from pose_export import load_runtime

        return load_runtime(model).card.data
    from pose_nn import load_checkpoint

    return load_checkpoint(model).card.data


def _images(data: str) -> list[NDArray[np.uint8]] | None:
    """Images to time on, of the validation split; None for drawn people."""
    from pose_cli.images import TIMED_IMAGES, read_split

    return read_split(data, "val", most=TIMED_IMAGES) if data else None


def _measure_ap(settings: BenchmarkSettings, data: str) -> Callable[[Predictor], float] | None:
    from pose_cli.commands.export import measure_ap

    return measure_ap(data) if data and settings.ap else None


def _names(words: str) -> list[str] | None:
    """Split names at commas; None, which is all, where there are none or the one word says so."""
    from pose_cli.names import split_names

    return None if words in ("", ALL) else list(split_names(words)) or [words]


command = WordsCommand("benchmark", settings=lambda: BenchmarkSettings, run=_run, help=HELP, places=("model", "data"))
