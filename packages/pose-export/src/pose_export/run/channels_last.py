"""What the runtimes whose images have their channels last have in common: TensorFlow's family."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError

from pose_export.card import FileShape
from pose_export.contracts import HEAD_KINDS

_WHITE = np.float32(255.0)


def make_pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn (B, H, W, 3) uint8 images into float32 of [0, 1], axes as they are."""
    pixels: NDArray[np.float32] = np.divide(images, _WHITE, dtype=np.float32)
    return pixels


def order_outputs(names: Iterable[str]) -> list[str]:
    """Put names of outputs into the order of the contract "heads"; others stay as they are.

    Args:
        names: in any order, such as "keypoints_8", "boxes_8"; these runtimes sort them as words.
    """

    def place(name: str) -> tuple[int, int]:
        kind, _, stride = name.rpartition("_")
        return (int(stride), HEAD_KINDS.index(kind)) if kind in HEAD_KINDS and stride.isdecimal() else (0, 0)

    return sorted(names, key=place)


def read_shapes(
    images: Sequence[int | None], outputs: Sequence[Sequence[int | None]] | None, *, source: str
) -> FileShape:
    """Read what a file says about its input and outputs.

    Args:
        images: shape of the input.
        outputs: shape of each output; None when the file doesn't say.

    Raises:
        ExportError: the input isn't (batch, height, width, 3).
    """
    if len(images) != 4 or images[3] != 3:
        raise ExportError(
            f"{source}: its input must be one tensor (batch, height, width, 3); got {tuple(images)}; export it again"
        )
    batch, height, width, _ = images
    return FileShape(batch, height, width, None if outputs is None else tuple(map(tuple, outputs)))
