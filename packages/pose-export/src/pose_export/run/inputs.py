"""From letterboxed images to what a network takes, in calls of the batch that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard

from pose_export.contracts import describe_shapes, output_shapes, shapes_agree

_WHITE = np.float32(255.0)


def make_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn images into planes of [0, 1].

    Args:
        images: (B, H, W, 3) uint8.

    Returns:
        (B, 3, H, W) float32. Plane by plane, because that walks memory in order on the side that is
        written and needs no copy in between.
    """
    batch, height, width, _ = images.shape
    planes = np.empty((batch, 3, height, width), np.float32)
    for channel in range(3):
        np.divide(images[..., channel], _WHITE, out=planes[:, channel])
    return planes


def check_images(images: NDArray[np.uint8], *, size: tuple[int, int] | None, stride: int, source: str) -> None:
    """Refuse images that a file can't take.

    Args:
        images: (B, H, W, 3) uint8.
        size: the (height, width) that the file takes; None when it takes any multiple of the stride.

    Raises:
        ExportError: another type, shape or size.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ExportError(f"images must be (B, H, W, 3) uint8; got {images.shape} {images.dtype}")
    height, width = images.shape[1:3]
    if size is not None and (height, width) != size:
        raise ExportError(
            f"{source} takes images of {size[0]}x{size[1]} (height x width); got {height}x{width}; "
            "letterbox them to that size, or export it with dynamic=True"
        )
    if height % stride or width % stride or not height or not width:
        raise ExportError(f"images must be a multiple of {stride} high and wide; got {height}x{width}; letterbox them")


def run_in_batches(
    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: NDArray[np.uint8], *, batch: int | None
) -> NDArray[np.float32]:
    """Run any number of images through a network that takes exactly `batch` of them.

    Args:
        run: (batch, H, W, 3) uint8 to (batch, channels, A) float32.
        images: (B, H, W, 3) uint8.
        batch: images per call; None when any number will do.

    Returns:
        (B, channels, A) float32; the results of images that only filled a call up are dropped.
    """
    if batch is None or len(images) == batch:
        return run(images)
    parts = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        padding = np.zeros((batch - len(part), *images.shape[1:]), np.uint8)
        parts.append(run(np.concatenate([part, padding]))[: len(part)])
    return np.concatenate(parts)


def check_outputs(
    outputs: Sequence[NDArray[np.float32]], card: ModelCard, *, batch: int, size: tuple[int, int], source: str
) -> None:
    """Hold what a network returned against its card.

    Args:
        card: of the file, with its contract.
        batch: images that it was given.
        size: (height, width) of these.

    Raises:
        ExportError: another number of outputs, or another shape.
    """
    promised = output_shapes(card, batch=batch, size=size)
    found = [output.shape for output in outputs]
    if not shapes_agree(tuple(promised.values()), found):
        raise ExportError(
            f"{source}: its card promises {describe_shapes(promised)} for {size[0]}x{size[1]}, "
            f"it returned {', '.join(map(str, found))}; export it again, or say what it is with card=ModelCard(...)"
        )
