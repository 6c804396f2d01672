"""Writing an image file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.errors import PoseError
from pose_data.files import atomic_path

JPEG_QUALITY = 95


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image in the format that the path's suffix names; JPEG with quality 95.

    Args:
        path: the file to write, in place of one that may be there.
        image: (H, W, 3) uint8 RGB.

    Raises:
        PoseError: a suffix that names no format that can be written, or a file that can't be.
    """
    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if jpeg else []
    try:
        done, encoded = cv2.imencode(path.suffix, image[..., ::-1], options)
    except cv2.error:
        done = False
    if not done:
        raise PoseError(f"{path}: an image must end in .jpg, .png or .webp; got '{path.suffix}'; rename it")
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
