"""Run ncnn models with ncnn, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ncnn
import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Runtime

from pose_export.card import FileShape, settle_card
from pose_export.contracts import count_anchors
from pose_export.options import RunOptions
from pose_export.run.cores import count_cores
from pose_export.run.file import FileRuntime
from pose_export.sidecar import read_sidecar

PARAM, WEIGHTS = "model.ncnn.param", "model.ncnn.bin"
_TO_UNIT = [1 / 255] * 3  # from uint8 to [0, 1], colour by colour
_MAGIC = "7767517"  # first line of every param file


class NcnnRuntime(FileRuntime):
    """A folder with an ncnn model; satisfies `pose_data.Runtime`. It runs on the CPU.

    Args:
        path: the folder.
        threads: CPU threads; all cores when None.
        card: what the network is, for a model that doesn't say it.

    Raises:
        ExportError: the model is missing, damaged, has no card, or isn't what its card says.
    """

    runner = "ncnn, CPU"

    def __init__(self, path: Path, *, threads: int | None = None, card: ModelCard | None = None) -> None:
        source = str(path)
        metadata = read_sidecar(path)
        layers = _read_layers(path / PARAM)
        settled = settle_card(card, metadata, FileShape(batch=1, any_size=False), source=source)
        _check_anchors(layers, settled, source=source)
        super().__init__(source=source, card=settled, batch=1)
        self._input, self._output = layers[0].blob, layers[-1].blob
        self._net = _open_net(path, half=settled.precision == "float16", threads=threads or count_cores())
        self.check_card_by_running()

    def _run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        extractor = self._net.create_extractor()
        height, width = images.shape[1:3]
        planes = ncnn.Mat.from_pixels(np.ascontiguousarray(images[0]), ncnn.Mat.PixelType.PIXEL_RGB, width, height)
        planes.substract_mean_normalize([], _TO_UNIT)
        extractor.input(self._input, planes)
        status, output = extractor.extract(self._output)
        if status:
            raise ExportError(f"{self._source}: ncnn can't run it: status {status}; export it again")
        return [np.array(output, dtype=np.float32)[None]]


def open_runtime(path: Path, options: RunOptions) -> Runtime:
    """Load an ncnn model.

    Raises:
        ExportError: it can't be read, has no card, or isn't what its card says.
    """
    return NcnnRuntime(path, threads=options.threads, card=options.card)


@dataclass(frozen=True)
class _Layer:
    """One line of a param file: what it does, its last blob, and its first setting."""

    kind: str
    blob: str
    length: int | None


def _read_layers(file: Path) -> list[_Layer]:
    """Read a param file before ncnn does, which says nothing of one that isn't whole.

    Raises:
        ExportError: it is no param file, or isn't whole.
    """
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    if lines[0].strip() != _MAGIC or len(lines) < 2:
        raise ExportError(f"{file}: must begin with ncnn's {_MAGIC}; got '{lines[0][:20]}'; export it again")
    promised = (lines[1].split() or ["none"])[0]
    layers = [_parse(line.split()) for line in lines[2:] if line.split()]
    if str(len(layers)) != promised:
        raise ExportError(f"{file}: must have {promised} layers, as it says; got {len(layers)}; export it again")
    return layers


def _parse(words: list[str]) -> _Layer:
    blobs = [word for word in words if "=" not in word]
    first = next((word[2:] for word in words if word.startswith("0=")), "")
    return _Layer(blobs[0], blobs[-1], int(first) if first.isdigit() else None)


def _check_anchors(layers: list[_Layer], card: ModelCard, *, source: str) -> None:
    """Hold the size on the card against the anchors' strides, the only place where the file says it."""
    held = [layer.length for layer in layers if layer.kind == "MemoryData"]
    anchors = count_anchors(card.imgsz, stride=card.stride)
    if held and anchors not in held:
        raise ExportError(
            f"{source}: its card promises {anchors} anchors ({card.imgsz[0]}x{card.imgsz[1]}), "
            f"the file has {max(length or 0 for length in held)}; the card belongs to another file: export it again"
        )


def _open_net(path: Path, *, half: bool, threads: int) -> ncnn.Net:
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = half
    net.opt.use_bf16_storage = False
    for load, part in ((net.load_param, PARAM), (net.load_model, WEIGHTS)):
        status = load(str(path / part))
        if status:
            raise ExportError(f"{path / part}: must be a whole ncnn file; ncnn says status {status}; export it again")
    return net
