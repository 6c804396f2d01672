"""The names of the networks and the numbers that tell one scale from another."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pose_data import SettingsError, nearest_key

CHANNEL_STEP = 8  # every layer's channels are a multiple of it


@dataclass(frozen=True)
class Scale:
    """How deep and how wide a network is, relative to the common plan.

    Args:
        depth: factor of the repeats inside a block.
        width: factor of the channels.
        max_channels: the plan's channels are cut to it before they are multiplied by the width.
    """

    depth: float
    width: float
    max_channels: int

    def channels(self, planned: int) -> int:
        """Channels of a layer that has `planned` channels in the common plan."""
        return math.ceil(min(planned, self.max_channels) * self.width / CHANNEL_STEP) * CHANNEL_STEP

    def repeats(self, planned: int) -> int:
        """Bottlenecks of a block that has `planned` of them in the common plan."""
        return max(round(planned * self.depth), 1) if planned > 1 else planned


SCALES = {
    "n": Scale(0.33, 0.25, 1024),
    "s": Scale(0.33, 0.50, 1024),
    "m": Scale(0.67, 0.75, 768),
    "l": Scale(1.00, 1.00, 512),
    "x": Scale(1.00, 1.25, 512),
}

NETWORK_NAMES = (*(f"yolov8{letter}-pose" for letter in SCALES), *(f"yolov8{letter}-pose-p6" for letter in SCALES))


@dataclass(frozen=True)
class Architecture:
    """One of the networks.

    Args:
        name: such as "yolov8n-pose".
        scale: its numbers.
        p6: whether it has a fourth level, of stride 64.
    """

    name: str
    scale: Scale
    p6: bool

    @property
    def strides(self) -> tuple[int, ...]:
        """Input pixels per cell of each level, fine to coarse: P3, P4, P5 and perhaps P6."""
        return (8, 16, 32, 64) if self.p6 else (8, 16, 32)


def find_architecture(name: str) -> Architecture:
    """Find a network by its name.

    Args:
        name: one of NETWORK_NAMES, with or without ".yaml" behind it.

    Raises:
        SettingsError: there is no such network; the message names the nearest.
    """
    bare = name.removesuffix(".yaml")
    if bare not in NETWORK_NAMES:
        nearest = nearest_key(bare, NETWORK_NAMES)
        hint = f"did you mean '{nearest}'? A file" if nearest else "a file"
        raise SettingsError(
            f"a network's name must be one of {', '.join(NETWORK_NAMES[:5])} "
            f"(or one of these with -p6 behind it); got '{name}'; {hint} "
            "of weights is loaded with its path, its scale is read from the file"
        )
    return Architecture(bare, SCALES[bare[len("yolov8")]], bare.endswith("-p6"))
