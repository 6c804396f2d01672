"""Run a network with torch, on a CPU or a GPU."""

from __future__ import annotations

import os

import numpy as np
import torch
from numpy.typing import NDArray
from pose_data import DataError, ModelCard, SettingsError
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from pose_nn.fuse import fuse
from pose_nn.network import PoseNet

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class TorchRuntime:
    """A pose_data.Runtime: images in, decoded rows out.

    Args:
        net: copied and fused; later changes to it aren't seen.
        card: what the network is.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps"; "0" means "cuda:0".
        precision: of the layers: "float32", "float16" or "bfloat16". Decoding is always float32.
        threads: CPU threads; None means what OMP_NUM_THREADS says, or else all cores.
        channels_last: keep the channels of a cell together in memory, which most hardware likes better.

    Raises:
        SettingsError: no such device or precision.
    """

    def __init__(
        self,
        net: PoseNet,
        card: ModelCard,
        *,
        device: str = "auto",
        precision: str = "float32",
        threads: int | None = None,
        channels_last: bool = True,
    ) -> None:
        if precision not in PRECISIONS:
            raise SettingsError(f"precision must be one of {', '.join(PRECISIONS)}; got '{precision}'")
        if threads is not None and threads < 1:
            raise SettingsError(f"threads must be at least 1; got {threads}; leave it out to use all cores")
        self._card = card
        self._device = find_device(device)
        self._dtype = PRECISIONS[precision]
        self._threads = threads if threads is not None else _default_threads()
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._net = fuse(net).to(self._device, self._dtype)
        convert_conv2d_weight_memory_format(self._net, self._format)

    @property
    def card(self) -> ModelCard:
        """What the network is."""
        return self._card

    @property
    def device(self) -> str:
        """Where the network runs, such as "cuda:0"."""
        return str(self._device)

    @property
    def runs_on(self) -> str:
        """What runs it and on what, such as "torch, cuda:0"."""
        return f"torch, {self._device}"

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            images: (B, H, W, 3) uint8 RGB, letterboxed; H and W are multiples of the card's stride.

        Returns:
            (B, 4 + C + D K, A) float32: boxes cxcywh pixels of the input, C scores, then per keypoint
            x, y and, with D = 3, its score.

        Raises:
            DataError: images of another type or shape.
        """
        self._check(images)
        if not len(images):
            return np.zeros((0, self._card.channels, 0), dtype=np.float32)
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            return self._run(images)
        finally:
            torch.set_num_threads(before)

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            # A read-only array is copied, for torch can't promise not to write to it.
            pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(self._device)
            # The order in memory is asked for by name: a single image has a stride of 0 that torch takes for another.
            batch = pixels.permute(0, 3, 1, 2).to(self._dtype, memory_format=self._format).div_(255)
            rows = self._net(batch)
            assert isinstance(rows, Tensor)
            result: NDArray[np.float32] = rows.float().cpu().numpy()
            return result

    def _check(self, images: NDArray[np.uint8]) -> None:
        stride = self._net.stride
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise DataError(
                f"images must be (B, H, W, 3) uint8; got {images.shape} {images.dtype}; letterbox them first"
            )
        if images.shape[1] % stride or images.shape[2] % stride:
            raise DataError(
                f"images must have sides that are multiples of {stride}; got {images.shape[1]} x {images.shape[2]}; "
                "letterbox them first"
            )


def find_device(name: str) -> torch.device:
    """Find a device by its name.

    Args:
        name: "auto", "cpu", "cuda", "cuda:<i>", "<i>" (the same) or "mps".

    Raises:
        SettingsError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = (f"cuda:{name}" if name.isdecimal() else name).partition(":")
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}.get(kind)
    if count is None or (number and not number.isdecimal()):
        raise SettingsError(f"device must be auto, cpu, cuda, cuda:<number> or mps; got '{name}'")
    if count <= int(number or 0):
        raise SettingsError(f"device '{name}' isn't here: torch sees {count} of '{kind}'; use device cpu or auto")
    return torch.device(kind, int(number)) if number else torch.device(kind)


def _default_threads() -> int:
    if os.environ.get("OMP_NUM_THREADS"):
        return torch.get_num_threads()
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
