"""Drawn people as a data set on disk: images, label text, COCO JSON, and a YAML for each of the two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from pose_data.datasets.coco import CocoKeypoints
from pose_data.datasets.coco_categories import CocoCategories
from pose_data.datasets.coco_write import write_coco_keypoints
from pose_data.datasets.image_write import write_image
from pose_data.datasets.people import DrawnPeople
from pose_data.datasets.yolo import write_labels
from pose_data.errors import SettingsError
from pose_data.files import atomic_folder
from pose_data.poses import PoseTargets, concatenate
from pose_data.skeleton import COCO_PERSON, Skeleton

Progress = Callable[[int, int], None]


def write_people(
    folder: Path,
    *,
    train: int,
    val: int,
    size: int | tuple[int, int] = 320,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Draw people and write them as a data set.

    The folder holds images/{train,val}/*.jpg, labels/{train,val}/*.txt with data.yaml, and, as label text has
    no place for areas, the same annotations as annotations/{train,val}.json with coco.yaml.

    Args:
        folder: a new or empty folder.
        train: number of training images, those of DrawnPeople with seed 2 * seed.
        val: number of validation images, those of DrawnPeople with seed 2 * seed + 1.
        size: pixels, (height, width) or one number for both.
        seed: 0 or more; other seeds give other people.
        progress: called with the images written so far and their total.

    Returns:
        The path of data.yaml.

    Raises:
        SettingsError: a count below 1, or a size or seed that can't be drawn.
        PoseError: the folder holds files already or can't be written.
    """
    if train < 1 or val < 1:
        raise SettingsError(f"drawn people: train and val must be at least 1 image each; got {train} and {val}")
    splits = {
        "train": DrawnPeople(train, size=size, seed=2 * seed),
        "val": DrawnPeople(val, size=size, seed=2 * seed + 1),
    }
    done = 0
    with atomic_folder(folder) as temporary:
        for split, people in splits.items():
            targets = []
            for index in range(len(people)):
                targets.append(_write_sample(temporary, split, people, index))
                done += 1
                if progress is not None:
                    progress(done, train + val)
            coco = _as_coco(people, targets)
            write_coco_keypoints(temporary / "annotations" / f"{split}.json", coco)
        _write_yaml(temporary / "data.yaml", {split: f"images/{split}" for split in splits})
        places = {s: {"images": f"images/{s}", "annotations": f"annotations/{s}.json"} for s in splits}
        _write_yaml(temporary / "coco.yaml", places)
    return folder / "data.yaml"


def _file_name(index: int) -> str:
    return f"{index:06d}.jpg"


def _write_sample(folder: Path, split: str, people: DrawnPeople, index: int) -> PoseTargets:
    sample = people[index]
    image = folder / "images" / split / _file_name(index)
    write_image(image, sample.image)
    labels = (folder / "labels" / split / image.name).with_suffix(".txt")
    write_labels(labels, sample.targets, size=people.size(index))
    return sample.targets


def _as_coco(people: DrawnPeople, targets: list[PoseTargets]) -> CocoKeypoints:
    counts = [len(t) for t in targets]
    return CocoKeypoints(
        image_files=tuple(_file_name(i) for i in range(len(targets))),
        image_ids=np.arange(1, len(targets) + 1, dtype=np.int64),  # COCO counts from 1
        sizes=np.array([people.size(i) for i in range(len(targets))], np.int64),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        targets=concatenate(targets),
        annotation_ids=np.arange(1, sum(counts) + 1, dtype=np.int64),
        categories=CocoCategories((1,), people.names, people.skeleton),
    )


def _write_yaml(path: Path, places: dict[str, str] | dict[str, dict[str, str]]) -> None:
    content = {**places, "names": ["person"], "skeleton": _skeleton_block(COCO_PERSON)}
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)
    path.write_text("# People drawn by pose_data.write_people.\n" + text, encoding="utf-8")


def _skeleton_block(skeleton: Skeleton) -> dict[str, list[str] | list[list[str]] | list[float]]:
    def named(pairs: tuple[tuple[int, int], ...]) -> list[list[str]]:
        return [[skeleton.names[a], skeleton.names[b]] for a, b in pairs]

    return {
        "names": list(skeleton.names),
        "mirror": named(skeleton.mirror or ()),
        "edges": named(skeleton.edges),
        "sigmas": skeleton.require_sigmas().tolist(),
    }
