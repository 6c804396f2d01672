"""Run ONNX files with ONNX Runtime, without torch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Runtime

from pose_export.card import FileShape, settle_card
from pose_export.options import RunOptions
from pose_export.run.file import FileRuntime, first_line
from pose_export.run.inputs import make_input
from pose_export.run.providers import open_session

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_ERRORS_ONLY = 3  # ONNX Runtime's own log level; its warnings are about its own choices


class OnnxRuntime(FileRuntime):
    """An ONNX file; satisfies `pose_data.Runtime`.

    Args:
        path: the file.
        providers: execution providers, best first, also one that another package plugs in; CUDA where it is installed,
            else the CPU, when None.
        threads: CPU threads; all cores when None.
        card: what the network is, for a file that doesn't say it.

    Raises:
        ExportError: the file is missing, damaged, not ONNX, has no card, or isn't what its card says.
    """

    runner = "ONNX Runtime"

    def __init__(
        self,
        path: Path,
        *,
        providers: tuple[str, ...] | None = None,
        threads: int | None = None,
        card: ModelCard | None = None,
    ) -> None:
        source = str(path)
        self._session = _open_session(path, providers=providers, threads=threads)
        self._input = _find_input(self._session, source=source)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._type = _TYPES[self._input.type]
        batch, _, height, width = map(_length, self._input.shape)
        outputs = tuple(tuple(map(_length, output.shape)) for output in self._session.get_outputs())
        shape = FileShape(batch, height, width, outputs)
        metadata = self._session.get_modelmeta().custom_metadata_map
        super().__init__(source=source, card=settle_card(card, metadata, shape, source=source), batch=batch)

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, best first."""
        return tuple(self._session.get_providers())

    @property
    def runs_on(self) -> str:
        """What runs it and on what."""
        return f"{self.runner}, {', '.join(self.providers)}"

    def _run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        planes = make_input(images).astype(self._type, copy=False)
        try:
            outputs = self._session.run(self._outputs, {self._input.name: planes})
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise ExportError(f"{self._source}: ONNX Runtime can't run it: {first_line(error)}") from error
        return [np.asarray(output, dtype=np.float32) for output in outputs]


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load an ONNX file.

    Raises:
        ExportError: it can't be read, has no card, or isn't what its card says.
    """
    return OnnxRuntime(path, providers=options.providers, threads=options.threads, card=options.card)


def _open_session(path: Path, *, providers: tuple[str, ...] | None, threads: int | None) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.log_severity_level = _ERRORS_ONLY
    settings.intra_op_num_threads = _count_threads(threads)
    try:
        return open_session(path, settings, asked=providers)
    except ExportError:
        raise
    except Exception as error:  # ONNX Runtime's errors share no base class of their own
        raise ExportError(
            f"{path}: must be a whole ONNX file that ONNX Runtime {ort.__version__} can run; "
            f"it says: {first_line(error)}; export it again"
        ) from error


def _count_threads(threads: int | None) -> int:
    """Choose the number of threads; 0 lets ONNX Runtime take one per physical core.

    It doesn't know of a smaller share (taskset, a container's cpuset) and would crowd it.
    """
    if threads is not None:
        return threads
    if not hasattr(os, "sched_getaffinity"):
        return 0
    share = len(os.sched_getaffinity(0))
    return 0 if share == os.cpu_count() else share


def _find_input(session: ort.InferenceSession, *, source: str) -> ort.NodeArg:
    """Find the one image input."""
    inputs = session.get_inputs()
    image = inputs[0] if len(inputs) == 1 else None
    if image is None or image.type not in _TYPES or len(image.shape) != 4 or image.shape[1] != 3:
        seen = ", ".join(f"{i.name} {i.shape} {i.type}" for i in inputs)
        raise ExportError(f"{source}: its input must be one float tensor (batch, 3, height, width); got {seen}")
    return image


def _length(length: int | str | None) -> int | None:
    """Read a length; a dimension with a name or without a length takes any."""
    return length if isinstance(length, int) else None
