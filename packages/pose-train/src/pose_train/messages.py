"""What a run says, kept in its folder: a line for every message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from pose_data import PoseError, write_errors_explained

from pose_train.events import Listener, MessageEvent, StartEvent, TrainEvent
from pose_train.run_folder import RunFolder


class MessageLog:
    """A listener that tells everything to another one, and writes messages into the run folder.

    What is said before there is a folder is written when there is one; all of it once more when a run that begins
    again has cleared the folder.

    Args:
        listener: told everything.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.lines: list[str] = []
        self.file: Path | None = None

    def __call__(self, event: TrainEvent) -> None:
        """Keep a message, and pass every event on."""
        if isinstance(event, StartEvent):
            self.file = RunFolder(event.run_folder).messages
            _append(self.file, self.lines)
        elif isinstance(event, MessageEvent):
            self._keep(event.text)
        self.listener(event)

    @contextmanager
    def end_kept(self) -> Iterator[None]:
        """Keep why a run ends before its end, where it has left its messages and they can be written."""
        try:
            yield
        except (PoseError, KeyboardInterrupt) as stop:
            if self.file is not None and self.file.exists():
                with suppress(PoseError):
                    self._keep(str(stop) or "interrupted")
            raise

    def _keep(self, text: str) -> None:
        self.lines.append(f"{utc_now()} {' '.join(text.split())}")
        if self.file is not None:
            _append(self.file, self.lines[-1:])


def utc_now() -> str:
    """The time in UTC, as 2030-01-31T12:00:00Z."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _append(file: Path, lines: list[str]) -> None:
    with write_errors_explained(file), file.open("a", encoding="utf-8") as opened:
        opened.write("".join(f"{line}\n" for line in lines))
