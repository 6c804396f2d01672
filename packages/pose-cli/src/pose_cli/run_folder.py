"""A new folder for what a command writes: runs/predict, runs/predict2, ..."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from pose_data import SettingsError


def make_run_folder(project: str, *, name: str = "", exist_ok: bool = False) -> Path:
    """Make the folder project/name, or project itself without a name, numbered when it is taken.

    Args:
        exist_ok: take an existing folder as it is.

    Raises:
        SettingsError: the folder has no name to put a number after, where one may be needed.
        OSError: the folder can't be made.
    """
    wanted = _wanted(project, name, exist_ok=exist_ok)
    if exist_ok:
        wanted.mkdir(parents=True, exist_ok=True)
        return wanted
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}{number}")
        try:
            # Making it is the test: two runs that start together get two folders.
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("count never ends")


@contextmanager
def whole_run_folder(project: str, *, name: str = "", exist_ok: bool = False) -> Iterator[Path]:
    """Make a run folder whose files appear together when the block ends well; else it is as if nothing had been.

    Args:
        exist_ok: take an existing folder as it is; its files stay, but for those that are written anew.

    Yields:
        A folder inside the run folder; the block writes to it, and what it holds moves up at the end.

    Raises:
        SettingsError: the folder has no name to put a number after, where one may be needed.
        OSError: the folder can't be made, or a file can't be moved.
    """
    wanted = _wanted(project, name, exist_ok=exist_ok)
    there = [path for path in (wanted, *wanted.parents) if path.exists()]
    folder = make_run_folder(project, name=name, exist_ok=exist_ok)
    made = [path for path in wanted.parents if path not in there]
    if not exist_ok or wanted not in there:
        made.insert(0, folder)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    try:
        yield unfinished
        _move_up(unfinished)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        with suppress(OSError):  # somebody else's files are in there by now
            for path in made:
                path.rmdir()
        raise
    shutil.rmtree(unfinished, ignore_errors=True)


def _move_up(unfinished: Path) -> None:
    for path in sorted(unfinished.rglob("*")):
        if path.is_file():
            target = unfinished.parent / path.relative_to(unfinished)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def _wanted(project: str, name: str, *, exist_ok: bool) -> Path:
    wanted = Path(project).expanduser() / name
    if not exist_ok and wanted.name in ("", ".."):
        word, given, example = ("name", name, "first") if name else ("project", project, "runs/mine")
        raise SettingsError(
            f"{word} must end with the name of a new folder, which gets a number where it is taken; got '{given}'; "
            f"name one, such as {word}={example}, or add exist_ok=True"
        )
    return wanted
