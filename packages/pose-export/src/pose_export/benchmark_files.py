"""Files that were exported before, measured as they are, beside each other: size, AP, milliseconds and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, PoseError, Predictor, Runtime

from pose_export.load import check_file, load_runtime
from pose_export.measurements import Measurement, draw_people
from pose_export.options import RunOptions
from pose_export.places import measure_size
from pose_export.run.file import ElsewhereError
from pose_export.timing import FileTimes, time_apart

Tell = Callable[[str], None]
_FAILED = "failed: "
_SHORT = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}  # how cards call precisions -> how tables do


def benchmark_files(
    files: Sequence[Path | str],
    *,
    images: Sequence[NDArray[np.uint8]] | None = None,
    measure_ap: Callable[[Predictor], float] | None = None,
    calls: int = 30,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
    progress: Tell | None = None,
) -> tuple[Measurement, ...]:
    """Measure files of any runnable format; one that can't be run here says why, and the others are measured.

    Args:
        files: files or folders; the ends of their names say the formats.
        images: (H, W, 3) uint8 RGB to time on; drawn people when None.
        measure_ap: gives the AP of a Predictor on a data set.
        calls: that are timed, one image each.
        threads: CPU threads; all cores when None.
        providers: ONNX Runtime's execution providers, best first, where all files are ONNX files.
        progress: told in a few words what is being done.

    Returns:
        One of each file, in their order; its status is "measured", "not run: ..." or "failed: ...".

    Raises:
        ExportError: a file is missing or of no known format, its runtime can't be told one of the options, or none of
            the files could be measured; the message is that of the first.
    """
    names = None if providers is None else tuple(providers)
    paths = [Path(file) for file in files]
    for path in paths:
        check_file(path, RunOptions(threads=threads, providers=names))
    bench = _Bench(
        opened=partial(load_runtime, threads=threads, providers=names),
        timed=partial(time_apart, images=images or draw_people(), calls=calls, threads=threads, providers=names),
        measure_ap=measure_ap,
        tell=progress or (lambda _: None),
    )
    measured = tuple(bench.measure(path) for path in paths)
    if measured and all(one.status.startswith(_FAILED) for one in measured):
        raise ExportError(measured[0].status.removeprefix(_FAILED))
    return measured


@dataclass(frozen=True)
class _Bench:
    """What is the same for all files.

    Args:
        opened: opens a file.
        timed: times a file.
        measure_ap: gives the AP of a Predictor.
        tell: told what is being done.
    """

    opened: Callable[[Path], Runtime]
    timed: Callable[[Path], FileTimes]
    measure_ap: Callable[[Predictor], float] | None
    tell: Tell

    def measure(self, path: Path) -> Measurement:
        """Measure one file, or say why it can't be."""
        row, megabytes = check_file(path, RunOptions()), measure_size(path)
        if row.why_not_run:
            return Measurement(row.name, "", f"not run: {row.why_not_run}", megabytes, file=str(path))
        try:
            self.tell(f"{path.name}: opening it")
            runtime = self.opened(path)
            precision = _SHORT.get(runtime.card.precision, runtime.card.precision)
            ap = self._find_ap(path, runtime)
            self.tell(f"{path.name}: measuring its time")
            return Measurement(row.name, precision, "measured", megabytes, ap, self.timed(path), file=str(path))
        except ElsewhereError as error:
            return Measurement(row.name, "", f"not run: {error}", megabytes, file=str(path))
        except PoseError as error:
            return Measurement(row.name, "", f"{_FAILED}{error}", megabytes, file=str(path))

    def _find_ap(self, path: Path, runtime: Runtime) -> float | None:
        if self.measure_ap is None:
            return None
        self.tell(f"{path.name}: measuring its AP")
        return self.measure_ap(Predictor(runtime))
