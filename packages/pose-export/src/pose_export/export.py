"""From a checkpoint to a file of another format, which is handed over only when it is proven."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Predictor, atomic_path, check_imgsz

from pose_export.formats import Format, check_options, get_format
from pose_export.gate import measure_parity, pass_gate
from pose_export.options import ConvertOptions
from pose_export.parity import Parity
from pose_export.requirements import require_modules

if TYPE_CHECKING:
    from pose_nn import PoseNet


@dataclass(frozen=True)
class ExportResult:
    """A file that was handed over.

    Args:
        path: where it is.
        format: its name in the table of formats.
        card: what it says of itself.
        parity: how far it is from the network.
        megabytes: its size, in millions of bytes.
        seconds: from the call to the file.
        notes: what the user should know besides; empty when all is as usual.
    """

    path: Path
    format: str
    card: ModelCard
    parity: Parity
    megabytes: float
    seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """A network on the CPU in float32 and eval mode, its card, and what there is to say of them."""

    net: PoseNet
    card: ModelCard
    notes: tuple[str, ...]


def export(
    checkpoint: Path | str | tuple[PoseNet, ModelCard],
    *,
    format: str = "onnx",
    output: Path | str | None = None,
    imgsz: int | tuple[int, int] | None = None,
    dynamic: bool = False,
    batch: int = 1,
    opset: int | None = None,
    half: bool = False,
    simplify: bool = True,
    images: Sequence[NDArray[np.uint8]] | None = None,
    measure_ap: Callable[[Predictor], float] | None = None,
    force: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ExportResult:
    """Convert a network, run the file in its own runtime, and hand it over if it gives the same poses.

    Args:
        checkpoint: a file of weights, or a network with its card.
        format: a name in `FORMATS`.
        output: the file to write; beside the checkpoint and named like it when None.
        imgsz: size of the input, one side or (height, width); the card's when None.
        dynamic: whether the file takes any batch and any multiple of the stride.
        batch: images per call of a file that isn't dynamic.
        opset: ONNX operator set.
        half: whether layers calculate in 16 bit; input, decode and output stay in float32.
        simplify: whether the graph is simplified.
        images: (H, W, 3) uint8 RGB to compare on; drawn people when None.
        measure_ap: gives the AP of a Predictor on a data set, to be compared as well.
        force: whether a file that misses the bounds is handed over all the same; its card says so.
        progress: told in a few words what is being done.

    Raises:
        ExportError: something is missing or wrong before the start, or the file differs from the network
            by more than the bounds of its precision; the message has the figures. Nothing is left behind.
        CheckpointError: the checkpoint can't be read.
        SettingsError: imgsz isn't a multiple of the stride.
        PoseError: the output can't be written.
    """
    started, tell = time.perf_counter(), progress or (lambda _: None)
    options = ConvertOptions(dynamic=dynamic, batch=batch, opset=opset, half=half, simplify=simplify)
    row = _choose_format(format, (*options.given(), *(("imgsz",) if imgsz is not None else ())))
    target = _choose_target(checkpoint, output, row)
    tell("reading the checkpoint")
    source = _read_source(checkpoint)
    options = _with_size(options, imgsz, source.card)
    notes = (*source.notes, *((f"{target} was there before and is replaced",) if target.exists() else ()))
    with atomic_path(target) as temporary:
        temporary.touch()  # a place that can't be written shows before the work, not after it
        tell(f"converting to {row.name}")
        converter = row.load_converter()
        card = converter.convert(source.net, _make_card(source.card, row, options), temporary, options)
        tell("comparing the file with the network")
        parity = measure_parity(source.net, card, temporary, row, images=images, measure_ap=measure_ap)
        facts, misses = pass_gate(parity, precision=card.precision, target=target, force=force)
        converter.write_card(temporary, card := replace(card, facts={**card.facts, **facts}))
    notes += tuple(f"handed over by force: {miss}" for miss in misses)
    megabytes = target.stat().st_size / 1e6
    return ExportResult(target, row.name, card, parity, megabytes, time.perf_counter() - started, notes)


def _choose_format(name: str, given: tuple[str, ...]) -> Format:
    """Look the format up, and refuse options that it lacks and work that lacks its packages."""
    row = get_format(name)
    check_options(row, given)
    require_modules((*row.convert_needs, *row.run_needs), job=f"exporting to {row.name}", extra=row.extra)
    return row


def _choose_target(checkpoint: Path | str | tuple[PoseNet, ModelCard], output: Path | str | None, row: Format) -> Path:
    """Say where the file goes, and refuse places where it can't."""
    if output is None:
        if isinstance(checkpoint, tuple):
            raise ExportError(f"output must be given when a network is exported; name a file, such as best{row.suffix}")
        output = Path(checkpoint).with_suffix(row.suffix)
    target = Path(output)
    if target.is_dir():
        raise ExportError(f"output must be a file; got the folder {target}; use {target / ('best' + row.suffix)}")
    if not target.name.endswith(row.suffix):
        better = target.with_suffix(row.suffix)
        raise ExportError(f"output must end in {row.suffix} for format '{row.name}'; got {target}; use {better}")
    if not isinstance(checkpoint, tuple) and target.resolve() == Path(checkpoint).resolve():
        raise ExportError(f"output must not be the checkpoint itself; got {target}; name another file with output")
    if target.exists() and not target.stat().st_mode & 0o222:
        raise ExportError(f"output must be a file that can be replaced; got {target}, which is read-only; name another")
    return target


def _read_source(checkpoint: Path | str | tuple[PoseNet, ModelCard]) -> _Source:
    from pose_nn import load_checkpoint

    if isinstance(checkpoint, tuple):
        net, card = checkpoint
        notes: tuple[str, ...] = ()
    else:
        loaded = load_checkpoint(Path(checkpoint))
        net, card, notes = loaded.net, loaded.card, tuple(loaded.notes)
    promised = (len(card.names), card.kpt_shape, card.stride)
    held = (net.num_classes, net.kpt_shape, net.stride)
    if promised != held:
        raise ExportError(
            f"the card must describe the network; it says (classes, kpt_shape, stride) {promised}, "
            f"the network has {held}; give it the card that it was trained with"
        )
    return _Source(copy.deepcopy(net).cpu().float().eval(), card, notes)


def _with_size(options: ConvertOptions, imgsz: int | tuple[int, int] | None, card: ModelCard) -> ConvertOptions:
    return replace(options, imgsz=check_imgsz(card.imgsz if imgsz is None else imgsz, stride=card.stride))


def _make_card(card: ModelCard, row: Format, options: ConvertOptions) -> ModelCard:
    """The card of the file to come; the native format stays free in size and batch."""
    precision = "float16" if options.half else "float32"
    if "imgsz" not in row.options:
        return replace(card, precision=precision)
    assert options.imgsz is not None
    return replace(
        card, precision=precision, imgsz=options.imgsz, dynamic=options.dynamic, batch=options.batch, contract="raw"
    )
