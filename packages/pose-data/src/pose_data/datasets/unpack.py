"""Unpacking a zip file that nobody has looked into: nothing is written outside the folder that was named."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from pose_data.errors import DataError
from pose_data.files import atomic_path


def unpack_zip(
    archive: Path,
    folder: Path,
    *,
    only: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Unpack a zip file into a folder, each file whole or not at all.

    Files that are there already with the right size are left alone, so that an interrupted call can be repeated.

    Args:
        archive: the zip file.
        folder: where its names begin.
        only: the names to unpack; all when empty.
        progress: called with the number of files that are there and that there will be.

    Raises:
        DataError: no zip file, a damaged one, a name that leads out of the folder, or one of `only` isn't in it.
        PoseError: a file can't be written.
    """
    try:
        with ZipFile(archive) as file:
            members = _chosen(file, archive, only)
            for number, member in enumerate(members, start=1):
                _unpack(file, member, folder / member.filename)
                if progress:
                    progress(number, len(members))
    except (BadZipFile, EOFError) as error:
        raise DataError(f"{archive}: must be a whole zip file; got {error}; remove it and fetch it again") from error


def _chosen(file: ZipFile, archive: Path, only: Collection[str]) -> list[ZipInfo]:
    """The files to unpack, after a look at every name in the archive."""
    for member in file.infolist():
        reason = _why_unsafe(member)
        if reason:
            raise DataError(
                f"{archive}: must hold plain files below one folder; got '{member.filename}', {reason}; "
                "nothing was unpacked; don't use this file"
            )
    members = {member.filename: member for member in file.infolist() if not member.is_dir()}
    missing = [name for name in only if name not in members]
    if missing:
        raise DataError(f"{archive}: must hold {missing[0]}; got {len(members)} other files; fetch the right archive")
    return [members[name] for name in only or members]


def _why_unsafe(member: ZipInfo) -> str:
    path = PurePosixPath(member.filename)
    if path.is_absolute() or "\\" in member.filename or ":" in path.parts[0]:
        return "an absolute path"
    if ".." in path.parts:
        return "a path that leads out of it"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link"
    return "an encrypted file" if member.flag_bits & 1 else ""


def _unpack(file: ZipFile, member: ZipInfo, target: Path) -> None:
    if target.is_file() and target.stat().st_size == member.file_size:
        return
    with file.open(member) as source, atomic_path(target) as temporary, temporary.open("wb") as written:
        shutil.copyfileobj(source, written)
