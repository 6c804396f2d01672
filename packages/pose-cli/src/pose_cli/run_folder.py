"""A new folder for what a command writes: runs/predict, runs/predict2, ..."""

from __future__ import annotations

from itertools import count
from pathlib import Path


def make_run_folder(project: str, *, name: str = "", exist_ok: bool = False) -> Path:
    """Make the folder project/name, or project itself without a name, numbered when it is taken.

    Args:
        exist_ok: take an existing folder as it is.

    Raises:
        OSError: the folder can't be made.
    """
    wanted = Path(project).expanduser() / name
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
