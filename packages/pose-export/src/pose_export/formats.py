"""The one table of formats: what a file is called, what its conversion takes, and what runs it.

A new format is one row here, a module that converts and a module that runs. Everything else (checks of
options, messages about missing packages, loading by file name, help texts, the tables of the documents) is made
from this table.
"""

from __future__ import annotations

import importlib
import sys
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
        suffix: how its files, or its folders, end.
        title: what it is, in a few words.
        options: what its conversion takes besides the network.
        run_options: what running it takes besides the file.
        converter: the module whose `convert` and `write_card` make the file.
        runtime: the module whose `open_runtime` runs it.
        extra: the extras of pose-export that install what the conversion needs, joined by commas.
        run_extra: the extra that installs what running needs; "" when the base install does.
        convert_needs: modules that the conversion imports.
        run_needs: modules that running imports.
        also: other suffixes that are read, and written where the output is called so.
        contracts: what its output may mean, of those in `contracts.CONTRACTS`.
        parts: files that a folder of this format always has; empty for formats of one file.
        int8_needs: modules that a conversion to 8 bit imports besides.
        int8_only: whether its files are always of 8 bit.
        all_int8: contracts whose files of 8 bit have no layer in float but those that are to stay there.
        platforms: where its runtime runs, as `sys.platform` says it; everywhere when empty.
        not_run: why its runtime runs nowhere else.
        converts_where_it_runs: whether its files are made on the platforms alone that run them.
        weights_only: whether 8 bit is of its weights alone, so that no images are needed to measure ranges.
        pixels: name of its input and what that takes, for the card.
        pixels_int8: the same of files that are integers from end to end.
        beside: what is added to a file's name for the card that lies beside it; "" when the card is inside.
        on_cpu: whether the CPU is where it runs if it is asked to, so that device="cpu" is granted though there is no
            other device to choose.
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
    contracts: tuple[str, ...] = ("raw",)
    parts: tuple[str, ...] = ()
    int8_needs: tuple[str, ...] = ()
    int8_only: bool = False
    all_int8: tuple[str, ...] = ("heads",)
    platforms: tuple[str, ...] = ()
    not_run: str = ""
    converts_where_it_runs: bool = False
    weights_only: bool = False
    pixels: str = "`images` (B, 3, H, W) float32, RGB, 0 to 1"
    pixels_int8: str = ""
    beside: str = ""
    on_cpu: bool = False

    @property
    def folder(self) -> bool:
        """Whether it is a folder of files."""
        return bool(self.parts)

    @property
    def why_not_run(self) -> str:
        """Why its files can't be run on this machine; "" where they can."""
        return self.not_run if self.platforms and sys.platform not in self.platforms else ""

    def load_converter(self) -> Converter:
        """Import what makes files of this format."""
        return cast("Converter", importlib.import_module(self.converter))

    def load_runtime_module(self) -> RuntimeModule:
        """Import what runs files of this format."""
        return cast("RuntimeModule", importlib.import_module(self.runtime))


_CHANNELS_LAST = "`images` (B, H, W, 3) float32, RGB, 0 to 1"
_INTEGERS = "`images` (B, H, W, 3) int8, RGB, 0 to 1 at the scale of the input"

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
        options=("imgsz", "dynamic", "batch", "half", "int8", "keep_float", "opset", "simplify", "contract"),
        run_options=("threads", "providers", "card"),
        converter="pose_export.convert.onnx",
        runtime="pose_export.run.onnxruntime",
        extra="convert",
        run_extra="onnxruntime",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim"),
        run_needs=("onnxruntime",),
        contracts=("raw", "nms", "rows", "normalised", "heads"),
        on_cpu=True,
    ),
    Format(
        name="torchscript",
        suffix=".torchscript",
        title="TorchScript, for torch in Python and C++ without this project",
        options=("imgsz", "dynamic", "batch", "half", "optimize", "contract"),
        run_options=("threads", "card"),
        converter="pose_export.convert.torchscript",
        runtime="pose_export.run.torchscript",
        extra="convert",
        run_extra="torchscript",
        convert_needs=("pose_nn", "torch"),
        run_needs=("torch",),
        contracts=("raw", "nms", "rows", "normalised", "heads"),
        on_cpu=True,
    ),
    Format(
        name="openvino",
        suffix="_openvino_model",
        title="OpenVINO, for CPUs, GPUs and NPUs of Intel",
        options=("imgsz", "dynamic", "batch", "half", "int8", "keep_float", "contract"),
        run_options=("threads", "device", "card"),
        converter="pose_export.convert.openvino",
        runtime="pose_export.run.openvino",
        extra="convert,openvino",
        run_extra="openvino-run",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim", "openvino"),
        run_needs=("openvino",),
        contracts=("raw", "nms", "rows", "normalised", "heads"),
        parts=("model.xml", "model.bin"),
        int8_needs=("nncf",),
    ),
    Format(
        name="engine",
        suffix=".engine",
        title="TensorRT, for the very GPU that it is built on",
        options=("imgsz", "dynamic", "batch", "half", "int8", "keep_float", "simplify", "workspace", "contract"),
        run_options=("device", "card"),
        converter="pose_export.convert.engine",
        runtime="pose_export.run.engine",
        extra="convert,tensorrt",
        run_extra="tensorrt",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim", "tensorrt", "cuda.bindings"),
        run_needs=("tensorrt", "cuda.bindings"),
        contracts=("raw", "nms", "rows", "normalised", "heads"),
        int8_needs=("onnxruntime",),
        platforms=("linux", "win32"),
        not_run="TensorRT runs on Linux and Windows only",
        beside=".json",
        converts_where_it_runs=True,
    ),
    Format(
        name="coreml",
        suffix=".mlpackage",
        title="Core ML, for macOS and iOS",
        options=("imgsz", "dynamic", "half", "int8", "contract"),
        run_options=("card",),
        converter="pose_export.convert.coreml",
        runtime="pose_export.run.coreml",
        extra="convert,coreml",
        run_extra="coreml-run",
        convert_needs=("pose_nn", "torch", "coremltools"),
        run_needs=("coremltools", "PIL"),
        contracts=("raw", "nms", "rows", "normalised"),
        parts=("Manifest.json", "Data"),
        platforms=("darwin",),
        not_run="Core ML predicts on macOS only",
        pixels="`images`, a picture of H x W, RGB",
        weights_only=True,
    ),
    Format(
        name="ncnn",
        suffix="_ncnn_model",
        title="ncnn, for phones and small boards",
        options=("imgsz", "half"),
        run_options=("threads", "card"),
        converter="pose_export.convert.ncnn",
        runtime="pose_export.run.ncnn",
        extra="convert,ncnn",
        run_extra="ncnn-run",
        convert_needs=("pose_nn", "torch", "pnnx"),
        run_needs=("ncnn",),
        parts=("model.ncnn.param", "model.ncnn.bin"),
        on_cpu=True,
        pixels="`in0` (3, H, W) float32, RGB, 0 to 1",
    ),
    Format(
        name="saved_model",
        suffix="_saved_model",
        title="SavedModel, for TensorFlow and its serving",
        options=("imgsz", "batch", "contract"),
        run_options=("card",),
        converter="pose_export.convert.saved_model",
        runtime="pose_export.run.tensorflow",
        extra="convert,tensorflow",
        run_extra="tensorflow",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim", "tensorflow"),
        run_needs=("tensorflow",),
        contracts=("raw", "nms", "rows", "normalised", "heads"),
        parts=("saved_model.pb",),
        on_cpu=True,
        pixels=_CHANNELS_LAST,
    ),
    Format(
        name="pb",
        suffix=".pb",
        title="a frozen TensorFlow graph in one file",
        options=("imgsz", "batch", "contract"),
        run_options=("card",),
        converter="pose_export.convert.pb",
        runtime="pose_export.run.tensorflow",
        extra="convert,tensorflow",
        run_extra="tensorflow",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim", "tensorflow"),
        run_needs=("tensorflow",),
        contracts=("raw", "nms", "rows", "normalised", "heads"),
        on_cpu=True,
        pixels=_CHANNELS_LAST,
    ),
    Format(
        name="tflite",
        suffix=".tflite",
        title="TFLite, for Android, Raspberry Pi and microcontrollers with Linux",
        options=("imgsz", "batch", "half", "int8", "keep_float", "contract"),
        run_options=("threads", "card"),
        converter="pose_export.convert.tflite",
        runtime="pose_export.run.litert",
        extra="convert,tflite",
        run_extra="litert",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim", "tensorflow"),
        run_needs=("ai_edge_litert",),
        contracts=("raw", "nms", "rows", "normalised", "heads"),
        all_int8=("heads", "normalised"),
        on_cpu=True,
        pixels=_CHANNELS_LAST,
        pixels_int8=_INTEGERS,
    ),
    Format(
        name="edgetpu",
        suffix="_edgetpu.tflite",
        title="TFLite in 8-bit integers throughout, for Coral's Edge TPU",
        options=("imgsz", "int8", "contract"),
        run_options=("threads", "card"),
        converter="pose_export.convert.edgetpu",
        runtime="pose_export.run.litert",
        extra="convert,tflite",
        run_extra="litert",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim", "tensorflow", "ai_edge_litert"),
        run_needs=("ai_edge_litert",),
        contracts=("heads", "normalised"),
        int8_only=True,
        all_int8=("heads", "normalised"),
        on_cpu=True,
        pixels=_CHANNELS_LAST,
        pixels_int8=_INTEGERS,
    ),
    Format(
        name="tfjs",
        suffix="_web_model",
        title="TF.js, for browsers and node",
        options=("imgsz", "batch", "half", "contract"),
        run_options=("card",),
        converter="pose_export.convert.tfjs",
        runtime="pose_export.run.tfjs",
        extra="convert,tensorflow",
        run_extra="",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim", "tensorflow"),
        run_needs=(),
        contracts=("raw", "nms", "rows", "normalised", "heads"),
        parts=("model.json",),
        on_cpu=True,
        pixels=_CHANNELS_LAST,
    ),
    Format(
        name="paddle",
        suffix="_paddle_model",
        title="Paddle inference",
        options=("imgsz", "batch", "contract"),
        run_options=("threads", "card"),
        converter="pose_export.convert.paddle",
        runtime="pose_export.run.paddle",
        extra="convert,paddle",
        run_extra="paddle",
        convert_needs=("pose_nn", "torch", "onnx", "onnxslim", "paddle"),
        run_needs=("paddle",),
        contracts=("raw", "nms", "rows", "normalised", "heads"),
        parts=("model.json", "model.pdiparams"),
        on_cpu=True,
    ),
)


def make_table() -> str:
    """Write the table for documents, in Markdown."""
    head = ("format", "file", "options", "contracts", "install to make it", "install to run it")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in FORMATS:
        reads = f", also {' '.join(f'`{suffix}`' for suffix in row.also)}" if row.also else ""
        cells = (
            f"`{row.name}`",
            f"`{row.suffix}{'/' if row.folder else ''}`{reads}",
            f"`{' '.join(row.options)}`",
            f"`{' '.join(row.contracts)}`",
            f"`pose-export[{row.extra}]`",
            f"`pose-export[{row.run_extra}]`" if row.run_extra else "`pose-export`",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def get_format(name: str) -> Format:
    """Look a format up by its name.

    Raises:
        ExportError: there is none of that name.
    """
    known = {row.name: row for row in FORMATS}
    if name in known:
        return known[name]
    close = get_close_matches(str(name).lower().lstrip("."), known, n=1, cutoff=0.5)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    raise ExportError(f"format must be one of {', '.join(known)}; got '{name}'{hint}")


def format_of(path: Path) -> Format:
    """Look a format up by the end of a file's name.

    Raises:
        ExportError: no format has files of that name.
    """
    ends = {suffix: row for row in FORMATS for suffix in (row.suffix, *row.also)}
    fitting = [suffix for suffix in ends if path.name.lower().endswith(suffix)]
    if fitting:
        return ends[max(fitting, key=len)]  # the end of one may be the end of another's
    known = ", ".join(suffix for row in FORMATS for suffix in (row.suffix, *row.also))
    raise ExportError(f"{path}: a file of a network must end in one of {known}; rename it to what it is")
