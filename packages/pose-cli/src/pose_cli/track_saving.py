"""Files that `pose track` leaves: drawn images or a drawn video, label text with ids, and tracks as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TextIO

import numpy as np
from numpy.typing import NDArray
from pose_data import SettingsError, Video, poses_to_label_text, poses_to_track_rows, video_writer, write_image

from pose_cli.following import TrackedResult
from pose_cli.saving import free_stem


class TrackSaver:
    """Writes what was asked for, frame by frame, into the unfinished part of a run folder.

    Args:
        folder: to write to, as `whole_run_folder` gives it; its files move up into the one that it lies in.
        video: what the frames are of; None for images.
        drawn: write the frames with people drawn: images as images, a video as a video.
        text: write labels/<stem>.txt, each row with the id at its end.
        rows: write tracks.json.
        keypoint_threshold: points with a lower score aren't drawn.
    """

    def __init__(
        self,
        folder: Path,
        *,
        video: Video | None,
        drawn: bool = True,
        text: bool = False,
        rows: bool = False,
        keypoint_threshold: float = 0.25,
    ) -> None:
        self.folder, self.video = folder, video
        self.drawn, self.text, self.rows = drawn, text, rows
        self.keypoint_threshold = keypoint_threshold
        self._files = ExitStack()
        self._film: Callable[[NDArray[np.uint8]], None] | None = None
        self._json: _JsonList | None = None
        self._stems: Counter[str] = Counter()

    def __enter__(self) -> TrackSaver:
        if self.rows:
            file = self._files.enter_context((self.folder / "tracks.json").open("w", encoding="utf-8"))
            self._json = _JsonList(file)
        if self.drawn and self.video is not None:
            name = f"{self.video.path.stem}.mp4"
            self._check_kept(name, self.video.path)
            self._film = self._files.enter_context(video_writer(self.folder / name, fps=self.video.fps))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._json is not None and kind is None:
            self._json.finish()
        self._files.__exit__(kind, error, trace)

    def write(self, result: TrackedResult) -> None:
        """Write what belongs to one frame."""
        stem = free_stem(result.name, self._stems)
        if self.drawn:
            self._write_drawn(stem, result)
        if self.text:
            self._write_text(self.folder / "labels" / f"{stem}.txt", result)
        if self._json is not None:
            for row in poses_to_track_rows(result.poses, result.ids, frame=result.index):
                self._json.add(row)

    def _write_drawn(self, stem: str, result: TrackedResult) -> None:
        image = result.draw(keypoint_threshold=self.keypoint_threshold)
        if self._film is not None:
            self._film(image)
            return
        self._check_kept(f"{stem}.jpg", result.path)
        write_image(self.folder / f"{stem}.jpg", image)

    def _check_kept(self, name: str, source: Path | None) -> None:
        """Refuse to put a drawing in place of what it is drawn on."""
        target = self.folder.parent / name
        if source is not None and target.exists() and target.samefile(source):
            raise SettingsError(f"track: {target} would be drawn over; write elsewhere, project=FOLDER")

    def _write_text(self, path: Path, result: TrackedResult) -> None:
        height, width = result.image.shape[:2]
        text = poses_to_label_text(result.poses, (height, width), keypoint_dims=result.keypoint_dims, ids=result.ids)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


class _JsonList:
    """Writes one JSON list, a row on each line, without keeping it in memory."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.before = "["

    def add(self, row: object) -> None:
        self.file.write(f"{self.before}\n{json.dumps(row)}")
        self.before = ","

    def finish(self) -> None:
        self.file.write("[]\n" if self.before == "[" else "\n]\n")
