"""Run ONNX files with ONNX Runtime, without torch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Runtime

from pose_export.card import RAW_LAYOUT, FileShape, settle_card
from pose_export.options import RunOptions
from pose_export.run.inputs import check_images, check_output, make_input, run_in_batches

# Best first. Others (TensorRT, CoreML, ...) build for minutes or calculate in 16 bit: they are asked for.
_PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")
# A float32 file is calculated in float32, not in the 10 bits of TF32 that CUDA takes by default.
_SETTINGS = {"CUDAExecutionProvider": {"use_tf32": "0"}}
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_ERRORS_ONLY = 3  # ONNX Runtime's own log level; its warnings are about its own choices


class OnnxRuntime:
    """An ONNX file with the raw output contract; satisfies `pose_data.Runtime`.

    Args:
        path: the file.
        providers: execution providers, best first; CUDA where it is installed, else the CPU, when None.
        threads: CPU threads; all cores when None.
        card: what the network is, for a file that doesn't say it.

    Raises:
        ExportError: the file is missing, damaged, not ONNX, has no card, or isn't what its card says.
    """

    def __init__(
        self,
        path: Path,
        *,
        providers: tuple[str, ...] | None = None,
        threads: int | None = None,
        card: ModelCard | None = None,
    ) -> None:
        self._source = str(path)
        self._session = _open_session(path, providers=providers, threads=threads)
        self._input, self._output = _find_tensors(self._session, source=self._source)
        self._type = _TYPES[self._input.type]
        shape = _file_shape(self._input.shape, self._output.shape)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._card = settle_card(card, metadata, shape, source=self._source)
        self._batch = shape.batch

    @property
    def card(self) -> ModelCard:
        """What the network is."""
        return self._card

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, best first."""
        return tuple(self._session.get_providers())

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            images: (B, H, W, 3) uint8 RGB, letterboxed. Any B: a file of a fixed batch is called as
                often as it takes.

        Returns:
            (B, 4 + C + D K, A) float32, in pixels of the input.

        Raises:
            ExportError: images of another size than the file takes, or a failure inside the runtime.
        """
        size = None if self._card.dynamic else self._card.imgsz
        check_images(images, size=size, stride=self._card.stride, source=self._source)
        if not len(images):
            return np.zeros((0, self._card.channels, 0), np.float32)
        output = run_in_batches(self._run, images, batch=self._batch)
        check_output(output, self._card, size=(images.shape[1], images.shape[2]), source=self._source)
        return output

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        planes = make_input(images).astype(self._type, copy=False)
        try:
            (output,) = self._session.run([self._output.name], {self._input.name: planes})
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise ExportError(f"{self._source}: ONNX Runtime can't run it: {_first_line(error)}") from error
        return np.asarray(output, dtype=np.float32)


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
    chosen = _choose_providers(providers)
    try:
        return ort.InferenceSession(str(path), settings, providers=chosen)
    except Exception as error:  # ONNX Runtime's errors share no base class of their own
        raise ExportError(
            f"{path}: must be a whole ONNX file that ONNX Runtime {ort.__version__} can run; "
            f"it says: {_first_line(error)}; export it again"
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


def _choose_providers(asked: tuple[str, ...] | None) -> list[tuple[str, dict[str, str]]]:
    installed = ort.get_available_providers()
    if asked is None:
        asked = tuple(name for name in _PREFERRED if name in installed)
    for name in asked:
        if name not in installed:
            raise ExportError(
                f"providers must be among those of the installed ONNX Runtime, {', '.join(installed)}; got '{name}'"
            )
    return [(name, _SETTINGS.get(name, {})) for name in asked]


def _find_tensors(session: ort.InferenceSession, *, source: str) -> tuple[ort.NodeArg, ort.NodeArg]:
    """Find the one image input and the one raw output."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    image = inputs[0] if len(inputs) == 1 else None
    if image is None or image.type not in _TYPES or len(image.shape) != 4 or image.shape[1] != 3:
        seen = ", ".join(f"{i.name} {i.shape} {i.type}" for i in inputs)
        raise ExportError(f"{source}: its input must be one float tensor (batch, 3, height, width); got {seen}")
    if len(outputs) != 1 or outputs[0].type not in _TYPES or len(outputs[0].shape) != 3:
        seen = ", ".join(f"{o.name} {o.shape} {o.type}" for o in outputs)
        raise ExportError(f"{source}: its output must be one float tensor {RAW_LAYOUT}; got {seen}")
    return image, outputs[0]


def _file_shape(inputs: list[int | str | None], outputs: list[int | str | None]) -> FileShape:
    """Read lengths; a dimension with a name or without a length takes any."""
    batch, _, height, width = (n if isinstance(n, int) else None for n in inputs)
    _, channels, anchors = (n if isinstance(n, int) else None for n in outputs)
    return FileShape(batch, height, width, channels, anchors)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
