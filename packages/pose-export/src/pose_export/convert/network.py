"""The network as it is written into files: fused, decoding inside, one tensor in and one out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pose_data import ModelCard
from pose_nn import PoseNet, fuse
from torch import Tensor, nn

INPUT_NAME = "images"
OUTPUT_NAME = "output0"


class ExportedNet(nn.Module):
    """A fused network between a float32 input and a float32 output.

    Args:
        net: the network; it is left as it is.
        half: whether layers calculate in float16. The decode stays in float32: float16 has steps of
            half a pixel beyond 512.
    """

    def __init__(self, net: PoseNet, *, half: bool) -> None:
        super().__init__()
        self.net = fuse(net).eval().requires_grad_(False)
        self.dtype = torch.float16 if half else torch.float32
        self.net.to(self.dtype)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB in [0, 1] to (B, 4 + C + D K, A), pixels of the input."""
        raw = self.net.raw(images.to(self.dtype))
        return self.net.head.decode(raw)


def make_example(card: ModelCard) -> Tensor:
    """Make an input of the card's batch and size; its values don't matter."""
    return torch.zeros(card.batch, 3, *card.imgsz)


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Keep torch's advice about its newer exporters and about traced shapes from the user."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        yield
