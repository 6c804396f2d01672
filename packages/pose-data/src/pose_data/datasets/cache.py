"""A split's index kept in a file, so that 100,000 label files are read once and not at every start.

The file is used only while every image and label file, by path, size and time of change, is what it was.
One that is damaged, or of another version, is made again. It holds arrays and JSON, nothing that runs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from pose_data.datasets.fault import Fault
from pose_data.datasets.index import Index, PathTable
from pose_data.errors import PoseError
from pose_data.files import atomic_path
from pose_data.poses import PoseTargets

_VERSION = "2"  # of the rules by which labels become an index, and of the file itself
_log = logging.getLogger(__name__)


def cached_index(cache_dir: Path | None, files: Sequence[str], *, form: str, build: Callable[[], Index]) -> Index:
    """Take an index from the cache, or build it and put it there.

    Args:
        cache_dir: a folder for cache files; None for no cache.
        files: every file that the index depends on, whether it exists or not.
        form: what else it depends on.
        build: makes the index.
    """
    if cache_dir is None:
        return build()
    fingerprint = make_fingerprint(files, form)
    file = (
        cache_dir
        / f"index-{hashlib.blake2b((files[0] + form).encode(errors='surrogateescape'), digest_size=8).hexdigest()}.npz"
    )
    index = read_index(file, fingerprint)
    if index is None:
        index = build()
        try:
            write_index(file, index, fingerprint=fingerprint)
        except PoseError as error:
            _log.warning("the index of the data set isn't kept for the next time: %s", error)
    return index


def make_fingerprint(files: Sequence[str], form: str) -> str:
    """Sum up path, size and time of change of files in one short text."""
    states = _States()
    text = "\n".join([f"{_VERSION}\n{form}", *(f"{file}\0{states[file]}" for file in files)])
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def write_index(file: Path, index: Index, *, fingerprint: str) -> None:
    """Write an index to a cache file.

    Raises:
        PoseError: the file can't be written.
    """
    told = {
        "fingerprint": fingerprint,
        "label_files": index.label_files,
        "faults": [{**asdict(fault), "file": str(fault.file)} for fault in index.faults],
        "notes": index.notes,
    }
    arrays = {name: getattr(index, name) for name in ("sizes", "offsets", "lines", "image_ids")}
    arrays |= {f"targets_{f.name}": getattr(index.targets, f.name) for f in fields(PoseTargets)}
    with atomic_path(file) as temporary:
        np.savez(
            temporary,
            told=np.frombuffer(json.dumps(told).encode(), np.uint8),
            path_text=index.paths.text,
            path_ends=index.paths.ends,
            **arrays,
        )


def read_index(file: Path, fingerprint: str) -> Index | None:
    """Read a cache file; None when there is none, when it is of other files, or damaged."""
    try:
        with np.load(file, allow_pickle=False) as content:
            told = json.loads(content["told"].tobytes())
            if told["fingerprint"] != fingerprint:
                return None
            return Index(
                paths=PathTable(content["path_text"], content["path_ends"]),
                targets=PoseTargets(**{f.name: content[f"targets_{f.name}"] for f in fields(PoseTargets)}),
                label_files=int(told["label_files"]),
                faults=tuple(Fault(**{**fault, "file": Path(fault["file"])}) for fault in told["faults"]),
                notes=tuple(told["notes"]),
                **{name: content[name] for name in ("sizes", "offsets", "lines", "image_ids")},
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        _log.info("%s is damaged (%s) and is made again", file, error)
        return None


class _States(dict[str, str]):
    """Size and time of change by path, of whole folders at once: a walk is far cheaper than a question per file."""

    def __init__(self) -> None:
        super().__init__()
        self._walked: set[str] = set()

    def __missing__(self, file: str) -> str:
        folder, name = os.path.split(file)
        if folder not in self._walked:
            self._walked.add(folder)
            self.update(_states_in(folder))
        return self.get(os.path.join(folder, name), "none")  # noqa: PTH118 - as scandir joins them


def _states_in(folder: str) -> dict[str, str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.path: _state(entry) for entry in entries}
    except OSError:
        return {}


def _state(entry: os.DirEntry[str]) -> str:
    try:
        stat = entry.stat()
    except OSError:  # a link to nowhere
        return "unreachable"
    return f"{stat.st_size} {stat.st_mtime_ns}"
