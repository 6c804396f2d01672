"""Where a converted file goes: checked before the work, filled under another name, moved when it is proven."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pose_data import ExportError, PoseError, atomic_path, write_errors_explained

from pose_export.formats import Format

_NOTHING = 1 << 20  # bytes; a tool writes blocks and may leave less than one of them free
_TRIES = 100  # of moving a folder into its place while others do the same


def choose_target(checkpoint: Path | None, output: Path | str | None, row: Format) -> Path:
    """Say where the file goes, and refuse places where it can't.

    Args:
        checkpoint: the file of weights; None when a network in memory is exported.
        output: what the caller asked for; beside the checkpoint and named like it when None.

    Raises:
        ExportError: the place is a folder, read-only, the checkpoint itself, or has another ending.
    """
    if output is None:
        if checkpoint is None:
            raise ExportError(f"output must be given when a network is exported; name a file, such as best{row.suffix}")
        output = checkpoint.with_name(checkpoint.stem + row.suffix)
    target = Path(output)
    if target.is_dir() and not row.folder:
        raise ExportError(f"output must be a file; got the folder {target}; use {target / ('best' + row.suffix)}")
    if not target.name.endswith((row.suffix, *row.also)):
        better = target.with_name(target.stem + row.suffix)
        raise ExportError(f"output must end in {row.suffix} for format '{row.name}'; got {target}; use {better}")
    if checkpoint is not None and target.resolve() == checkpoint.resolve():
        raise ExportError(f"output must not be the checkpoint itself; got {target}; name another file with output")
    if target.exists():
        _check_replaceable(target, row)
    elif row.beside and (card := target.with_name(target.name + row.beside)).exists():
        raise ExportError(f"output must not have {card.name} beside it; got {card}; move it away, or name another")
    return target


@contextmanager
def new_output(target: Path, row: Format) -> Iterator[Path]:
    """Give a temporary place beside the target, and move it there when the block ends well.

    Args:
        target: from `choose_target`.

    Yields:
        An empty file, or an empty folder, for the block to fill.

    Raises:
        PoseError: the disk is full or the place can't be written.
    """
    with _new_folder(target) if row.folder else _new_file(target, row) as temporary:
        try:
            yield temporary
        except PoseError as error:
            if str(temporary) not in str(error):
                raise
            raise type(error)(str(error).replace(str(temporary), str(target))) from error  # nobody knows that name


@contextmanager
def _new_file(target: Path, row: Format) -> Iterator[Path]:
    with atomic_path(target) as temporary, _moved_beside(temporary, target, row):
        temporary.touch()  # a place that can't be written shows before the work, not after it
        yield temporary


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    staged = _beside(target)
    with write_errors_explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            staged.mkdir()
            yield staged
            _move_folder(staged, target)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


@contextmanager
def _moved_beside(temporary: Path, target: Path, row: Format) -> Iterator[None]:
    """Move the card that a block writes beside its file along with it; the card knows the file that it belongs to."""
    if not row.beside:
        yield
        return
    card = temporary.with_name(temporary.name + row.beside)
    try:
        yield
        card.replace(target.with_name(target.name + row.beside))
    finally:
        card.unlink(missing_ok=True)


def read_stamp(target: Path) -> tuple[int, int] | None:
    """What tells one file or folder in a place from a later one; None where there is nothing."""
    try:
        status = target.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def disk_is_full(place: Path) -> bool:
    """Whether nothing more fits on the disk of a place; tools that fail for that don't always say so."""
    return shutil.disk_usage(place.parent).free < _NOTHING


def measure_size(path: Path) -> float:
    """Megabytes, in millions of bytes, of a file or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def _check_replaceable(target: Path, row: Format) -> None:
    if row.folder and not target.is_dir():
        raise ExportError(f"output must be a folder for format '{row.name}'; got the file {target}; name another")
    if row.folder and any(target.iterdir()) and not all((target / part).exists() for part in row.parts):
        raise ExportError(
            f"output must be a new folder, or an older export; got {target}, which holds something else; name another"
        )
    if not os.access(target, os.W_OK) or not target.stat().st_mode & 0o222:
        kind = "folder" if row.folder else "file"
        raise ExportError(
            f"output must be a {kind} that can be replaced; got {target}, which is read-only; name another"
        )


def _move_folder(staged: Path, target: Path) -> None:
    """Put a folder in the place of another; whoever moves last stays, and nobody ever finds half of one."""
    for _ in range(_TRIES):
        older = _beside(target)
        with suppress(FileNotFoundError):
            target.replace(older)
        try:
            staged.replace(target)
        except OSError:
            if not target.exists():  # nobody else was faster: it can't be moved, so the older one goes back
                with suppress(FileNotFoundError):
                    older.replace(target)
                raise
            shutil.rmtree(older, ignore_errors=True)
            continue
        shutil.rmtree(older, ignore_errors=True)
        return
    raise ExportError(f"{target}: must be written by one export at a time; got many at once; name another output")


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.stem[:100]}.{uuid.uuid4().hex[:12]}{target.suffix}")
