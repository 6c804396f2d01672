"""Open an exported file again: as a network, or as something that takes images and gives poses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pose_data import ExportError, ModelCard, Predictor, Runtime

from pose_export.formats import Format, format_of
from pose_export.options import RunOptions, check_run_options
from pose_export.requirements import require_modules
from pose_export.selecting import describe_selection

log = logging.getLogger(__name__)


def load(
    path: Path | str,
    *,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    imgsz: int | tuple[int, int] | None = None,
    rect: bool = True,
    classes: Sequence[int] | None = None,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
    device: str | None = None,
    card: ModelCard | None = None,
) -> Predictor:
    """Open a file of any runnable format for prediction.

    Args:
        path: the file or folder; the end of its name says the format.
        conf: lowest score of a person that is kept.
        iou: overlap above which two boxes are the same person.
        max_det: most people in one image.
        imgsz: size of the input, one side or (height, width); the card's when None.
        rect: whether images that aren't square get an input that isn't, where the file is dynamic.
        classes: the only classes to be kept; all when None.
        threads: CPU threads; all cores when None.
        providers: ONNX Runtime's execution providers, best first.
        device: where torch or OpenVINO runs it, such as "cpu", which others that run there take too.
        card: what the network is, for a file that doesn't say it.

    Returns:
        A Predictor: call it with an (H, W, 3) uint8 RGB image, get Poses in pixels of that image.

    Raises:
        ExportError: see `load_runtime`.
    """
    runtime = load_runtime(path, threads=threads, providers=providers, device=device, card=card)
    if words := describe_selection(runtime, conf=conf, iou=iou, max_det=max_det):
        log.warning("%s: %s", path, words)
    return Predictor(runtime, conf=conf, iou=iou, max_det=max_det, imgsz=imgsz, rect=rect, classes=classes)


def load_runtime(
    path: Path | str,
    *,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
    device: str | None = None,
    card: ModelCard | None = None,
) -> Runtime:
    """Open a file of any runnable format as a bare network.

    Args:
        path: the file or folder; the end of its name says the format.
        threads: CPU threads; all cores when None.
        providers: ONNX Runtime's execution providers, best first.
        device: where torch or OpenVINO runs it, such as "cpu", which others that run there take too.
        card: what the network is, for a file that doesn't say it.

    Raises:
        ExportError: the file is missing, damaged, of no known format or not what its card says; its
            runtime isn't installed; or an option that its runtime doesn't have.
    """
    path = Path(path)
    names = None if providers is None else tuple(providers)
    options = RunOptions(threads=threads, providers=names, device=device, card=card)
    row = check_file(path, options)
    options = _choose_device(row, options)
    if row.why_not_run:
        raise ExportError(f"{path}: can't be run on this machine: {row.why_not_run}; run it there")
    require_modules(row.run_needs, job=f"running {row.name} files", extra=row.run_extra)
    return row.load_runtime_module().open_runtime(path, options)


def check_file(path: Path, options: RunOptions) -> Format:
    """Check, without opening it, that a file is there and that its format can be told the options.

    Returns:
        Its format.

    Raises:
        ExportError: it is missing, of no known format, or an option is one that its runtime doesn't have.
    """
    row = format_of(path)
    _check_there(path, row)
    check_run_options(row, _choose_device(row, options).given())
    return row


def _choose_device(row: Format, options: RunOptions) -> RunOptions:
    """Grant the CPU to a format that runs there anyway; ONNX Runtime, which may take a GPU, is told so."""
    device = options.device
    if device is None or "device" in row.run_options:
        return options
    if not row.on_cpu:
        raise ExportError(
            f"device must be left out for files of format '{row.name}'; got '{device}'; its runtime chooses"
        )
    if device.lower() != "cpu":
        raise ExportError(f"device must be cpu for files of format '{row.name}'; got '{device}'; or leave it out")
    if "providers" not in row.run_options:
        return replace(options, device=None)
    if options.providers is not None:
        raise ExportError(f"device must be left out beside providers; got '{device}'; leave one of them out")
    return replace(options, device=None, providers=("CPUExecutionProvider",))


def _check_there(path: Path, row: Format) -> None:
    """Refuse a path where there isn't what the format has."""
    kind = "folder" if row.folder else "file"
    if row.folder and path.is_dir():
        missing = [part for part in row.parts if not (path / part).exists()]
        if missing:
            raise ExportError(f"{path}: must be a whole {row.name} folder; it has no {missing[0]}; export it again")
    elif row.folder or not path.is_file():
        seen = "a folder" if path.is_dir() else "a file" if path.exists() else "nothing"
        raise ExportError(f"{path}: must be a {kind} of a network; got {seen}; check the path")
