"""Run TFLite files with LiteRT, without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Runtime

from pose_export.card import settle_card
from pose_export.options import RunOptions
from pose_export.run.channels_last import make_pixels, order_outputs, read_shapes
from pose_export.run.file import ElsewhereError, FileRuntime
from pose_export.zipped import read_zipped

_EDGE_TPU = "edgetpu-custom-op"  # the one operation of a compiled file


@dataclass(frozen=True)
class _Tensor:
    """An input or output.

    Args:
        index: its place in the interpreter.
        shape: its lengths.
        kind: how its numbers are stored.
        scale: what one step of 8 bit is worth; 0 for a tensor of floats.
        zero: which step is 0.
    """

    index: int
    shape: tuple[int, ...]
    kind: np.dtype[np.generic]
    scale: float
    zero: int


class LiteRtRuntime(FileRuntime):
    """A TFLite file; satisfies `pose_data.Runtime`. Not to be called from two threads at once.

    Args:
        path: the file.
        threads: CPU threads; all cores when None.
        card: what the network is, for a file that doesn't say it.

    Raises:
        ExportError: the file is missing, damaged, not TFLite, has no card, or isn't what its card says.
    """

    runner = "LiteRT, CPU"

    def __init__(self, path: Path, *, threads: int | None = None, card: ModelCard | None = None) -> None:
        source = str(path)
        metadata = read_zipped(path)
        self._interpreter = _open_interpreter(path, threads=threads or _count_cores())
        self._input, outputs = _find_tensors(self._interpreter)
        self._outputs = [outputs[name] for name in order_outputs(outputs)]
        shape = read_shapes(self._input.shape, [tensor.shape for tensor in self._outputs], source=source)
        settled = settle_card(card, metadata, shape, source=source)
        super().__init__(source=source, card=settled, batch=shape.batch)

    def _run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        try:
            self._interpreter.set_tensor(self._input.index, _quantise(make_pixels(images), self._input))
            self._interpreter.invoke()
            return [_restore(self._interpreter.get_tensor(tensor.index), tensor) for tensor in self._outputs]
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ExportError(f"{self._source}: LiteRT can't run it: {reason}; export it again") from error


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load a TFLite file.

    Raises:
        ExportError: it can't be read, has no card, or isn't what its card says.
    """
    return LiteRtRuntime(path, threads=options.threads, card=options.card)


def _open_interpreter(path: Path, *, threads: int) -> Interpreter:
    try:
        interpreter = Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or ["no reason"])[0]
        if _EDGE_TPU in reason:
            raise ElsewhereError(
                f"{path}: can't be run on this machine: it is compiled for the Edge TPU; run it there, "
                "or take the compiler off the PATH and export it again"
            ) from error
        raise ExportError(
            f"{path}: must be a whole TFLite file that LiteRT can run; it says: {reason}; export it again"
        ) from error
    return interpreter


def _count_cores() -> int:
    """Cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _find_tensors(interpreter: Interpreter) -> tuple[_Tensor, dict[str, _Tensor]]:
    """The input, and the outputs by the names of the signature, or by their own where there is none."""
    (image,) = (_read_tensor(details) for details in interpreter.get_input_details()[:1])
    outputs = interpreter.get_output_details()
    signatures = interpreter.get_signature_list()
    if len(signatures) != 1:
        return image, {details["name"]: _read_tensor(details) for details in outputs}
    (key,) = signatures
    named = interpreter.get_signature_runner(key).get_output_details()
    return image, {name: _read_tensor(details) for name, details in named.items()}


def _read_tensor(details: Mapping[str, Any]) -> _Tensor:
    scale, zero = details["quantization"]
    shape = tuple(int(length) for length in details["shape"])
    return _Tensor(int(details["index"]), shape, np.dtype(details["dtype"]), float(scale), int(zero))


def _quantise(pixels: NDArray[np.float32], tensor: _Tensor) -> NDArray[np.generic]:
    if not tensor.scale:
        return pixels.astype(tensor.kind, copy=False)
    limits = np.iinfo(tensor.kind.name)
    steps: NDArray[np.float32] = np.rint(pixels / np.float32(tensor.scale)) + np.float32(tensor.zero)
    return steps.clip(limits.min, limits.max).astype(tensor.kind)


def _restore(steps: NDArray[np.generic], tensor: _Tensor) -> NDArray[np.float32]:
    values = steps.astype(np.float32)
    return (values - np.float32(tensor.zero)) * np.float32(tensor.scale) if tensor.scale else values
