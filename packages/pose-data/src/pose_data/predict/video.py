"""Video files: read one frame at a time, and written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_data.errors import DataError, PoseError
from pose_data.files import atomic_path
from pose_data.predict.sources import VIDEO_SUFFIXES, Frame

_CODEC = "mp4v"  # the one that every build of OpenCV writes into .mp4
_USUAL_FPS = 30.0  # where a file doesn't say
_SLACK = 0.5  # seconds by which a header may overrate the length of its video: sound goes on a little longer
_LEVEL, _QUIET = "OPENCV_FFMPEG_LOGLEVEL", "-8"  # FFmpeg's AV_LOG_QUIET

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Video:
    """A video file; going through it gives its frames, and going through it again starts over.

    Args:
        path: the file.
        fps: frames per second, 30 where the file doesn't say.
        len_hint: how many frames the header promises; None when it doesn't.
    """

    path: Path
    fps: float
    len_hint: int | None

    def __iter__(self) -> Iterator[Frame]:
        """Read frame after frame; only one is in memory.

        Raises:
            DataError: the video ends long before its header says, or has no frame at all.
        """
        index, time = -1, 0.0
        with _opened(self.path) as capture:
            while True:
                done, pixels = capture.read()
                if not done:
                    break
                index, time = index + 1, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                image = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
                yield Frame(image, f"{self.path.stem}-{index:06d}.png", self.path, index, time)
        self._check_end(index + 1, time)

    def _check_end(self, count: int, time: float) -> None:
        if count == 0:
            raise DataError(f"{self.path}: a video must have frames; none can be read; copy it again, or convert it")
        if self.len_hint is None or count >= self.len_hint:
            return
        # Headers of files with uneven frames only estimate their number, so the time must fall short, too.
        if self.len_hint / self.fps - (time + 1 / self.fps) > _SLACK:
            raise DataError(
                f"{self.path}: a video must be whole; it promises {self.len_hint} frames and ends after {count}; "
                "copy it again, or save what there is of it with a video editor"
            )


def open_video(path: Path) -> Video:
    """Open a video file that OpenCV reads.

    Raises:
        DataError: no such file, of another kind, or one that can't be decoded.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such video; correct the path (it is looked up in {Path.cwd()})")
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        kinds = " ".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
        raise DataError(f"{path}: must be a video ({kinds}); got '{path.suffix or 'no suffix'}'")
    with _opened(path) as capture:
        fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    known = np.isfinite(fps) and fps > 0
    return Video(path, float(fps) if known else _USUAL_FPS, int(count) if known and count > 0 else None)


@contextmanager
def video_writer(path: Path, *, fps: float) -> Iterator[Callable[[Image], None]]:
    """Give a function that adds an image to a video; the file appears when the block ends well.

        with video_writer(Path("drawn.mp4"), fps=25) as write:
            for image in images:
                write(image)

    The images are (H, W, 3) uint8 RGB, all of one size; an odd side gets another row or column, equal to its last,
    because MPEG-4 has no odd sides. There is no sound.

    Args:
        path: an .mp4 file, in place of one that may be there.
        fps: frames per second.

    Raises:
        PoseError: another suffix, fps not above 0, no image or one of another size than the first, or an OpenCV that
            can't write such a file.
    """
    if path.suffix.lower() != ".mp4" or not 0 < fps < np.inf:
        raise PoseError(f"{path}: a video must end in .mp4 and have fps above 0; got '{path.suffix}' and fps={fps}")
    with atomic_path(path) as temporary:
        writer = _Writer(path, temporary, fps)
        try:
            yield writer.write
        finally:
            writer.close()
        if not temporary.is_file():
            raise PoseError(f"{path}: a video must have at least one image; got none")


class _Writer:
    """Opens the file with the first image, whose size it then has."""

    def __init__(self, path: Path, temporary: Path, fps: float) -> None:
        self.path, self.temporary, self.fps = path, temporary, fps
        self.shape: tuple[int, ...] | None = None
        self.encoder = cv2.VideoWriter()

    def write(self, image: Image) -> None:
        """Add an (H, W, 3) uint8 RGB image; odd sides get their last line twice, as the codec wants even ones."""
        if self.shape is None:
            self._start(image.shape)
        if image.shape != self.shape:
            raise PoseError(f"{self.path}: all images of a video must have one shape, {self.shape}; got {image.shape}")
        height, width = image.shape[:2]
        even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        self.encoder.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        self.encoder.release()

    def _start(self, shape: tuple[int, ...]) -> None:
        height, width = shape[:2]
        size = (width + width % 2, height + height % 2)
        with _quiet():
            opened = self.encoder.open(str(self.temporary), cv2.VideoWriter.fourcc(*_CODEC), self.fps, size)
        if not opened:
            raise PoseError(
                f"{self.path}: this OpenCV can't write {width}x{height} MPEG-4 video here; "
                "save images in place of it, or install the usual opencv-python-headless"
            )
        self.shape = shape


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    with _quiet():
        capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise DataError(
                f"{path}: must be a video that OpenCV reads; got one that is cut off, damaged or of another kind; "
                "copy it again, or convert it (H.264 in .mp4 is read everywhere)"
            )
        yield capture
    finally:
        capture.release()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep FFmpeg from printing what the errors here say; OpenCV asks for its level once, at the first video."""
    level = os.environ.get(_LEVEL)
    os.environ.setdefault(_LEVEL, _QUIET)
    try:
        yield
    finally:
        if level is None:
            del os.environ[_LEVEL]
