"""People in the frames of one scene, each with the id that stays theirs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pose_data import (
    VIDEO_SUFFIXES,
    DataError,
    Frame,
    FrameSource,
    PoseSmoother,
    PoseTracker,
    Predictor,
    SourceLike,
    Video,
    draw_poses,
    open_source,
    open_video,
)

from pose_cli.results import Result


@dataclass(frozen=True)
class TrackedResult(Result):
    """People followed in one frame.

    Args:
        ids: (N,) int64, parallel to the poses; each stays one person's through all frames.
        index: number of the frame, from 0.
        time: seconds from the start of a video; None for an image.
    """

    ids: NDArray[np.int64]
    index: int
    time: float | None

    def draw(self, *, keypoint_threshold: float = 0.25) -> NDArray[np.uint8]:
        """Draw the people with their ids, one colour each, on a copy of the frame.

        Args:
            keypoint_threshold: points with a lower score are left out of the drawing.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        return draw_poses(
            self.image,
            self.poses,
            self.skeleton,
            names=self.names,
            keypoint_threshold=keypoint_threshold,
            ids=self.ids,
        )

    def summary(self) -> str:
        """How many of each class and who, such as "2 person (#1 #4)"."""
        who = " ".join(f"#{number}" for number in sorted(self.ids.tolist()))
        return f"{super().summary()} ({who})" if len(self) else super().summary()


def open_frames(source: SourceLike) -> Video | FrameSource:
    """Open a video file, or images as the frames of one scene.

    Args:
        source: the path of one video, or whatever `open_source` takes; files of a folder in natural order.

    Raises:
        DataError: nothing is there or can be read, or a video isn't the only source.
    """
    parts = source if isinstance(source, (list, tuple)) else (source,)
    videos = [Path(part).expanduser() for part in parts if isinstance(part, (str, os.PathLike)) and _is_video(part)]
    if not videos:
        return open_source(source)
    if len(parts) > 1:
        raise DataError(
            f"{videos[0]}: a video must be the only source, ids are those of one scene; got {len(parts)} sources; "
            "name one at a time"
        )
    return open_video(videos[0])


def follow_people(
    predictor: Predictor, frames: Iterable[Frame], *, tracker: PoseTracker, smoother: PoseSmoother | None = None
) -> Iterator[TrackedResult]:
    """Find people frame by frame, and give those who are followed, each with their id."""
    card = predictor.card
    for frame in frames:
        (found,), times = predictor.timed([frame.image])
        ids = tracker.update(found)
        poses, ids = found[ids >= 0], ids[ids >= 0]
        if smoother is not None:
            poses = smoother(poses, ids)
        about = (frame.image, frame.name, frame.path, times, card.names, card.skeleton, card.keypoint_dims)
        yield TrackedResult(poses, *about, ids, frame.index, frame.time)


def make_smoother(frames: Video | FrameSource) -> PoseSmoother:
    """Smooth at the speed of a video; images are taken for its usual 30 frames per second."""
    return PoseSmoother(fps=frames.fps) if isinstance(frames, Video) else PoseSmoother()


def _is_video(part: str | os.PathLike[str]) -> bool:
    name = os.fspath(part)
    path = Path(name).expanduser()
    named = path.suffix.lower() in VIDEO_SUFFIXES and "://" not in name and not path.is_dir()
    return named and (path.is_file() or not any(sign in name for sign in "*?["))
