"""Every format and precision of one network beside each other: size, AP, milliseconds and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, PoseError, Predictor, check_imgsz

from pose_export.export import ExportResult, export
from pose_export.formats import FORMATS, Format, get_format
from pose_export.requirements import NotInstalledError, what_is_missing
from pose_export.source import read_source
from pose_export.timing import FileTimes, time_apart

if TYPE_CHECKING:
    from pose_nn import PoseNet

Tell = Callable[[str], None]
PRECISIONS = ("fp32", "fp16", "int8")
_DRAWN = 8  # people are drawn where no images are given


@dataclass(frozen=True)
class Measurement:
    """What one format in one precision is worth.

    Args:
        format: its name.
        precision: "fp32", "fp16" or "int8": what its layers calculate in; "" of a file that can't be opened.
        status: as that of `export`; or "not installed: ...", "not run: ...", "failed: ..."; "measured" of a file that
            was there before.
        megabytes: size of the file or folder, in millions of bytes.
        ap: keypoint AP on the data, 0 to 1; None where none was asked for.
        times: of one image; None where it can't be run here.
        file: that was there before; "" where it was made to be measured.
    """

    format: str
    precision: str
    status: str
    megabytes: float | None = None
    ap: float | None = None
    times: FileTimes | None = None
    file: str = ""


def benchmark(
    checkpoint: Path | str | tuple[PoseNet, ModelCard],
    *,
    output: Path | str,
    formats: Sequence[str] | None = None,
    precisions: Sequence[str] | None = None,
    imgsz: int | tuple[int, int] | None = None,
    images: Sequence[NDArray[np.uint8]] | None = None,
    calibration: Sequence[NDArray[np.uint8]] | Path | str | None = None,
    measure_ap: Callable[[Predictor], float] | None = None,
    calls: int = 30,
    threads: int | None = None,
    progress: Tell | None = None,
) -> tuple[Measurement, ...]:
    """Export a network to formats and precisions, and measure each file; one that differs too much is measured too.

    Args:
        checkpoint: a file of weights, or a network with its card.
        output: folder for the files.
        formats: names in `FORMATS`; all when None.
        precisions: of `PRECISIONS`; all that a format has when None.
        imgsz: size of the input, one side or (height, width); the card's when None.
        images: (H, W, 3) uint8 RGB to compare and to time on; drawn people when None.
        calibration: for int8, images or a folder of them; drawn people when None.
        measure_ap: gives the AP of a Predictor on a data set.
        calls: that are timed, one image each.
        threads: CPU threads; all cores when None.
        progress: told in a few words what is being done.

    Raises:
        ExportError: an unknown format or precision.
    """
    pairs = plan_benchmark(formats, precisions)
    network = checkpoint if imgsz is None else _sized(checkpoint, imgsz)
    bench = _Bench(
        output=Path(output),
        stem="best" if isinstance(checkpoint, tuple) else Path(checkpoint).stem,
        export=partial(export, network, images=images, measure_ap=measure_ap, force=True),
        calibration=calibration,
        timed=partial(time_apart, images=images or draw_people(), calls=calls),
        threads=threads,
        tell=progress or (lambda _: None),
    )
    return tuple(bench.measure(row, precision) for row, precision in pairs)


def _sized(
    checkpoint: Path | str | tuple[PoseNet, ModelCard], imgsz: int | tuple[int, int]
) -> tuple[PoseNet, ModelCard]:
    """Read a network for another size, which its card then says to every format."""
    source = read_source(checkpoint)
    return source.net, replace(source.card, imgsz=check_imgsz(imgsz, stride=source.card.stride))


@dataclass(frozen=True)
class _Bench:
    """One network, and what is the same for all of its files.

    Args:
        output: folder for the files.
        stem: how their names begin.
        export: of the network; lacks what differs from file to file.
        calibration: for int8.
        timed: times a file.
        threads: CPU threads for the formats that can be told; all cores when None.
        tell: told what is being done.
    """

    output: Path
    stem: str
    export: Callable[..., ExportResult]
    calibration: Sequence[NDArray[np.uint8]] | Path | str | None
    timed: Callable[..., FileTimes]
    threads: int | None
    tell: Tell

    def measure(self, row: Format, precision: str) -> Measurement:
        """Make and measure the file of one format and precision, or say why there is none."""
        name, in_8_bit = f"{row.name} {precision}", precision == "int8"
        missing = what_is_missing(row, int8=in_8_bit)
        if missing:
            return Measurement(row.name, precision, f"not installed: {missing}")
        try:
            result = self.export(
                format=row.name,
                output=self.output / f"{self.stem}-{precision}{row.suffix}",
                half=precision == "fp16",
                int8=in_8_bit,
                calibration=self.calibration if in_8_bit else None,
                progress=lambda words: self.tell(f"{name}: {words}"),
            )
            ap = None if result.parity is None else result.parity.ap
            if not result.runs_here:
                return Measurement(row.name, precision, result.status, result.megabytes, ap)
            self.tell(f"{name}: measuring its time")
            times = self.timed(result.path, threads=self.threads if "threads" in row.run_options else None)
            return Measurement(row.name, precision, result.status, result.megabytes, ap, times)
        except NotInstalledError as error:
            return Measurement(row.name, precision, f"not installed: {error}")
        except PoseError as error:
            return Measurement(row.name, precision, f"failed: {error}")


def plan_benchmark(
    formats: Sequence[str] | None = None, precisions: Sequence[str] | None = None
) -> tuple[tuple[Format, str], ...]:
    """List the formats and precisions that `benchmark` measures, whether or not they are installed for.

    Raises:
        ExportError: an unknown format or precision, or none of the formats has the precisions.
    """
    rows = FORMATS if formats is None else tuple(map(get_format, formats))
    wanted = PRECISIONS if precisions is None else tuple(precisions)
    unknown = sorted(set(wanted) - set(PRECISIONS))
    if unknown:
        raise ExportError(f"precision must be one of {', '.join(PRECISIONS)}; got '{unknown[0]}'")
    pairs = tuple((row, precision) for row in rows for precision in precisions_of(row) if precision in wanted)
    if not pairs:
        names = ", ".join(row.name for row in rows)
        raise ExportError(f"precision: {names} can't be had in {', '.join(wanted)}; choose another precision or format")
    return pairs


def precisions_of(row: Format) -> Iterator[str]:
    """List what the layers of a format can calculate in."""
    if not row.int8_only:
        yield "fp32"
        if "half" in row.options:
            yield "fp16"
    if row.int8_only or "int8" in row.options:
        yield "int8"


def draw_people() -> list[NDArray[np.uint8]]:
    """Draw images to time on, (480, 640, 3) uint8 RGB."""
    from pose_data import DrawnPeople  # a device that only runs files draws nobody

    people = DrawnPeople(_DRAWN, size=(480, 640))
    return [people[index].image for index in range(_DRAWN)]
