"""CUDA without torch, through NVIDIA's own bindings: which GPU there is, memory on it, copies to and from it.

Of what can do this, cuda-bindings is what TensorRT's documentation uses, has a permissive licence (Apache-2.0), needs
nothing but the driver, and weighs little; CuPy and torch bring arrays and kernels that nothing here calls.
"""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError

try:
    from cuda.bindings import runtime as cudart
except ModuleNotFoundError:
    raise
except ImportError as error:
    raise ExportError(
        f"cuda-bindings is installed but can't be loaded: {error}; run: pip install --force-reinstall cuda-bindings"
    ) from error

_DEVICE = re.compile(r"(?:(?:cuda|gpu):?)?(\d*)")


@dataclass(frozen=True)
class Gpu:
    """A GPU, and what drives it.

    Args:
        index: its number in this process.
        name: as its driver says it.
        capability: compute capability, such as "9.0".
        cuda: the CUDA version that its driver is for, such as "13.0".
    """

    index: int
    name: str
    capability: str
    cuda: str


def find_gpu(device: str | None = None) -> Gpu:
    """Choose a GPU and make it the one of this thread.

    Args:
        device: "cuda", "cuda:1" or "1"; the first when None.

    Raises:
        ExportError: there is none, none of that number, or the word means something else.
    """
    found = _DEVICE.fullmatch((device or "cuda").lower())
    if found is None:
        raise ExportError(f"device must be a GPU such as 'cuda:0' for TensorRT; got '{device}'; leave it out")
    status, count = cudart.cudaGetDeviceCount()
    if status != cudart.cudaError_t.cudaSuccess or not count:
        raise ExportError(
            f"TensorRT needs an NVIDIA GPU with its driver; CUDA says: {_explain(status)}; "
            "do this on a machine that has one, or take another format, such as onnx"
        )
    index = int(found[1] or 0)
    if index >= count:
        raise ExportError(f"device must be one of the {count} GPUs here, cuda:0 to cuda:{count - 1}; got '{device}'")
    use_gpu(index)
    status, properties = cudart.cudaGetDeviceProperties(index)
    _check(status)
    status, version = cudart.cudaDriverGetVersion()
    _check(status)
    capability = f"{properties.major}.{properties.minor}"
    return Gpu(index, properties.name.decode(), capability, f"{version // 1000}.{version % 1000 // 10}")


def use_gpu(index: int) -> None:
    """Make a GPU the one of this thread; CUDA keeps its choice per thread."""
    (status,) = cudart.cudaSetDevice(index)
    _check(status)


class GpuMemory:
    """Named places in a GPU's memory that grow when they must, and a stream of work in order.

    All of it is given back when nobody holds this object any more.
    """

    def __init__(self) -> None:
        status, self._stream = cudart.cudaStreamCreate()
        _check(status)
        self._places: dict[str, tuple[int, int]] = {}  # name -> address, bytes
        weakref.finalize(self, _release, self._places, self._stream)

    @property
    def stream(self) -> int:
        """The stream, as TensorRT takes it."""
        return int(self._stream)

    def reserve(self, name: str, size: int) -> int:
        """Give the address of at least so many bytes."""
        address, held = self._places.get(name, (0, 0))
        if held >= size:
            return address
        if address:
            del self._places[name]
            _check(*cudart.cudaFree(address))
        status, found = cudart.cudaMalloc(size)
        _check(status)
        self._places[name] = (int(found), size)
        return int(found)

    def upload(self, name: str, array: NDArray[np.generic]) -> int:
        """Copy an array to its place and give the address; the array must stay until `wait`."""
        address = self.reserve(name, array.nbytes)
        self._copy(address, array.ctypes.data, array.nbytes, cudart.cudaMemcpyKind.cudaMemcpyHostToDevice)
        return address

    def download(self, name: str, array: NDArray[np.generic]) -> None:
        """Copy from a place into an array, which is filled after `wait`."""
        address, _ = self._places[name]
        self._copy(array.ctypes.data, address, array.nbytes, cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost)

    def wait(self) -> None:
        """Wait until all work on the stream is done."""
        _check(*cudart.cudaStreamSynchronize(self._stream))

    def _copy(self, target: int, source: int, size: int, kind: cudart.cudaMemcpyKind) -> None:
        _check(*cudart.cudaMemcpyAsync(target, source, size, kind, self._stream))


def _release(places: dict[str, tuple[int, int]], stream: cudart.cudaStream_t) -> None:
    """Give memory back; nobody is left who could be told of an error."""
    for address, _ in places.values():
        cudart.cudaFree(address)
    cudart.cudaStreamDestroy(stream)


def _check(status: cudart.cudaError_t) -> None:
    if status != cudart.cudaError_t.cudaSuccess:
        raise ExportError(f"the GPU must do what it is told; CUDA says: {_explain(status)}; free its memory")


def _explain(status: cudart.cudaError_t) -> str:
    if status == cudart.cudaError_t.cudaSuccess:
        return "no CUDA-capable device is detected"
    _, text = cudart.cudaGetErrorString(status)
    return str(text.decode())
