"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pose_data.errors import PoseError

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_FOLDER = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside the target, and move it there when the block ends well.

    Until then the target is what it was before; after any error, Ctrl-C included, the temporary file is
    gone. Missing parent folders are made.

        with atomic_path(Path("run/results.csv")) as temporary:
            temporary.write_text(table, encoding="utf-8")

    Args:
        target: the file to write, in place of one that may be there.

    Yields:
        A path in the same folder with the same suffix; the block writes to it.

    Raises:
        PoseError: the disk is full, the folder can't be written, or the target is a folder.
    """
    with write_errors_explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(target)
        with _removed_on_error(temporary, _remove_file):
            yield temporary
            temporary.replace(target)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside the target, and move it there when the block ends well.

    Args:
        target: the folder to make; it must not exist yet, or be empty.

    Yields:
        An empty folder in the same parent folder; the block fills it.

    Raises:
        PoseError: the target holds files already, the disk is full, or the parent can't be written.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise PoseError(f"{target}: must be a new or empty folder; got one with files; name another, or remove it")
    with write_errors_explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(target)
        with _removed_on_error(temporary, _remove_folder):
            temporary.mkdir()
            yield temporary
            if target.exists():
                target.rmdir()
            temporary.replace(target)


@contextmanager
def write_errors_explained(target: Path) -> Iterator[None]:
    """Turn an OSError of a block that writes to a target, or beside it, into a sentence with the way out.

    Raises:
        PoseError: the disk is full, or the target can't be written.
    """
    try:
        yield
    except OSError as error:
        if not _is_about(error, target):
            raise
        raise PoseError(f"{target}: can't be written ({_reason(error)}); {way_out(error)}") from error


def way_out(error: OSError) -> str:
    """Say what to do about an error of writing."""
    if error.errno in _FORBIDDEN or any(word in _reason(error) for word in map(os.strerror, _FORBIDDEN)):
        return "ask for the right to write there, or name another place to write to"
    if error.errno in _NO_FOLDER:
        return "name another place to write to"
    return "free some space, or name another place to write to"


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.stem[:100]}.{uuid.uuid4().hex[:12]}{target.suffix}")


@contextmanager
def _removed_on_error(temporary: Path, remove: Callable[[Path], None]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        remove(temporary)
        raise


def _remove_file(path: Path) -> None:
    path.unlink(missing_ok=True)


def _remove_folder(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _is_about(error: OSError, target: Path) -> bool:
    """Tell a failed write from a failed read of something else inside the block.

    A full disk names no file at all; other errors name a file in the target's own folder or above it.
    """
    if error.filename is None:
        return True
    named = Path(os.fsdecode(error.filename)).absolute()
    folder = target.parent.absolute()
    return named.is_relative_to(folder) or folder.is_relative_to(named)


def _reason(error: OSError) -> str:
    """What the system says; of a copied folder, whose error holds a list of files, what it says of the first."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        _, _, first = error.args[0][0]
        return re.sub(r"^\[Errno -?\d+\] |: '.*", "", str(first))
    return error.strerror or str(error)
