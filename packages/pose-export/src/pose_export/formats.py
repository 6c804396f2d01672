"""The one table of formats: what a file is called, what its conversion takes, and what runs it.

A new format is one row here, a module that converts and a module that runs. Everything else (checks of
options, messages about missing packages, loading by file name, help texts) is made from this table.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pose_data import ExportError

if TYPE_CHECKING:
    from pose_export.convert.protocol import Converter
    from pose_export.run.protocol import RuntimeModule


@dataclass(frozen=True)
class Format:
    """One row of the table.

    Args:
        name: what a caller writes, such as "onnx".
        suffix: how its files end.
        title: what it is, in a few words.
        options: what its conversion takes besides the network.
        run_options: what running it takes besides the file.
        converter: the module whose `convert` and `write_card` make the file.
        runtime: the module whose `open_runtime` runs it.
        extra: the extra of pose-export that installs what the conversion needs.
        run_extra: the extra that installs what running needs; "" when the base install does.
        convert_needs: modules that the conversion imports.
        run_needs: modules that running imports.
        also: other suffixes that are read, not written.
    """

    name: str
    suffix: str
    title: str
    options: tuple[str, ...]
    run_options: tuple[str, ...]
    converter: str
    runtime: str
    extra: str
    run_extra: str
    convert_needs: tuple[str, ...]
    run_needs: tuple[str, ...]
    also: tuple[str, ...] = ()

    def load_converter(self) -> Converter:
        """Import what makes files of this format."""
        return cast("Converter", importlib.import_module(self.converter))

    def load_runtime_module(self) -> RuntimeModule:
        """Import what runs files of this format."""
        return cast("RuntimeModule", importlib.import_module(self.runtime))


FORMATS: tuple[Format, ...] = (
    Format(
        name="safetensors",
        suffix=".safetensors",
        title="the native file: weights and card, to train on or to run in torch",
        options=("half",),
        run_options=("threads", "device"),
        converter="pose_export.convert.safetensors",
        runtime="pose_export.run.torch",
        extra="convert",
        run_extra="convert",
        convert_needs=("pose_nn", "torch"),
        run_needs=("pose_nn", "torch"),
        also=(".pt",),
    ),
    Format(
        name="onnx",
        suffix=".onnx",
        title="ONNX, for ONNX Runtime, OpenCV and most other tools",
        options=("imgsz", "dynamic", "batch", "half", "opset", "simplify"),
        run_options=("threads", "providers", "card"),
        converter="pose_export.convert.onnx",
        runtime="pose_export.run.onnxruntime",
        extra="convert",
        run_extra="onnxruntime",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim"),
        run_needs=("onnxruntime",),
    ),
    Format(
        name="torchscript",
        suffix=".torchscript",
        title="TorchScript, for torch in Python and C++ without this project",
        options=("imgsz", "dynamic", "batch", "half"),
        run_options=("threads", "card"),
        converter="pose_export.convert.torchscript",
        runtime="pose_export.run.torchscript",
        extra="convert",
        run_extra="torchscript",
        convert_needs=("pose_nn", "torch"),
        run_needs=("torch",),
    ),
)


def get_format(name: str) -> Format:
    """Look a format up by its name.

    Raises:
        ExportError: there is none of that name.
    """
    known = {row.name: row for row in FORMATS}
    if name in known:
        return known[name]
    close = get_close_matches(name.lower().lstrip("."), known, n=1, cutoff=0.5)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    raise ExportError(f"format must be one of {', '.join(known)}; got '{name}'{hint}")


def format_of(path: Path) -> Format:
    """Look a format up by the end of a file's name.

    Raises:
        ExportError: no format has files of that name.
    """
    for row in FORMATS:
        if path.name.lower().endswith((row.suffix, *row.also)):
            return row
    known = ", ".join(suffix for row in FORMATS for suffix in (row.suffix, *row.also))
    raise ExportError(f"{path}: a file of a network must end in one of {known}; rename it to what it is")


def check_options(row: Format, given: tuple[str, ...]) -> None:
    """Refuse options of a conversion that the format doesn't have.

    Raises:
        ExportError: naming the option and what the format does take.
    """
    _check(row.options, given, subject=f"format '{row.name}'")


def check_run_options(row: Format, given: tuple[str, ...]) -> None:
    """Refuse options of running that the format doesn't have.

    Raises:
        ExportError: naming the option and what the format does take.
    """
    _check(row.run_options, given, subject=f"running '{row.name}'")


def _check(known: tuple[str, ...], given: tuple[str, ...], *, subject: str) -> None:
    for name in given:
        if name not in known:
            raise ExportError(f"{subject} takes the options {', '.join(known)}; got '{name}'; leave it out")
