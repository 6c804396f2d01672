"""From a checkpoint to a file of another format, which is handed over only when it is proven."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, PoseError, Predictor, check_imgsz, nearest_key

from pose_export.calibrate import gather_calibration
from pose_export.card import COMPILED
from pose_export.contracts import count_anchors
from pose_export.formats import Format, get_format
from pose_export.gate import Reference, RefusedError, Verdict, judge
from pose_export.options import (
    MAX_DET,
    ConvertOptions,
    check_companions,
    check_conf,
    check_contract,
    check_options,
    check_platform,
)
from pose_export.parity import Parity
from pose_export.places import choose_target, disk_is_full, measure_size, new_output, read_stamp
from pose_export.requirements import require_modules
from pose_export.source import Source, read_source

if TYPE_CHECKING:
    from pose_nn import PoseNet

Tell = Callable[[str], None]
FIRST_KEPT = 2  # layers that are left in float first; then twice as many each time
OF_NETWORK = " of the network"
MOST_KEPT = 0.75  # of the layers; with more in float a file of 16 bit is the better one


@dataclass(frozen=True)
class ExportResult:
    """A file that was handed over.

    Args:
        path: where it is; a folder for some formats.
        format: its name in the table of formats.
        card: what it says of itself.
        parity: how far it is from the network; None when its runtime can't run here.
        status: "passed", "refused, handed over by force: ...", "not run: ..." or "not compared: ..." for a file that
            selects people itself and finds nobody in the images, like the network.
        megabytes: its size, in millions of bytes.
        seconds: from the call to the file.
        notes: what the user should know besides; empty when all is as usual.
    """

    path: Path
    format: str
    card: ModelCard
    parity: Parity | None
    status: str
    megabytes: float
    seconds: float
    notes: tuple[str, ...]

    @property
    def runs_here(self) -> bool:
        """Whether the file can be run on this machine."""
        return not get_format(self.format).why_not_run and COMPILED not in self.card.facts


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
    int8: bool = False,
    simplify: bool = True,
    optimize: bool = False,
    workspace: float | None = None,
    nms: bool = False,
    contract: str | None = None,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = MAX_DET,
    images: Sequence[NDArray[np.uint8]] | None = None,
    calibration: Sequence[NDArray[np.uint8]] | Path | str | None = None,
    keep_float: Sequence[str] = (),
    max_ap_drop: float | None = None,
    measure_ap: Callable[[Predictor], float] | None = None,
    force: bool = False,
    progress: Tell | None = None,
) -> ExportResult:
    """Convert a network, run the file in its own runtime, and hand it over if it gives the same poses.

    Args:
        checkpoint: a file of weights, or a network with its card.
        format: a name in `FORMATS`.
        output: the file or folder to write; beside the checkpoint and named like it when None.
        imgsz: size of the input, one side or (height, width); the card's when None.
        dynamic: whether the file takes any batch and any multiple of the stride.
        batch: images per call of a file that isn't dynamic.
        opset: ONNX operator set.
        half: whether layers calculate in 16 bit; input, decode and output stay in float32.
        int8: whether layers calculate in 8 bit; input, decode and output stay in float32.
        simplify: whether the graph is simplified.
        optimize: with torchscript, whether weights become constants of the code and what nothing reads is dropped.
        workspace: GiB of the GPU's memory that TensorRT may work in while it builds; all of it when None.
        nms: whether people are selected inside the file; the same as contract="nms".
        contract: what the output means, a name in `CONTRACTS`; "raw" when None.
        conf: people must score more than this; only with nms, and then from 0.1 unless the input is small.
        iou: overlap from which on two boxes are one person; only with nms.
        max_det: most people per image; only with nms.
        images: (H, W, 3) uint8 RGB to compare on; drawn people when None.
        calibration: with int8, images like those that the network will see, or a folder of them; drawn people
            when None.
        keep_float: with int8, layers that stay in float, as `measure_layers` names them.
        max_ap_drop: with int8 and measure_ap, points of AP (0 to 100) that may be lost; the layers that suffer
            most are left in float until it is kept.
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
    usual = get_format(format)
    int8 = int8 or usual.int8_only
    options = ConvertOptions(
        dynamic=dynamic,
        batch=batch,
        opset=opset,
        half=half,
        int8=int8,
        simplify=simplify,
        optimize=optimize,
        workspace=workspace,
        contract=_choose_contract(contract, nms=nms, usual=usual.contracts[0]),
        conf=conf,
        iou=iou,
        max_det=max_det,
        keep_float=_list_kept(keep_float),
    )
    row = choose_format(format, options, sized=imgsz is not None)
    beside = {"calibration": calibration, "keep_float": keep_float, "conf": conf, "iou": iou, "max_det": max_det}
    check_companions(beside, int8=int8, nms=options.contract == "nms")
    _check_drop(max_ap_drop, int8=int8, measured=measure_ap is not None)
    target = choose_target(None if isinstance(checkpoint, tuple) else Path(checkpoint), output, row)
    stamp = read_stamp(target)
    notes: tuple[str, ...] = (f"{target} was there before and is replaced",) if stamp else ()
    tell("reading the checkpoint")
    source = read_source(checkpoint)
    _check_kept(options, source.net, row)
    size = check_imgsz(source.card.imgsz if imgsz is None else imgsz, stride=source.card.stride)
    check_conf(options, anchors=count_anchors(size, stride=source.card.stride))
    measured = int8 and not row.weights_only
    images_8_bit = gather_calibration(calibration, size, tell=tell) if measured else None
    options = replace(options, imgsz=size, calibration=images_8_bit)
    job = _Job(source, row, target, stamp, Reference(source.net, images=images, measure_ap=measure_ap), tell)
    drop = None if max_ap_drop is None else max_ap_drop / 100
    if drop is None or "keep_float" not in row.options:
        done = job.run(options, force=force, max_ap_drop=drop)
    else:
        done = job.run_until(options, drop, force=force)
    drawn = measured and calibration is None
    notes += (*done.notes, *source.notes, *_list_notes(done.card, done.verdict, drawn=drawn, target=target))
    status, parity, seconds = done.verdict.status, done.verdict.parity, time.perf_counter() - started
    return ExportResult(target, row.name, done.card, parity, status, measure_size(target), seconds, notes)


@dataclass(frozen=True)
class _Done:
    """A file that is in its place."""

    card: ModelCard
    verdict: Verdict
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    """One network on its way to one place."""

    source: Source
    row: Format
    target: Path
    stamp: tuple[int, int] | None  # of what was in the place before
    reference: Reference
    tell: Tell

    def run(self, options: ConvertOptions, *, force: bool, max_ap_drop: float | None = None) -> _Done:
        """Convert, compare, and hand over."""
        with new_output(self.target, self.row) as temporary:
            self.tell(f"converting to {self.row.name}")
            converter = self.row.load_converter()
            card = make_card(self.source.card, self.row, options)
            with self._tools_blamed(temporary):
                card = converter.convert(self.source.net, card, temporary, options)
            self.tell("comparing the file with the network")
            verdict = judge(
                self.reference, card, temporary, self.row, target=self.target, max_ap_drop=max_ap_drop, force=force
            )
            if COMPILED in card.facts:
                verdict = replace(verdict, status=_say_compiled(verdict))
            card = replace(card, facts={**card.facts, **verdict.facts})
            with self._tools_blamed(temporary):
                converter.write_card(temporary, card)
            notes = self._note_others()  # the last thing before the file is moved
        return _Done(card, verdict, notes)

    def _note_others(self) -> tuple[str, ...]:
        """Say that somebody else has put a file into the place since this export began."""
        stamp = read_stamp(self.target)
        if stamp is None or stamp == self.stamp:
            return ()
        return (f"{self.target} was written by somebody else while this export was at work, and is replaced",)

    def run_until(self, options: ConvertOptions, max_ap_drop: float, *, force: bool) -> _Done:
        """Leave more and more of the worst layers in float until no more AP is lost than that, 0 to 1.

        With force the last file of them is taken, whatever it loses.
        """
        from pose_export.convert.layers import may_be_in_8_bit
        from pose_export.convert.sensitivity import compare_layers

        worst: tuple[str, ...] = ()
        count, most = 0, 0
        while True:
            last = bool(worst) and count >= most
            try:
                kept = (*options.keep_float, *worst[:count])
                return self.run(replace(options, keep_float=kept), force=force and last, max_ap_drop=max_ap_drop)
            except RefusedError:
                if last:
                    raise
            if not worst:
                self.tell("measuring what each layer suffers from 8 bit")
                assert options.calibration is not None
                errors = compare_layers(self.source.net, options.calibration)
                worst = tuple(
                    error.name
                    for error in errors
                    if error.name not in options.keep_float
                    and may_be_in_8_bit(error.name, options.contract, all_int8=self.row.all_int8)
                )
                most = int(MOST_KEPT * len(worst))
            count = min(2 * count or FIRST_KEPT, most)
            self.tell(f"keeping the {count} worst layers in float")

    @contextmanager
    def _tools_blamed(self, temporary: Path) -> Iterator[None]:
        """Turn whatever other people's tools raise into a sentence; their errors share no base class."""
        try:
            yield
        except (PoseError, OSError, MemoryError):
            raise
        except Exception as error:
            if disk_is_full(temporary):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            reason = (str(error).strip().splitlines() or ["nothing"])[0]
            raise ExportError(
                f"{self.target}: the tools of format '{self.row.name}' must convert the network; "
                f"they failed with {type(error).__name__}: {reason}; try other versions of them, or another format"
            ) from error


def choose_format(name: str, options: ConvertOptions, *, sized: bool) -> Format:
    """Look the format up, and refuse options that it lacks and work that lacks its packages.

    Args:
        options: what it is asked for.
        sized: whether a size is asked for.

    Raises:
        ExportError: no such format, an option that it lacks, or a package that isn't installed.
    """
    row = get_format(name)
    check_options(row, (*options.given(), *(("imgsz",) if sized else ())))
    check_contract(row, options.contract)
    check_platform(row)
    needs = (*row.convert_needs, *(() if row.why_not_run else row.run_needs), *(row.int8_needs if options.int8 else ()))
    require_modules(needs, job=f"exporting to {row.name}", extra=row.extra)
    return row


def make_card(card: ModelCard, row: Format, options: ConvertOptions) -> ModelCard:
    """The card of the file to come; the native format stays free in size and batch."""
    facts = {**_name_networks_figures(card.facts, options.precision), "preprocessing": _say_preprocessing(row, options)}
    if "imgsz" not in row.options:
        return replace(card, precision=options.precision, facts=facts)
    assert options.imgsz is not None
    if options.keep_float:
        facts["float_layers"] = ", ".join(options.keep_float)
    if options.contract == "nms":
        facts |= {"conf": f"{options.conf:g}", "iou": f"{options.iou:g}", "max_det": str(options.max_det)}
    return replace(
        card,
        precision=options.precision,
        imgsz=options.imgsz,
        dynamic=options.dynamic,
        batch=options.batch,
        contract=options.contract,
        facts=facts,
    )


def _name_networks_figures(facts: Mapping[str, str], precision: str) -> dict[str, str]:
    """Say of figures from training whose they are, in the card of a file that calculates otherwise than the network."""
    theirs = ("pose/", "box/") if precision != "float32" else ()
    return {
        f"{name}{OF_NETWORK}" if name.startswith(theirs) and not name.endswith(OF_NETWORK) else name: text
        for name, text in facts.items()
    }


def _choose_contract(contract: str | None, *, nms: bool, usual: str) -> str:
    if nms and contract not in (None, "nms"):
        raise ExportError(f"contract must be left out with nms=True; got '{contract}'; leave one of them out")
    return "nms" if nms else contract or usual


def _list_kept(keep_float: Sequence[str]) -> tuple[str, ...]:
    if isinstance(keep_float, str):  # a sequence, too, but of letters
        raise ExportError(f"keep_float must be a list of names; got the text '{keep_float}'; write ['{keep_float}']")
    return tuple(keep_float)


def _check_kept(options: ConvertOptions, net: PoseNet, row: Format) -> None:
    if not options.keep_float:
        return
    from pose_export.convert.layers import may_be_in_8_bit
    from pose_export.convert.sensitivity import find_layers

    known = find_layers(net)
    for name in options.keep_float:
        if name not in known:
            near = nearest_key(name, known)
            hint = f"did you mean '{near}'?" if near else f"the first is called '{next(iter(known))}'"
            raise ExportError(f"keep_float must name convolutions of the network; got '{name}'; {hint}")
    others = known.keys() - options.keep_float
    if not any(may_be_in_8_bit(name, options.contract, all_int8=row.all_int8) for name in others):
        raise ExportError("int8 must have layers to put into 8 bit; got all of them in keep_float; leave some out")


def _check_drop(max_ap_drop: float | None, *, int8: bool, measured: bool) -> None:
    if max_ap_drop is None:
        return
    if not int8 or not measured:
        missing = "int8=True" if not int8 else "measure_ap (on the command line: data=)"
        raise ExportError(f"max_ap_drop must come with {missing}; got {max_ap_drop} alone; give that too")
    if not isinstance(max_ap_drop, Real) or not 0 <= max_ap_drop <= 100:
        raise ExportError(f"max_ap_drop must be from 0 to 100 points of AP; got {max_ap_drop}; 1 is usual")


def _say_compiled(verdict: Verdict) -> str:
    if verdict.misses:
        return f"{verdict.status}; then compiled for its chip and not run"
    return f"not run: it is compiled for its chip; before that it {verdict.status}"


def _say_preprocessing(row: Format, options: ConvertOptions) -> str:
    integers = options.int8 and options.contract in row.all_int8 and not options.keep_float
    pixels = (integers and row.pixels_int8) or row.pixels
    return f"scaled to fit, never distorted, and centred on grey 114; as {pixels}"


def _list_notes(card: ModelCard, verdict: Verdict, *, drawn: bool, target: Path) -> tuple[str, ...]:
    notes = [f"handed over by force: {miss}" for miss in verdict.misses]
    if COMPILED in card.facts:
        notes.append(verdict.status)
    elif verdict.parity is None:
        notes.append(f"{verdict.status}; nothing but its form was checked")
    elif not verdict.parity.compared:
        notes.append(f"{verdict.status}; nothing but its form and that it runs was checked")
    if drawn:
        notes.append("8-bit ranges were measured on drawn people; give calibration images like those that it will see")
    if card.facts.get("float_layers"):
        notes.append(f"left in float: {card.facts['float_layers']}")
    if card.facts.get("to_do"):
        notes.append(f"left to do: {card.facts['to_do'].replace('FILE', str(target))}")
    return tuple(notes)
