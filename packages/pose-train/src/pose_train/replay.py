"""The network's passes, forward and back, recorded once as CUDA graphs and replayed for every batch of that shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from pose_nn import PoseNet, RawOutputs
from torch import Tensor, nn


class Replay:
    """Runs a network on a GPU by replaying what it did once.

    A step of n starts some thousand kernels, one by one, and with a small batch the GPU waits for that; a graph is
    started as a whole. What is recorded calculates the same as the network itself.

    Args:
        net: that learns, on a GPU.
        precision: of its layers, as autocast has it; None for float32.
    """

    def __init__(self, net: PoseNet, *, precision: torch.dtype | None) -> None:
        self._passes = _Passes(net, precision)
        self._shape: tuple[int, ...] = ()
        self._replay: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]] | None = None

    def __call__(self, images: Tensor) -> RawOutputs | None:
        """Run the network on (B, 3, H, W) uint8 RGB images; None when they have another shape than the first had.

        Gradients of parameters add up as they always do.
        """
        if self._replay is None:
            self._shape, self._replay = tuple(images.shape), self._record(images)
        if tuple(images.shape) != self._shape:
            return None
        return self._passes.join(self._replay(images), images)

    def _record(self, images: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]:
        """Record both passes; the statistics that recording them has moved are put back."""
        # Recording is done in a stream of its own, which torch says of every backward pass; it costs nothing here.
        if hasattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch"):
            torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
        statistics = [buffer.clone() for buffer in self._passes.buffers()]
        replay = torch.cuda.make_graphed_callables(self._passes, (images.clone(),), allow_unused_input=True)
        with torch.no_grad():
            for buffer, before in zip(self._passes.buffers(), statistics, strict=True):
                buffer.copy_(before)
        return cast("Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]", replay)


class _Passes(nn.Module):
    """A network whose outputs are tensors and nothing else, which is what can be recorded."""

    def __init__(self, net: PoseNet, precision: torch.dtype | None) -> None:
        super().__init__()
        self.net, self.precision = net, precision

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # A cast weight that autocast keeps would lie outside of the graph.
        with torch.autocast("cuda", self.precision, enabled=self.precision is not None, cache_enabled=False):
            raw = self.net.raw(images.to(memory_format=torch.channels_last).float() / 255)
        return raw.boxes, raw.scores, raw.keypoints

    def join(self, outputs: tuple[Tensor, Tensor, Tensor], images: Tensor) -> RawOutputs:
        height, width = images.shape[2:]
        strides = self.net.strides
        boxes, scores, keypoints = outputs
        levels = tuple((height // stride, width // stride) for stride in strides)
        return RawOutputs(boxes, scores, keypoints, levels, strides)
