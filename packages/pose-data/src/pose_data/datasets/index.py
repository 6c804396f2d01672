"""What is known of every image of a split without reading its pixels: files, sizes and labels, as flat arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.coco import CocoKeypoints
from pose_data.datasets.fault import Fault
from pose_data.datasets.images import image_size
from pose_data.datasets.label_rows import LabelForm, LabelRows, parse_labels
from pose_data.datasets.yolo import read_label_text, targets_of_rows
from pose_data.errors import DataError
from pose_data.poses import PoseTargets, concatenate

_CHUNK = 1024  # files that are read and parsed in one go
_THREADS = 8  # waiting for a disk needs no processor

_T = TypeVar("_T")
_U = TypeVar("_U")


@dataclass(frozen=True)
class PathTable:
    """Many paths in one block of bytes, which costs next to nothing to send to another process.

    Args:
        text: (bytes,) uint8, all paths, one after another.
        ends: (N,) int64, where each of them ends.
    """

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Path:
        start = int(self.ends[index - 1]) if index else 0
        return Path(os.fsdecode(self.text[start : int(self.ends[index])].tobytes()))


def make_path_table(paths: Sequence[str]) -> PathTable:
    """Pack paths."""
    encoded = [os.fsencode(path) for path in paths]
    ends = np.cumsum([len(path) for path in encoded], dtype=np.int64)
    return PathTable(np.frombuffer(b"".join(encoded), np.uint8), ends)


@dataclass(frozen=True)
class Index:
    """The images of a split and their labels.

    Args:
        paths: N image files.
        sizes: (N, 2) int32, (height, width) of each image, upright.
        offsets: (N + 1,) int64; the objects of image i are rows offsets[i] to offsets[i + 1].
        targets: all T objects, image by image, in pixels of their image.
        lines: (T,) int64, the line of the label file, or the id of the COCO annotation.
        image_ids: (N,) int64, COCO's image ids, or 0 to N - 1.
        label_files: images that have a label file, or are in the COCO file.
        faults: everything that can't be used; what is faulty isn't in the arrays.
        notes: what was left out or made up by rule, with counts.
    """

    paths: PathTable
    sizes: NDArray[np.int32]
    offsets: NDArray[np.int64]
    targets: PoseTargets
    lines: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    label_files: int
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()


def label_paths(images: Sequence[str]) -> list[str]:
    """Find where the label files of images are, whether or not they exist.

    The last folder named `images` becomes `labels`; without one, or where that folder doesn't exist, the
    label file is beside the image. The suffix becomes .txt.
    """
    folders: dict[str, str] = {}
    found = []
    for image in images:
        parent, name = os.path.split(image)
        if parent not in folders:
            folders[parent] = _label_folder(parent) + os.sep
        found.append(f"{folders[parent]}{name.rpartition('.')[0] or name}.txt")
    return found


def describe_label_place(image: str) -> str:
    """Say where the label file of an image is looked for, and why there."""
    where, wanted = label_paths([image])[0], _swapped(str(Path(image).parent))
    if wanted is None:
        return f"{where} (beside the image, as no folder above it is named 'images')"
    rule = "the last folder 'images' becomes 'labels'"
    if wanted.is_dir():
        return f"{where} ({rule})"
    return f"{where}, beside the image, for there is no folder {wanted} ({rule})"


def index_labels(images: Sequence[str], form: LabelForm) -> Index:
    """Read the sizes of images and their label files.

    Args:
        images: image files.
        form: what the rows of their labels must look like.
    """
    labels = label_paths(images)
    with ThreadPoolExecutor(_THREADS) as threads:
        sizes, size_faults = _measure(images, threads)
        parts = [_read_chunk(labels, start, form, threads) for start in range(0, len(labels), _CHUNK)]
    rows = [part.rows for part in parts]
    files = np.concatenate([part.rows.files + i * _CHUNK for i, part in enumerate(parts)])
    targets = concatenate([targets_of_rows(r, sizes[r.files + i * _CHUNK]) for i, r in enumerate(rows)])
    repeated = sum(len(r.repeated) for r in rows)
    index = Index(
        paths=make_path_table(images),
        sizes=sizes.astype(np.int32),
        offsets=_offsets(files, len(images)),
        targets=targets,
        lines=np.concatenate([r.lines for r in rows]),
        image_ids=np.arange(len(images), dtype=np.int64),
        label_files=sum(part.label_files for part in parts),
        faults=(*size_faults, *(fault for r in rows for fault in r.faults)),
        notes=(f"{repeated} rows that were there before in their file count once",) if repeated else (),
    )
    return _without_unreadable(index)


def index_coco(annotated: CocoKeypoints, folder: Path) -> Index:
    """Find the images of a COCO file and check their sizes.

    Args:
        annotated: the file.
        folder: what its file names are relative to.
    """
    paths = [_image_of(folder, name) for name in annotated.image_files]
    with ThreadPoolExecutor(_THREADS) as threads:
        sizes, faults = _measure(paths, threads)
    said = annotated.sizes
    differs = (said > 0).all(axis=1) & (sizes > 0).all(axis=1) & (said != sizes).any(axis=1)
    faults += [_size_fault(paths[i], sizes[i], said[i]) for i in np.flatnonzero(differs).tolist()]
    sizes[differs] = 0
    index = Index(
        paths=make_path_table(paths),
        sizes=sizes.astype(np.int32),
        offsets=annotated.offsets,
        targets=annotated.targets,
        lines=annotated.annotation_ids,
        image_ids=annotated.image_ids,
        label_files=len(paths),
        faults=(*faults, *annotated.faults),
        notes=annotated.notes,
    )
    return _without_unreadable(index)


def take_images(index: Index, keep: NDArray[np.int64]) -> Index:
    """Keep some of the images, in the order of `keep`, with their objects; faults and notes stay."""
    counts = np.diff(index.offsets)[keep]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.repeat(index.offsets[keep] - offsets[:-1], counts) + np.arange(int(offsets[-1]))
    return Index(
        paths=make_path_table([str(index.paths[i]) for i in keep.tolist()]),
        sizes=index.sizes[keep],
        offsets=offsets,
        targets=index.targets[rows],
        lines=index.lines[rows],
        image_ids=index.image_ids[keep],
        label_files=index.label_files,
        faults=index.faults,
        notes=index.notes,
    )


def _label_folder(folder: str) -> str:
    swapped = _swapped(folder)
    return str(swapped) if swapped is not None and swapped.is_dir() else folder


def _swapped(folder: str) -> Path | None:
    """The folder in which the last `images` became `labels`; None where there is no such name."""
    parts = Path(folder).parts
    if "images" not in parts:
        return None
    last = len(parts) - 1 - parts[::-1].index("images")
    return Path(*parts[:last], "labels", *parts[last + 1 :])


@dataclass(frozen=True)
class _Chunk:
    rows: LabelRows
    label_files: int


def _read_chunk(labels: Sequence[str], start: int, form: LabelForm, threads: ThreadPoolExecutor) -> _Chunk:
    paths = [Path(label) for label in labels[start : start + _CHUNK]]
    texts = list(_spread(_text_or_fault, paths, threads))
    bad = [text for text in texts if isinstance(text, Fault)]
    good = [None if isinstance(text, Fault) else text for text in texts]
    rows = parse_labels(paths, good, form)
    found = sum(text is not None for text in texts)
    return _Chunk(LabelRows(**{**vars(rows), "faults": (*bad, *rows.faults)}), found)


def _text_or_fault(path: Path) -> str | Fault | None:
    try:
        return read_label_text(path)
    except DataError as error:
        return Fault(path, None, str(error).removeprefix(f"{path}: "))


def _measure(images: Sequence[str], threads: ThreadPoolExecutor) -> tuple[NDArray[np.int64], list[Fault]]:
    """Read the size of every image; (0, 0) and a fault where that can't be done."""
    measured = list(_spread(_size_or_fault, [Path(image) for image in images], threads))
    faults = [size for size in measured if isinstance(size, Fault)]
    sizes = [(0, 0) if isinstance(size, Fault) else size for size in measured]
    return np.array(sizes, np.int64).reshape(-1, 2), faults


def _size_or_fault(path: Path) -> tuple[int, int] | Fault:
    try:
        return image_size(path)
    except DataError as error:
        return Fault(path, None, str(error).removeprefix(f"{path}: "))


def _spread(function: Callable[[_T], _U], items: Sequence[_T], threads: ThreadPoolExecutor) -> Iterator[_U]:
    """Map over many small tasks, some of them at a time: a thread's task costs more than a small file."""
    groups = [items[i : i + 64] for i in range(0, len(items), 64)]
    for group in threads.map(partial(_each, function), groups):
        yield from group


def _each(function: Callable[[_T], _U], items: Sequence[_T]) -> list[_U]:
    return [function(item) for item in items]


def _offsets(files: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    counts = np.bincount(files, minlength=count)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _image_of(folder: Path, name: str) -> str:
    """Some files name the folder of the split along with the image."""
    path = folder / name
    flat = folder / Path(name).name
    return str(flat if flat != path and not path.exists() and flat.exists() else path)


def _size_fault(path: str, size: NDArray[np.int64], said: NDArray[np.int64]) -> Fault:
    turned = ", turned by its EXIF orientation" if tuple(size) == tuple(said[::-1]) else ""
    reason = (
        f"must be {said[1]} x {said[0]} pixels as its COCO file says; got {size[1]} x {size[0]}{turned}; "
        "correct 'width' and 'height', or put the right image there"
    )
    return Fault(Path(path), None, reason)


def _without_unreadable(index: Index) -> Index:
    readable = np.flatnonzero((index.sizes > 0).all(axis=1))
    return index if len(readable) == len(index.paths) else take_images(index, readable)
