"""Data sets in memory, and drawn people among them, drawn by all cores at once."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from pose_data import COCO_PERSON, DrawnPeople, PoseTargets, Sample

CHUNK = 16  # images that a process draws before it asks for more


@dataclass(frozen=True)
class Kept:
    """Images that are there already; implements pose_data.Samples."""

    samples: tuple[Sample, ...]
    names: tuple[str, ...] = ("person",)
    skeleton = COCO_PERSON
    keypoint_dims: int = 3

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def targets(self, index: int) -> PoseTargets:
        """The labels of one image."""
        return self.samples[index].targets


def draw_people(count: int, *, size: int, seed: int) -> Kept:
    """Draw images of DrawnPeople, before anything asks for a GPU: processes are forked where the system can."""
    draw = partial(_draw, DrawnPeople(count, size=size, seed=seed))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork" if os.name == "posix" else "spawn")) as pool:
        return Kept(tuple(pool.map(draw, range(count), chunksize=CHUNK)))


def _draw(people: DrawnPeople, index: int) -> Sample:
    return people[index]
