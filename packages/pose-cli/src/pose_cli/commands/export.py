"""`pose export`: other formats of the same network, handed over only when they give the same poses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pose_data import SettingsError, setting
from pose_export import CONTRACTS, FORMATS, ExportResult, Outcome, get_format

from pose_cli.command import WordsCommand

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pose_data import Predictor
    from rich.table import Table

ALL = "all"
_NAMES = ", ".join(row.name for row in FORMATS)
HELP = """Turn a file of weights into another format and check the result.

\b
  pose export best.safetensors format=onnx
  pose export best.safetensors format=onnx imgsz=[480,640] half=True data=people.yaml
  pose export best.safetensors format=onnx int8=True data=people.yaml max_ap_drop=1.0
  pose export best.safetensors format=onnx int8=True data=people.yaml layers=True
  pose export best.safetensors format=all output=files
"""


@dataclass(frozen=True)
class ExportSettings:
    """What becomes what."""

    model: str = setting("", "file of weights; empty takes the weights that come along")
    format: str = setting("onnx", f"{_NAMES}; several with commas, or {ALL}")
    output: str = setting("", "file or folder to write; when empty beside the weights, or here if they came along")
    imgsz: tuple[int, ...] | None = setting(
        None, "side, or [height,width], of the input; the card's if empty", least=32
    )
    dynamic: bool = setting(False, "take any batch and any multiple of the stride")
    batch: int = setting(1, "images per call of a file that isn't dynamic", least=1)
    opset: int | None = setting(None, "ONNX operator set; the converter's choice when empty", least=1)
    half: bool = setting(False, "calculate in 16 bit; input and output stay in 32")
    int8: bool = setting(False, "calculate in 8 bit; input and output stay in 32")
    simplify: bool = setting(True, "simplify the graph")
    optimize: bool = setting(False, "with torchscript: freeze the file, so that it opens faster and is smaller")
    workspace: float | None = setting(
        None, "with engine: GiB of GPU memory that TensorRT may work in; all if empty", least=0
    )
    nms: bool = setting(False, "select people inside the file, by conf, iou and max_det")
    contract: str = setting("", "what the output means; the format's usual when empty", choices=("", *CONTRACTS))
    conf: float = setting(0.25, "with nms: people must score more than this", least=0, most=1)
    iou: float = setting(0.7, "with nms: overlap from which on two boxes are one person", least=0, most=1)
    max_det: int = setting(300, "with nms: most people per image", least=1)
    calibration: str = setting("", "with int8: folder of images to measure ranges on; those of data when empty")
    keep_float: str = setting("", "with int8: layers that stay in float, with commas, as layers=True names them")
    layers: bool = setting(False, "with int8: first list what each layer suffers from 8 bit by itself, worst first")
    max_ap_drop: float | None = setting(None, "with int8 and data: points of AP that may be lost", least=0, most=100)
    data: str = setting("", "data YAML, or 'people': compare on its validation images, AP too")
    images: str = setting("", "image, folder or pattern to compare on; those of data, or drawn people, when empty")
    force: bool = setting(False, "hand over a file that differs too much; its card says so")


def _run(settings: ExportSettings) -> int:
    from pose_export import export, export_all

    from pose_cli.console import messages, results
    from pose_cli.models import export_place, model_file

    _check_layers(settings)
    model, options = model_file(settings.model), _options(settings)
    names = _list_names(settings)
    if settings.layers:
        _print_layers(model, options)
    with messages().status("exporting") as status:
        if names is not None and len(names) == 1:
            result = export(
                model,
                format=names[0],
                output=export_place(model, settings.output, names[0]),
                progress=status.update,
                **options,  # type: ignore[arg-type]
            )
            outcomes: Sequence[Outcome] = ()
        else:
            outcomes = export_all(
                model,
                formats=names,
                output=export_place(model, settings.output, None),
                options=options,
                progress=lambda name, words: status.update(f"{name}: {words}"),
            )
    if outcomes:
        results().print(make_table(outcomes))
        if words := _compared_on(settings):
            click.echo(f"compared with the network on {words}")
        _print_notes(outcomes)
        return int(any(outcome.failed for outcome in outcomes))
    _print_result(result, compared_on=_compared_on(settings))
    return 0


def _check_layers(settings: ExportSettings) -> None:
    if settings.layers and not _in_8_bit(settings):
        raise SettingsError("export: layers must come with int8=True; got it alone; give that too, or leave it out")


def _print_layers(model: Path, options: Mapping[str, object]) -> None:
    """Print what each layer suffers, before the file is made: also of one that is refused then."""
    from pose_export import measure_layers

    from pose_cli.console import messages, results
    from pose_cli.tables import layers_table

    asked = {name: options[name] for name in ("imgsz", "calibration")}
    with messages().status("measuring layers") as status:
        errors = measure_layers(model, progress=status.update, **asked)  # type: ignore[arg-type]
    results().print(layers_table(errors))


def make_table(outcomes: Sequence[Outcome]) -> Table:
    """Make the table of several formats: status, size, time and how far each is from the network."""
    from rich.table import Table

    table = Table("format", "status", "MB", "seconds", "boxes px", "points within 4 px", "AP", "ms", "file")
    for outcome in outcomes:
        status = outcome.status.split(":")[0]
        style = {"passed": "green", "failed": "red"}.get(status, "yellow")
        table.add_row(outcome.format, f"[{style}]{status}[/]", *_figures(outcome))
    return table


def _figures(outcome: Outcome) -> tuple[str, ...]:
    result = outcome.result
    if result is None:
        return ("",) * 7
    parity = result.parity
    compared = ("", "", "")
    if parity is not None:
        ap = "" if parity.ap is None else f"{parity.ap:.4f}"
        compared = (f"{parity.box_max:.2g}", f"{100 * parity.within[2]:.2f} %", ap)
    speed = "" if outcome.milliseconds is None else f"{outcome.milliseconds:.1f}"
    return (f"{result.megabytes:.1f}", f"{result.seconds:.1f}", *compared, speed, str(result.path))


def _print_notes(outcomes: Sequence[Outcome]) -> None:
    """Print why there is no file, or what there is to know of one."""
    for outcome in outcomes:
        for line in (outcome.status,) if outcome.result is None else outcome.result.notes:
            click.echo(f"{outcome.format}: {line}", err=True)


def _print_result(result: ExportResult, *, compared_on: str) -> None:
    for note in result.notes:
        click.echo(note, err=True)
    if result.parity is not None:
        whose = f"{compared_on}, " if compared_on else ""
        click.echo(f"compared with the network on {whose}{result.parity.to_text()}")
    click.echo(f"{result.path} ({result.format}, {result.megabytes:.1f} MB, {result.seconds:.1f} s)")


def _options(settings: ExportSettings) -> dict[str, object]:
    """The arguments of `pose_export.export` that the words stand for."""
    from pose_cli.names import split_names
    from pose_cli.sizes import input_size

    same = (
        "dynamic",
        "batch",
        "opset",
        "half",
        "int8",
        "simplify",
        "optimize",
        "nms",
        "conf",
        "iou",
        "max_det",
        "force",
    )
    return {
        **{name: getattr(settings, name) for name in same},
        "imgsz": input_size(settings.imgsz),
        "contract": settings.contract or None,
        "keep_float": split_names(settings.keep_float),
        "max_ap_drop": settings.max_ap_drop,
        "workspace": settings.workspace,
        "images": _images(settings),
        "calibration": _calibration(settings),
        "measure_ap": measure_ap(settings.data) if settings.data else None,
    }


def measure_ap(data: str) -> Callable[[Predictor], float]:
    """Make what gives the keypoint AP of a Predictor on the validation images of a data set.

    Images are padded to a square, as files of a fixed size need them, so that all formats are compared on one input.
    """
    from pose_cli.validation import measure

    return lambda predictor: measure(predictor.runtime, data=data, rect=False).pose.map


def _images(settings: ExportSettings) -> list[NDArray[np.uint8]] | None:
    """Images to compare on: those that were named, or the validation images of the data; None for drawn people."""
    from pose_cli.images import COMPARED_IMAGES, JUDGED_IMAGES, read_images, read_split

    if settings.images:
        return read_images(settings.images, most=COMPARED_IMAGES)
    return read_split(settings.data, "val", most=JUDGED_IMAGES) if settings.data else None


def _compared_on(settings: ExportSettings) -> str:
    """Whose images the comparison is on, where the words don't say it; "" where they do."""
    return f"validation images of {settings.data}" if settings.data and not settings.images else ""


def _calibration(settings: ExportSettings) -> object:
    """Images to measure 8-bit ranges on: the folder that was named, or the training images of the data."""
    if settings.calibration:
        return Path(settings.calibration)
    if not settings.data or not _in_8_bit(settings):
        return None
    from pose_cli.images import CALIBRATION_IMAGES, read_split

    return read_split(settings.data, "train", most=CALIBRATION_IMAGES)


def _in_8_bit(settings: ExportSettings) -> bool:
    """Whether 8 bit is asked for, or a format by name that has nothing else."""
    return settings.int8 or any(get_format(name).int8_only for name in _list_names(settings) or ())


def _list_names(settings: ExportSettings) -> list[str] | None:
    """Names of formats; None for all that are installed for."""
    from pose_cli.names import split_names

    return None if settings.format == ALL else list(split_names(settings.format)) or [settings.format]


command = WordsCommand("export", settings=lambda: ExportSettings, run=_run, help=HELP, places=("model",))
