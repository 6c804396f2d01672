"""What a run learns from and is validated on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pose_data import (
    PoseDataset,
    PoseTargets,
    Sample,
    Samples,
    SettingsError,
    Skeleton,
    open_dataset,
    read_data_settings,
)

from pose_train.interrupts import Interrupts
from pose_train.kept_images import KeptImages, StoredImages
from pose_train.settings import TrainSettings

ONE_CLASS = "object"


@dataclass(frozen=True)
class RunData:
    """The images of a run.

    Args:
        learnt: to learn from.
        held_out: to validate on; None when the run doesn't validate.
        source: the data set that `learnt` reads, without what was put around it.
        notes: what the user should know of them.
    """

    learnt: Samples
    held_out: Samples | None
    source: Samples
    notes: tuple[str, ...]


def open_run_data(settings: TrainSettings, learnt: Samples | None, held_out: Samples | None) -> RunData:
    """Open the splits that the caller didn't give.

    Raises:
        PoseError: a data set that can't be used.
    """
    if learnt is None:
        learnt = _shrunk(_open(settings, "train"), settings.imgsz)
    if held_out is None and settings.val:
        held_out = _open(settings, settings.split)
    if not settings.val:
        held_out = None
    if not len(learnt):
        raise SettingsError(f"{settings.data}: the training split must hold at least one image; got none")
    if held_out is not None and not len(held_out):
        raise SettingsError(
            f"{settings.data}: the split '{settings.split}' must hold at least one image to validate on; got none; "
            "give it some, or set val=False"
        )
    notes = (*_notes(learnt), *_notes(held_out))
    source = learnt
    if settings.single_cls:
        learnt, held_out = OneClass(learnt), held_out and OneClass(held_out)
    return RunData(learnt, held_out, source, notes)


def settle_flips(settings: TrainSettings, skeleton: Skeleton) -> tuple[TrainSettings, tuple[str, ...]]:
    """Settle how often left and right trade places where the settings leave it to the data.

    Returns:
        The settings with a number, and what the user should know of it.
    """
    if settings.fliplr is not None:
        return settings, ()
    if skeleton.flip_idx is not None:
        return replace(settings, fliplr=settings.augmentation().fliplr), ()
    note = (
        f"{settings.data}: the keypoints have no mirror pairs, so images aren't flipped (fliplr=0); where left and "
        "right look different, add 'flip_idx' (or 'skeleton: mirror:') to the data YAML"
    )
    return replace(settings, fliplr=0.0), (note,)


def keep_images(settings: TrainSettings, samples: Samples, interrupts: Interrupts) -> Samples:
    """Keep decoded images where the settings ask for it; not all of them when the end is asked for meanwhile."""
    if settings.cache == "disk":
        inner = samples.samples if isinstance(samples, OneClass) else samples
        stored = StoredImages(inner, cache_folder(settings) / "images")
        stored.fill(count_used(settings, samples), interrupts)
        return OneClass(stored) if isinstance(samples, OneClass) else stored
    if settings.cache in (True, "ram"):
        kept = KeptImages(samples, longest=settings.imgsz)
        kept.fill(count_used(settings, samples), interrupts)
        return kept
    return samples


def count_used(settings: TrainSettings, samples: Samples) -> int:
    """Count the images that `fraction` leaves, the first ones."""
    return max(math.floor(len(samples) * settings.fraction + 0.5), 1)


def cache_folder(settings: TrainSettings) -> Path:
    """Where runs share what they read, so that the next one starts at once."""
    return Path(settings.project).parent / "cache"


def image_name(samples: Samples, index: int) -> str:
    """Name an image for a message: its file, where it has one."""
    inner = samples.samples if isinstance(samples, OneClass) else samples
    return str(inner.image_path(index)) if isinstance(inner, PoseDataset) else f"{inner[index].name} (image {index})"


@dataclass(frozen=True)
class OneClass:
    """A data set in which everything is of one class; implements Samples."""

    samples: Samples

    @property
    def names(self) -> tuple[str, ...]:
        """The one class, called as the data set calls it where that has only one."""
        return self.samples.names if len(self.samples.names) == 1 else (ONE_CLASS,)

    @property
    def skeleton(self) -> Skeleton:
        """Of the data set; the one class has the points of all classes."""
        return replace(self.samples.skeleton, classes=None)

    @property
    def keypoint_dims(self) -> int:
        """Of the data set."""
        return self.samples.keypoint_dims

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        sample = self.samples[index]
        return replace(sample, targets=_of_one_class(sample.targets))

    def targets(self, index: int) -> PoseTargets:
        """The labels of one image."""
        return _of_one_class(self.samples.targets(index))


def _of_one_class(targets: PoseTargets) -> PoseTargets:
    return replace(targets, labels=np.zeros_like(targets.labels))


def _open(settings: TrainSettings, split: str) -> Samples:
    data = read_data_settings(settings.data)
    return open_dataset(data, split, cache_dir=cache_folder(settings), skip_bad=settings.skip_bad)


def _shrunk(samples: Samples, longest: int) -> Samples:
    """Read images no larger than they are learnt: augmentation would shrink them first anyway."""
    return samples.shrunk(longest) if isinstance(samples, PoseDataset) else samples


def _notes(samples: Samples | None) -> tuple[str, ...]:
    """What was noticed when a data set was read, such as rows that were dropped."""
    return tuple(samples.notes) if isinstance(samples, PoseDataset) else ()
