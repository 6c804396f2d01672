"""Images that files are compared, calibrated and timed on: of a source or of a data set, evenly spread over it."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from pose_data import Frame, FrameSource, Samples, SourceLike, open_dataset, open_source, read_data_settings

COMPARED_IMAGES = 64  # each goes through the network and through every file
CALIBRATION_IMAGES = 128
TIMED_IMAGES = 16
JUDGED_IMAGES = 16  # of a split that files are compared on; AP is of all of it


def read_images(source: SourceLike, *, most: int) -> list[NDArray[np.uint8]]:
    """Read images of a source.

    Args:
        source: whatever `open_source` takes.
        most: images that are read, from the first to the last.

    Raises:
        DataError: nothing is there, or one can't be read.
    """
    return [frame.image for frame in open_source(source).spread(most)]


def read_split(data: str, split: str, *, most: int) -> list[NDArray[np.uint8]]:
    """Read images of a part of a data set.

    Args:
        data: data YAML, or "people".
        split: "train", "val" or "test".
        most: images that are read, from the first to the last.

    Raises:
        PoseError: the data can't be used.
    """
    samples = open_dataset(read_data_settings(data), split)
    frames = FrameSource([partial(_read_frame, samples, i) for i in range(len(samples))], len_hint=len(samples))
    return [frame.image for frame in frames.spread(most)]


def _read_frame(samples: Samples, index: int) -> Frame:
    sample = samples[index]
    return Frame(sample.image, sample.name, None, index)
