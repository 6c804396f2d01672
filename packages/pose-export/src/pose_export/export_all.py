"""One network to many formats in one go, each by itself: what fails doesn't stop the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pose_data import ExportError, ModelCard, PoseError, Predictor

from pose_export.export import ExportResult, export
from pose_export.formats import FORMATS, Format, get_format
from pose_export.load import load_runtime
from pose_export.options import check_companions
from pose_export.requirements import NotInstalledError, what_is_missing

if TYPE_CHECKING:
    from pose_nn import PoseNet

Tell = Callable[[str, str], None]
TIMED_CALLS = 5
_COMMON = ("images", "measure_ap", "max_ap_drop", "calibration", "conf", "iou", "max_det", "force")


@dataclass(frozen=True)
class Outcome:
    """What became of one format.

    Args:
        format: its name.
        status: "passed", "refused, ...", "not run: ...", "not compared: ...", "left out: ...", "not installed: ..." or
            "failed: ...".
        result: the file; None where there is none.
        milliseconds: median of the network by itself, one image, all cores; None where it can't run here.
        named: whether it was asked for by name, not as one of all that there are.
    """

    format: str
    status: str
    result: ExportResult | None = None
    milliseconds: float | None = None
    named: bool = False

    @property
    def failed(self) -> bool:
        """Whether a file was asked for and there is none; of all formats only those are that are installed for."""
        excused = ("left out",) if self.named else ("left out", "not installed")
        return self.result is None and not self.status.startswith(excused)


def export_all(
    checkpoint: Path | str | tuple[PoseNet, ModelCard],
    *,
    formats: Sequence[str] | None = None,
    output: Path | str | None = None,
    options: Mapping[str, object] | None = None,
    progress: Tell | None = None,
) -> tuple[Outcome, ...]:
    """Convert a network to several formats and say what became of each.

    Args:
        checkpoint: a file of weights, or a network with its card.
        formats: names in `FORMATS`; all of them that are installed for when None.
        output: the folder to write into; the checkpoint's own when None.
        options: further arguments of `export`, by name; a format that lacks one is left out, and says so.
        progress: told the format, and in a few words what is being done.

    Raises:
        ExportError: an unknown format or option, or no place to write to.
    """
    tell, asked = progress or (lambda _, __: None), dict(options or {})
    rows = FORMATS if formats is None else tuple(map(get_format, formats))
    _check_names(asked)
    _check_alone(rows, asked)
    folder = _choose_folder(checkpoint, output)
    stem = "best" if isinstance(checkpoint, tuple) else Path(checkpoint).stem
    outcomes = []
    for row in rows:
        target = folder / f"{stem}{row.suffix}"
        reason = _why_left_out(row, asked, target=target, checkpoint=checkpoint)
        missing = what_is_missing(row, int8=bool(asked.get("int8")))
        if reason:
            outcomes.append(Outcome(row.name, f"left out: {reason}"))
        elif missing:
            outcomes.append(Outcome(row.name, f"not installed: {missing}", named=formats is not None))
        else:
            done = _export_one(checkpoint, row, target, _fit(row, asked), tell)
            outcomes.append(replace(done, named=formats is not None))
    return tuple(outcomes)


def _export_one(
    checkpoint: Path | str | tuple[PoseNet, ModelCard], row: Format, target: Path, asked: dict[str, object], tell: Tell
) -> Outcome:
    try:
        result = export(
            checkpoint,
            format=row.name,
            output=target,
            progress=lambda words: tell(row.name, words),
            **asked,  # type: ignore[arg-type]
        )
        if not result.runs_here:
            return Outcome(row.name, result.status, result)
        tell(row.name, "measuring its time")
        return Outcome(row.name, result.status, result, _measure_milliseconds(result))
    except NotInstalledError as error:  # what no look at Python's packages shows: node and its own
        return Outcome(row.name, f"not installed: {error}")
    except PoseError as error:
        return Outcome(row.name, f"failed: {error}")


def _measure_milliseconds(result: ExportResult) -> float:
    """Time the network on an image of its own size; the first call, which sets things up, isn't counted."""
    predictor = Predictor(load_runtime(result.path))
    images = [np.full((*result.card.imgsz, 3), 114, np.uint8)]
    times = [predictor.timed(images)[1].network for _ in range(1 + TIMED_CALLS)]
    return float(np.median(times[1:]))


def _check_names(asked: dict[str, object]) -> None:
    known = set(inspect.signature(export).parameters) - {"checkpoint", "format", "output", "progress"}
    for name in asked:
        if name not in known:
            raise ExportError(f"options must be arguments of export; got '{name}'; it knows {', '.join(sorted(known))}")


def _check_alone(rows: Sequence[Format], asked: dict[str, object]) -> None:
    """Refuse options that would change nothing in any of the formats."""
    in_8_bit = bool(asked.get("int8")) or any(row.int8_only for row in rows)
    nms = bool(asked.get("nms")) or asked.get("contract") == "nms"
    check_companions({**asked, "keep_float": ()}, int8=in_8_bit, nms=nms)
    check_companions({"keep_float": asked.get("keep_float")}, int8=bool(asked.get("int8")), nms=nms)


def _fit(row: Format, asked: dict[str, object]) -> dict[str, object]:
    """Leave out what is only for those of the formats that are always in 8 bit."""
    if asked.get("int8") or row.int8_only:
        return asked
    return {name: value for name, value in asked.items() if name != "calibration"}


def _choose_folder(checkpoint: Path | str | tuple[PoseNet, ModelCard], output: Path | str | None) -> Path:
    if output is None and isinstance(checkpoint, tuple):
        raise ExportError("output must be given when a network is exported; name a folder")
    folder = Path(checkpoint).parent if output is None and not isinstance(checkpoint, tuple) else Path(str(output))
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"output must be a folder when all formats are written; got the file {folder}; name another")
    return folder


def _why_left_out(
    row: Format, asked: dict[str, object], *, target: Path, checkpoint: Path | str | tuple[PoseNet, ModelCard]
) -> str:
    """Say why a format has no part in this; "" where it has one."""
    if not isinstance(checkpoint, tuple) and target.resolve() == Path(checkpoint).resolve():
        return "that is the checkpoint itself"
    defaults = {name: parameter.default for name, parameter in inspect.signature(export).parameters.items()}
    given = {name: value for name, value in asked.items() if value != defaults[name] and name not in _COMMON}
    contract = "nms" if given.pop("nms", False) else given.pop("contract", None)
    lacking = [name for name in given if name not in row.options]
    if contract is not None and contract not in row.contracts:
        lacking = [f"contract '{contract}'"]
    return f"it has no {', '.join(lacking)}" if lacking else ""
