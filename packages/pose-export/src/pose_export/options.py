"""What a conversion and a runtime can be asked for, in one dataclass each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard

from pose_export.contracts import CONTRACTS
from pose_export.formats import FORMATS, Format

MAX_DET = 300
# Options that are numbers: name, type, and what it is in words.
_NUMBERS = (
    ("batch", Integral, "a whole number"),
    ("opset", Integral, "a whole number"),
    ("max_det", Integral, "a whole number"),
    ("workspace", Real, "a number of GiB"),
    ("conf", Real, "a number from 0 to 1"),
    ("iou", Real, "a number from 0 to 1"),
)
# Best anchors of an image that a file of contract "nms" compares. Of 60 photos of COCO at 640 px none had more than
# 172 above 0.25, or more than 565 above 0.1, in a network that had never seen a photo and was sure of little.
CANDIDATES, MOST_CANDIDATES = 512, 1024
USUAL_CONF, LEAST_CONF = 0.25, 0.1
_OF_FORMATS = (  # options that a format may lack
    "dynamic",
    "batch",
    "opset",
    "half",
    "int8",
    "keep_float",
    "simplify",
    "optimize",
    "workspace",
    "contract",
)


@dataclass(frozen=True)
class ConvertOptions:
    """How a network is converted.

    Args:
        imgsz: (height, width) of the input; the card's when None.
        dynamic: whether the file takes any batch and any multiple of the stride.
        batch: images per call of a file that isn't dynamic.
        opset: ONNX operator set; the converter's choice when None.
        half: whether weights are stored and multiplied in 16 bit.
        int8: whether layers are stored and multiplied in 8 bit.
        simplify: whether the graph is simplified.
        optimize: whether a TorchScript file is frozen.
        workspace: GiB of the GPU's memory that TensorRT may work in while it builds; all of it when None.
        contract: what the output means, a name in `contracts.CONTRACTS`.
        conf: people must score more than this; only for the contract "nms".
        iou: overlap from which on two boxes are one person; only for the contract "nms".
        max_det: rows of the output, the best people; only for the contract "nms".
        calibration: (N, H, W, 3) uint8 RGB, letterboxed, that 8-bit ranges are measured on.
        keep_float: names of layers that stay out of 8 bit.
    """

    imgsz: tuple[int, int] | None = None
    dynamic: bool = False
    batch: int = 1
    opset: int | None = None
    half: bool = False
    int8: bool = False
    simplify: bool = True
    optimize: bool = False
    workspace: float | None = None
    contract: str = "raw"
    conf: float = 0.25
    iou: float = 0.7
    max_det: int = MAX_DET
    calibration: NDArray[np.uint8] | None = None
    keep_float: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, kind, expected in _NUMBERS:
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
                raise ExportError(f"{name} must be {expected}; got {value!r}; leave it out for the usual")
        if self.batch < 1:
            raise ExportError(f"batch must be at least 1; got {self.batch}; leave it out for one image per call")
        if self.contract not in CONTRACTS:
            raise ExportError(f"contract must be one of {', '.join(CONTRACTS)}; got '{self.contract}'")
        if self.half and self.int8:
            raise ExportError("half and int8 must not be asked for together; got both; leave one out")
        if self.workspace is not None and not self.workspace > 0:
            raise ExportError(f"workspace must be GiB above 0; got {self.workspace}; leave it out for all there is")
        for name in ("conf", "iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ExportError(f"{name} must be from 0 to 1; got {getattr(self, name)}; leave it out for the usual")
        if self.max_det < 1:
            raise ExportError(f"max_det must be at least 1; got {self.max_det}; leave it out for {MAX_DET}")

    @property
    def precision(self) -> str:
        """Of the weights, as the card says it."""
        return "int8" if self.int8 else "float16" if self.half else "float32"

    def given(self) -> tuple[str, ...]:
        """Names of the options that differ from their defaults and that a format may lack."""
        return tuple(name for name in _OF_FORMATS if getattr(self, name) != getattr(ConvertOptions, name))


@dataclass(frozen=True)
class RunOptions:
    """How a file is run.

    Args:
        threads: CPU threads; all cores when None.
        providers: names of ONNX Runtime's execution providers, best first; what is installed when None.
        device: where it runs, such as "cpu", "cuda:0" or, with OpenVINO, "GPU"; the runtime's choice when None.
        card: what the network is, for files that don't say it.
    """

    threads: int | None = None
    providers: tuple[str, ...] | None = None
    device: str | None = None
    card: ModelCard | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ExportError(f"threads must be at least 1; got {self.threads}; leave it out for all cores")

    def given(self) -> tuple[str, ...]:
        """Names of the options that differ from their defaults."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != f.default)


def check_companions(asked: Mapping[str, object], *, int8: bool, nms: bool) -> None:
    """Refuse options that would change nothing without another.

    Args:
        asked: arguments of `export`, by name; those at their defaults ask for nothing.
        int8: whether layers are in 8 bit.
        nms: whether people are selected inside the file.

    Raises:
        ExportError: naming the option and what it must come with.
    """
    for names, there, companion in (
        (("calibration", "keep_float"), int8, "int8=True"),
        (("conf", "iou", "max_det"), nms, "nms=True"),
    ):
        for name in names:
            if not there and _is_asked(name, asked):
                raise ExportError(f"{name} must come with {companion}; got it alone; give that too, or leave it out")


def _is_asked(name: str, asked: Mapping[str, object]) -> bool:
    value = asked.get(name)
    if value is None:
        return False
    if isinstance(value, (float, int)):
        return bool(value != getattr(ConvertOptions, name))
    return name == "calibration" or bool(value)


def count_candidates(*, conf: float, max_det: int) -> int:
    """How many anchors of an image, the best ones, a file compares that selects people itself."""
    return max(CANDIDATES if conf >= USUAL_CONF else MOST_CANDIDATES, max_det)


def check_conf(options: ConvertOptions, *, anchors: int) -> None:
    """Refuse a threshold that more anchors may pass than a file compares, so that its people aren't the greedy ones.

    Args:
        anchors: of an image of the size asked for.

    Raises:
        ExportError: it is too low, and an image may have more anchors than are compared.
    """
    count = count_candidates(conf=options.conf, max_det=options.max_det)
    if options.contract != "nms" or options.conf >= LEAST_CONF or (anchors <= count and not options.dynamic):
        return
    of = "any number of" if options.dynamic else f"{anchors}"
    raise ExportError(
        f"conf must be at least {LEAST_CONF} with nms, which compares the {count} best of {of} anchors; "
        f'got {options.conf:g}; raise it, or select outside the file, with contract="raw"'
    )


def check_options(row: Format, given: tuple[str, ...]) -> None:
    """Refuse options of a conversion that the format doesn't have.

    Raises:
        ExportError: naming the option and what the format does take.
    """
    for name in given:
        if name not in row.options:
            known = ", ".join(row.options)
            raise ExportError(f"format '{row.name}' takes the options {known}; got '{name}'; leave it out")


def check_platform(row: Format) -> None:
    """Refuse to make files of a format on a platform that can't.

    Raises:
        ExportError: naming the platforms that can.
    """
    if row.converts_where_it_runs and row.why_not_run:
        raise ExportError(f"format '{row.name}' can't be made on this machine: {row.why_not_run}; export it there")


def check_contract(row: Format, contract: str) -> None:
    """Refuse a contract that the format doesn't have.

    Raises:
        ExportError: naming it and those that the format does have.
    """
    if contract not in row.contracts:
        known = ", ".join(row.contracts)
        raise ExportError(f"format '{row.name}' has the contracts {known}; got '{contract}'; choose one of these")


def check_run_options(row: Format, given: tuple[str, ...]) -> None:
    """Refuse options of running that the format doesn't have.

    Raises:
        ExportError: naming the option.
    """
    for name in given:
        if name not in row.run_options:
            takers = ", ".join(other.name for other in FORMATS if name in other.run_options)
            raise ExportError(
                f"{name} must be left out for files of format '{row.name}', which can't be told it; it is for {takers}"
            )
