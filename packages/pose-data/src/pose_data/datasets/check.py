"""Everything that is wrong, or looks wrong, with a data set, before a model is trained on it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_data.datasets.check_labels import label_warnings
from pose_data.datasets.check_statistics import mirror_warnings
from pose_data.datasets.dataset import index_split
from pose_data.datasets.description import DataSettings
from pose_data.datasets.fault import Fault
from pose_data.datasets.index import Index, label_paths
from pose_data.datasets.split import DrawnSource, ImageSource
from pose_data.errors import PoseError

_LEAST_SIDE = 10  # pixels; smaller images hold nothing to learn and are mostly icons or damaged downloads


@dataclass(frozen=True)
class SplitCounts:
    """What one split holds.

    Args:
        images: images that can be used.
        background: those of them in which nobody is.
        objects: annotated objects.
        labelled: points that are labelled, hidden ones included.
        hidden: points that are labelled as hidden.
    """

    images: int
    background: int
    objects: int
    labelled: int
    hidden: int


@dataclass(frozen=True)
class CheckReport:
    """What `check_dataset` found; its text lists every fault.

    Args:
        file: the YAML of the data set.
        counts: by split.
        faults: errors, which stop training, and warnings.
        notes: what is left out or made up by rule, with counts.
    """

    file: Path
    counts: Mapping[str, SplitCounts]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that stop training."""
        return tuple(fault for fault in self.faults if fault.severity == "error")

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """The faults to look at."""
        return tuple(fault for fault in self.faults if fault.severity == "warning")

    def __str__(self) -> str:
        lines = [f"{self.file}: {len(self.errors)} errors, {len(self.warnings)} warnings"]
        for split, c in self.counts.items():
            lines.append(
                f"  {split}: {c.images} images ({c.background} with nobody), {c.objects} objects, "
                f"{c.labelled} labelled keypoints ({c.hidden} hidden)"
            )
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"error: {fault}" for fault in self.errors]
        lines += [f"warning: {fault}" for fault in self.warnings]
        return "\n".join(lines)


def check_dataset(settings: DataSettings) -> CheckReport:
    """Look for faults in the labels, images and settings of a data set.

    Errors are what training stops at: rows that can't be used, images that are missing, damaged or cut off,
    splits without images. Warnings are what looks wrong: points far outside their box, labels without an
    image, the same image twice, classes and keypoints that never occur, mirror pairs that the positions of
    the points speak against. Every image file is read once; pixels aren't decoded. Nothing is written.

    Args:
        settings: the data set, as `read_data_settings` gives it.
    """
    indices: dict[str, Index] = {}
    faults: list[Fault] = []
    for split, source in settings.splits.items():
        if isinstance(source, DrawnSource):
            continue
        try:
            indices[split] = index_split(settings, source)
        except PoseError as error:
            faults.append(Fault(settings.file, None, f"{split}: {error}"))
            continue
        faults += indices[split].faults
        faults += label_warnings(indices[split], source, names=settings.skeleton.names)
        faults += _unused_labels(indices[split], source) if isinstance(source, ImageSource) else []
    faults += _image_faults(indices, settings.file)
    faults += _settings_warnings(settings, indices)
    return CheckReport(
        file=settings.file,
        counts={split: _count(index) for split, index in indices.items()},
        faults=tuple(faults),
        notes=tuple(f"{split}: {note}" for split, index in indices.items() for note in index.notes),
    )


def _count(index: Index) -> SplitCounts:
    visibility = index.targets.visibility
    return SplitCounts(
        images=len(index.paths),
        background=int((np.diff(index.offsets) == 0).sum()),
        objects=len(index.targets),
        labelled=int((visibility > 0).sum()),
        hidden=int((visibility == 1).sum()),
    )


def _unused_labels(index: Index, source: ImageSource) -> list[Fault]:
    """Labels beside the label files of known images that belong to none; only where whole folders are read."""
    if not all(place.is_dir() for place in source.places):
        return []
    faulty = {str(fault.file) for fault in index.faults}
    known = set(label_paths([str(index.paths[i]) for i in range(len(index.paths))])) | set(label_paths(sorted(faulty)))
    folders = sorted({str(Path(label).parent) for label in known})
    return [
        Fault(label, None, "no image for this label file; put the image there, or remove the file", "warning")
        for folder in folders
        if Path(folder).is_dir()
        for label in sorted(Path(folder).glob("*.txt"))
        if str(label) not in known and label.name not in ("classes.txt", "README.txt")
    ]


def _image_faults(indices: Mapping[str, Index], file: Path) -> Iterator[Fault]:
    first: dict[bytes, tuple[str, Path]] = {}
    shared: Counter[tuple[str, str]] = Counter()
    for split, index in indices.items():
        for i in range(len(index.paths)):
            path = index.paths[i]
            try:
                data = path.read_bytes()
            except OSError as error:
                yield Fault(path, None, f"can't be read ({error.strerror})")
                continue
            height, width = index.sizes[i].tolist()
            if min(height, width) < _LEAST_SIDE:
                reason = f"must be at least {_LEAST_SIDE} pixels on each side to be of use; got {width} x {height}"
                yield Fault(path, None, reason, "warning")
            other, twin = first.setdefault(hashlib.blake2b(data, digest_size=16).digest(), (split, path))
            if twin != path:
                where = f"in {other} too" if split != other else f"twice in {split}"
                yield Fault(path, None, f"the same image is {where}, as {twin}; drop one of them", "warning")
            elif other != split:
                shared[split, other] += 1
    for (split, other), count in shared.items():
        reason = f"{split}: {count} images are in {other} too; a figure measured on them says nothing of new images"
        yield Fault(file, None, reason, "warning")


def _settings_warnings(settings: DataSettings, indices: dict[str, Index]) -> Iterator[Fault]:
    all_targets = [index.targets for index in indices.values()]
    labels = np.concatenate([t.labels for t in all_targets]) if all_targets else np.zeros(0, np.int64)
    for label, name in enumerate(settings.names):
        if len(labels) and not (labels == label).any():
            yield _warn(settings, f"class '{name}' is in names and in no label")
    yield from _skeleton_warnings(settings)
    if len(labels) == 0:
        return
    visibility = np.concatenate([t.visibility for t in all_targets])
    if not visibility.any():
        yield Fault(settings.file, None, "labels must hold keypoints; got none that is labelled in any object")
        return
    never = np.flatnonzero(~(visibility > 0).any(axis=0)).tolist()
    for k in never:
        yield _warn(settings, f"keypoint '{settings.skeleton.names[k]}' is labelled in no object")
    points = np.concatenate([t.keypoints for t in all_targets])
    boxes = np.concatenate([t.boxes for t in all_targets])
    for reason in mirror_warnings(settings.skeleton, boxes=boxes, keypoints=points, visibility=visibility):
        yield _warn(settings, reason)


def _skeleton_warnings(settings: DataSettings) -> Sequence[Fault]:
    warnings = []
    if settings.skeleton.mirror is None:
        warnings.append(
            "nobody has said which keypoints trade places in a mirror, so images can't be flipped; "
            "add flip_idx, or mirror pairs to 'skeleton'"
        )
    if settings.skeleton.sigmas is None:
        warnings.append("no OKS sigmas, so neither loss nor AP can be computed; add kpt_oks_sigmas")
    return [_warn(settings, reason) for reason in warnings]


def _warn(settings: DataSettings, reason: str) -> Fault:
    return Fault(settings.file, None, reason, "warning")
