"""Images that the ranges of 8-bit layers are measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import ExportError, PoseError, letterbox, open_source

MOST_IMAGES = 128  # ranges hardly change with more
DRAWN_IMAGES = 32
_SEED = 7  # other people than those of the gate


def gather_calibration(
    calibration: Sequence[NDArray[np.uint8]] | Path | str | None,
    imgsz: tuple[int, int] | None,
    *,
    tell: Callable[[str], None],
) -> NDArray[np.uint8]:
    """Bring calibration images to the size of the input.

    Args:
        calibration: (H, W, 3) uint8 RGB images of any size, a folder, file or pattern of them; drawn people when None.
        imgsz: (height, width) of the input.
        tell: told in a few words what is being done.

    Returns:
        (N, H, W, 3) uint8, letterboxed, evenly spread over what was given, at most MOST_IMAGES.

    Raises:
        ExportError: there is no image.
        DataError: one can't be read.
    """
    assert imgsz is not None
    tell("reading calibration images")
    images = _choose(calibration)
    if not images:
        raise ExportError(
            f"calibration must hold at least one image; got none in {calibration!r}; name a folder of images"
        )
    return np.stack([letterbox(image, imgsz)[0] for image in images])


def _choose(calibration: Sequence[NDArray[np.uint8]] | Path | str | None) -> list[NDArray[np.uint8]]:
    if calibration is None:
        from pose_data import DrawnPeople  # a device that only runs files draws nobody

        people = DrawnPeople(DRAWN_IMAGES, seed=_SEED)
        return [people[i].image for i in range(len(people))]
    try:
        return [frame.image for frame in open_source(calibration).spread(MOST_IMAGES)]
    except PoseError as error:
        raise ExportError(f"calibration must be images or a folder of them: {error}") from error
