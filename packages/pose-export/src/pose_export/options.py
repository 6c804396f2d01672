"""What a conversion and a runtime can be asked for, in one dataclass each."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pose_data import ExportError, ModelCard


@dataclass(frozen=True)
class ConvertOptions:
    """How a network is converted.

    Args:
        imgsz: (height, width) of the input; the card's when None.
        dynamic: whether the file takes any batch and any multiple of the stride.
        batch: images per call of a file that isn't dynamic.
        opset: ONNX operator set; the converter's choice when None.
        half: whether weights are stored and multiplied in 16 bit.
        simplify: whether the graph is simplified.
    """

    imgsz: tuple[int, int] | None = None
    dynamic: bool = False
    batch: int = 1
    opset: int | None = None
    half: bool = False
    simplify: bool = True

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ExportError(f"batch must be at least 1; got {self.batch}; leave it out for one image per call")

    def given(self) -> tuple[str, ...]:
        """Names of the options that differ from their defaults."""
        return _given(self)


@dataclass(frozen=True)
class RunOptions:
    """How a file is run.

    Args:
        threads: CPU threads; all cores when None.
        providers: names of ONNX Runtime's execution providers, best first; what is installed when None.
        device: where torch runs it, such as "cpu" or "cuda:0"; the runtime's choice when None.
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
        return _given(self)


def _given(options: ConvertOptions | RunOptions) -> tuple[str, ...]:
    return tuple(f.name for f in fields(options) if getattr(options, f.name) != f.default)
