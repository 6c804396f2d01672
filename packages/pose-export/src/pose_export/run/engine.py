"""Run TensorRT engines with TensorRT, without torch.

This project has never run it on a GPU: its tests run it against a recorded stand-in of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Runtime, card_from_json

from pose_export.card import CARD_KEY, FileShape, settle_card
from pose_export.engine_card import engine_card_path, read_engine_card
from pose_export.options import RunOptions
from pose_export.run.channels_last import order_outputs
from pose_export.run.file import FileRuntime
from pose_export.run.gpu import GpuMemory, find_gpu, use_gpu
from pose_export.run.inputs import make_input
from pose_export.run.plan import check_version, find_differences, open_plan, trt

_Lengths = tuple[int, ...]


class EngineRuntime(FileRuntime):
    """A TensorRT engine; satisfies `pose_data.Runtime`. One call at a time: it has one place for its input.

    Args:
        path: the engine; its card lies beside it.
        device: the GPU, such as "cuda:1"; the first when None.
        card: what the network is, for an engine that has no card beside it.

    Raises:
        ExportError: there is no GPU; or the engine is damaged, made for another machine, has no card, or isn't what
            its card says.
    """

    runner = "TensorRT"

    def __init__(self, path: Path, *, device: str | None = None, card: ModelCard | None = None) -> None:
        check_version()
        source, plan = str(path), path.read_bytes()
        metadata = read_engine_card(path, plan)
        if card is None and not metadata:
            raise ExportError(f"{path}: must have its card beside it, {engine_card_path(path).name}; copy that too")
        self._gpu = find_gpu(device)
        differences = find_differences(_read_facts(metadata, source=source), self._gpu)
        self._opened = open_plan(path, plan, differences=differences)
        self._engine = self._opened.engine
        self._input, self._outputs = _list_tensors(self._engine, source=source)
        shape = _read_shape(self._engine, self._input, self._outputs)
        super().__init__(source=source, card=settle_card(card, metadata, shape, source=source), batch=shape.batch)
        self._lowest, self._highest = _read_range(self._engine, self._input)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise ExportError(f"{source}: TensorRT can't make room for it on {self._gpu.name}; free its memory")
        self._memory = GpuMemory()

    @property
    def device(self) -> str:
        """The GPU that it runs on."""
        return self._gpu.name

    @property
    def runs_on(self) -> str:
        """What runs it and on what."""
        return f"{self.runner}, {self.device}"

    def _run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        use_gpu(self._gpu.index)
        self._check_size(images.shape[1], images.shape[2])
        most = self._highest[0]
        parts = [self._execute(images[i : i + most]) for i in range(0, len(images), most)]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)] if len(parts) > 1 else parts[0]

    def _execute(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """One call of TensorRT."""
        planes, memory, context = make_input(images), self._memory, self._context
        self._expect(context.set_input_shape(self._input, planes.shape), "take that shape")
        self._expect(context.set_tensor_address(self._input, memory.upload(self._input, planes)), "take its input")
        found = {}
        for name in self._outputs:
            kind = trt.nptype(self._engine.get_tensor_dtype(name))
            found[name] = np.empty(tuple(context.get_tensor_shape(name)), kind)
            address = memory.reserve(name, found[name].nbytes)
            self._expect(context.set_tensor_address(name, address), f"give {name}")
        self._expect(context.execute_async_v3(stream_handle=memory.stream), "run")
        for name, output in found.items():
            memory.download(name, output)
        memory.wait()
        return [output.astype(np.float32, copy=False) for output in found.values()]

    def _expect(self, done: bool, what: str) -> None:
        if not done:
            raise ExportError(f"{self._source}: the engine must {what}; TensorRT refuses; export it again here")

    def _check_size(self, height: int, width: int) -> None:
        lowest, highest = self._lowest[2:], self._highest[2:]
        if not (lowest[0] <= height <= highest[0] and lowest[1] <= width <= highest[1]):
            raise ExportError(
                f"{self._source} takes images of {lowest[0]}x{lowest[1]} to {highest[0]}x{highest[1]} "
                f"(height x width); got {height}x{width}; export it with a larger imgsz"
            )


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load an engine.

    Raises:
        ExportError: it can't be read, has no card, or isn't what its card says.
    """
    return EngineRuntime(path, device=options.device, card=options.card)


def _read_facts(metadata: Mapping[str, str], *, source: str) -> Mapping[str, str]:
    """What our card says of the engine's origin; nothing when the card is another program's."""
    return card_from_json(metadata[CARD_KEY], source=source).facts if CARD_KEY in metadata else {}


def _list_tensors(engine: trt.ICudaEngine, *, source: str) -> tuple[str, list[str]]:
    """Name the one image input, and the outputs in the order of the contract."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    shapes = {name: tuple(engine.get_tensor_shape(name)) for name in inputs}
    image = inputs[0] if len(inputs) == 1 else ""
    if not image or len(shapes[image]) != 4 or shapes[image][1] != 3 or not _is_float(engine, image):
        seen = ", ".join(f"{name} {shapes[name]} {engine.get_tensor_dtype(name)}" for name in inputs) or "none"
        raise ExportError(f"{source}: its input must be one float32 tensor (batch, 3, height, width); got {seen}")
    return image, order_outputs(name for name in names if name not in inputs)


def _is_float(engine: trt.ICudaEngine, name: str) -> bool:
    return bool(engine.get_tensor_dtype(name) == trt.float32)


def _read_shape(engine: trt.ICudaEngine, image: str, outputs: list[str]) -> FileShape:
    """What the engine says of its lengths; TensorRT writes those that are free as -1."""

    def lengths(name: str) -> tuple[int | None, ...]:
        return tuple(None if length < 0 else int(length) for length in engine.get_tensor_shape(name))

    batch, _, height, width = lengths(image)
    return FileShape(batch, height, width, tuple(map(lengths, outputs)))


def _read_range(engine: trt.ICudaEngine, image: str) -> tuple[_Lengths, _Lengths]:
    """Smallest and largest shape of the input: those of the only profile, or the fixed one."""
    fixed = tuple(engine.get_tensor_shape(image))
    if min(fixed) > 0:
        return fixed, fixed
    lowest, _, highest = engine.get_tensor_profile_shape(image, 0)
    return tuple(lowest), tuple(highest)
