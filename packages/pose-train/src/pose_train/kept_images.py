"""Decoded images that are kept for when they are needed again, in memory or in files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from pose_data import PoseDataset, PoseTargets, Sample, Samples, SettingsError, atomic_path, shrink

from pose_train.interrupts import Interrupts

THREADS = 4  # decoding leaves the interpreter free


class KeptImages:
    """A data set whose decoded images stay in memory once they were read; implements Samples.

    Each worker process keeps its own copy of what it reads; what `fill` reads before is shared by forked workers.

    Args:
        samples: the data set.
        longest: pixels of the longer side; larger images are shrunk, as augmentation would do later.
    """

    def __init__(self, samples: Samples, *, longest: int | None = None) -> None:
        self.samples, self.longest = samples, longest
        self.names, self.skeleton, self.keypoint_dims = samples.names, samples.skeleton, samples.keypoint_dims
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        if index not in self._kept:
            self._kept[index] = self._read(index)
        return self._kept[index]

    @property
    def indices(self) -> tuple[int, ...]:
        """Of the images that are kept, in the order in which they were first read."""
        return tuple(self._kept)

    def targets(self, index: int) -> PoseTargets:
        """The labels of one image, as they are kept."""
        return self[index].targets

    def fill(self, count: int, interrupts: Interrupts) -> None:
        """Read the first images, unless the end is asked for."""
        _do_for_each(self.__getitem__, count, interrupts)

    def _read(self, index: int) -> Sample:
        sample = self.samples[index]
        if self.longest is None:
            return sample
        image, targets = shrink(sample.image, sample.targets, self.longest)
        return replace(sample, image=image, targets=targets)


class StoredImages:
    """A data set of files whose decoded images are stored as arrays in a folder; implements Samples.

    Args:
        samples: the data set.
        folder: of the arrays; each is named by path, size and time of its image and by how it is shrunk, so that a
            changed one is read anew.

    Raises:
        SettingsError: the images aren't files.
    """

    def __init__(self, samples: Samples, folder: Path) -> None:
        if not isinstance(samples, PoseDataset):
            raise SettingsError(f"cache=disk must have images in files; got {type(samples).__name__}; use cache=ram")
        self.samples, self.folder = samples, folder
        self.names, self.skeleton, self.keypoint_dims = samples.names, samples.skeleton, samples.keypoint_dims

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        path = self.samples.image_path(index)
        stored = self._stored(path)
        if stored.exists():
            return Sample(np.load(stored, allow_pickle=False), self.targets(index), path.name)
        sample = self.samples[index]
        with atomic_path(stored) as temporary:
            np.save(temporary, sample.image, allow_pickle=False)
        return sample

    def targets(self, index: int) -> PoseTargets:
        """The labels of one image."""
        return self.samples.targets(index)

    def fill(self, count: int, interrupts: Interrupts) -> None:
        """Store those of the first images that aren't yet, each whole, unless the end is asked for."""
        _do_for_each(self._store, count, interrupts)

    def _store(self, index: int) -> None:
        if not self._stored(self.samples.image_path(index)).exists():
            self[index]

    def _stored(self, path: Path) -> Path:
        state = path.stat()
        key = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}|{self.samples.longest}"
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"


def _do_for_each(work: Callable[[int], object], count: int, interrupts: Interrupts) -> None:
    """Work on every index in threads; when the end is asked for, on no further one."""

    def go_on(index: int) -> None:
        if not interrupts.asked:
            work(index)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(go_on, range(count)))
