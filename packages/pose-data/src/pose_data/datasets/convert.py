"""Data sets from one form to the other: COCO JSON to label files, and label files to COCO JSON."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from pose_data.boxes import clip_boxes
from pose_data.datasets.coco import CocoKeypoints
from pose_data.datasets.coco_categories import CocoCategories
from pose_data.datasets.coco_write import write_coco_keypoints
from pose_data.datasets.dataset import PoseDataset, open_dataset
from pose_data.datasets.description import DataSettings
from pose_data.datasets.split import CocoSource
from pose_data.datasets.yolo import write_labels
from pose_data.errors import DataError, SettingsError
from pose_data.files import atomic_folder, atomic_path
from pose_data.poses import PoseTargets

_SLACK = 0.01  # of the image's size, by which a labelled point may leave the image and still be read back


@dataclass(frozen=True)
class Conversion:
    """What a conversion wrote.

    Args:
        file: the YAML of the new data set.
        images: images in it.
        objects: objects in it.
        notes: what the new form has no place for, with counts.
    """

    file: Path
    images: int
    objects: int
    notes: tuple[str, ...]


def convert_to_yolo(settings: DataSettings, output: Path, *, images: Literal["copy", "link"] = "copy") -> Conversion:
    """Write a data set as label files: images/<split>, labels/<split> and data.yaml.

    Visibility is kept. Label files have no place for crowds, which are left out, nor for areas, which
    readers take from the box; boxes are cut at the border of the image, and points outside it become
    unlabelled. All of this is counted.

    Args:
        settings: the data set to convert.
        output: a new or empty folder.
        images: copy them, or make links to where they are.

    Raises:
        PoseError: the folder isn't empty or can't be written, or the data set has faults.
    """
    losses: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    with atomic_folder(output) as folder:
        for split in settings.splits:
            dataset = _opened(settings, split)
            names = _relative_names(dataset, settings, split)
            for i, name in enumerate(names):
                kept = _fitting(dataset.targets(i), dataset.size(i), losses)
                totals.update(images=1, objects=len(kept))
                label = (folder / "labels" / split / name).with_suffix(".txt")
                write_labels(label, kept, size=dataset.size(i), keypoint_dims=settings.keypoint_dims)
                _place_image(dataset.image_path(i), folder / "images" / split / name, images)
        places = {split: f"images/{split}" for split in settings.splits}
        _write_yaml(folder / "data.yaml", {**places, **_public_keys(settings)})
    return Conversion(output / "data.yaml", totals["images"], totals["objects"], _notes(losses))


def convert_to_coco(settings: DataSettings, output: Path) -> Conversion:
    """Write a data set as one COCO keypoint JSON per split, and a data.yaml that names them and the images.

    Images stay where they are. What a COCO file has no place for (mirror pairs, sigmas) is in the YAML.

    Args:
        settings: the data set to convert.
        output: a new or empty folder.

    Raises:
        PoseError: the folder isn't empty or can't be written, or the data set has faults.
    """
    totals: Counter[str] = Counter()
    places: dict[str, object] = {}
    with atomic_folder(output) as folder:
        for split in settings.splits:
            dataset = _opened(settings, split)
            base = _common_folder(dataset)
            file = folder / "annotations" / f"keypoints_{split}.json"
            write_coco_keypoints(file, _as_coco(dataset, base))
            places[split] = {"images": str(base), "annotations": f"annotations/{file.name}"}
            totals.update(images=len(dataset), objects=len(dataset.index.targets))
        _write_yaml(folder / "data.yaml", {**places, **_public_keys(settings)})
    made_up = {} if any(isinstance(s, CocoSource) for s in settings.splits.values()) else {_AREAS: totals["objects"]}
    return Conversion(output / "data.yaml", totals["images"], totals["objects"], _notes(made_up))


_AREAS = "areas were taken from the boxes, as label files hold none"


def _opened(settings: DataSettings, split: str) -> PoseDataset:
    dataset = open_dataset(settings, split)
    if not isinstance(dataset, PoseDataset):
        raise SettingsError(f"{settings.file}: must be a data set of files; got one that is drawn in memory")
    return dataset


def _fitting(targets: PoseTargets, size: tuple[int, int], losses: Counter[str]) -> PoseTargets:
    """Leave out or cut what label text can't hold, and count it."""
    height, width = size
    limit = np.array([width, height], np.float32)
    inside = ((targets.keypoints >= -_SLACK * limit) & (targets.keypoints <= (1 + _SLACK) * limit)).all(axis=-1)
    lost = (targets.visibility > 0) & ~inside
    boxes = clip_boxes(targets.boxes, height=height, width=width)
    empty = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    keep = ~targets.crowd & ~empty
    losses["crowds were left out"] += int(targets.crowd.sum())
    losses["objects outside their image were left out"] += int((empty & ~targets.crowd).sum())
    losses["boxes were cut at the border of their image"] += int((boxes != targets.boxes).any(axis=1)[keep].sum())
    losses["keypoints outside their image became unlabelled"] += int(lost[keep].sum())
    losses["areas of objects were dropped"] += int(keep.sum())
    visibility = np.where(inside, targets.visibility, 0).astype(np.uint8)
    return replace(targets, boxes=boxes, visibility=visibility)[keep]


def _relative_names(dataset: PoseDataset, settings: DataSettings, split: str) -> list[str]:
    """Name the images under the folder that they share; two that would share a label file are refused."""
    base = _common_folder(dataset)
    names = [str(dataset.image_path(i).relative_to(base)) for i in range(len(dataset))]
    stems: dict[str, str] = {}
    for name in names:
        twin = stems.setdefault(str(Path(name).with_suffix("")), name)
        if twin != name:
            raise DataError(
                f"{settings.file}: {split}: images must differ in more than their suffix, as their label files are "
                f"named after them; got {twin} and {name}; rename one"
            )
    return names


def _common_folder(dataset: PoseDataset) -> Path:
    return Path(os.path.commonpath([dataset.image_path(i).parent.absolute() for i in range(len(dataset))]))


def _place_image(source: Path, target: Path, how: Literal["copy", "link"]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if how == "link":
        target.symlink_to(source.absolute())
    else:
        shutil.copyfile(source, target)


def _as_coco(dataset: PoseDataset, base: Path) -> CocoKeypoints:
    index = dataset.index
    ids = index.image_ids
    return CocoKeypoints(
        image_files=tuple(dataset.image_path(i).relative_to(base).as_posix() for i in range(len(dataset))),
        image_ids=ids + 1 if len(ids) and int(ids[0]) == 0 else ids,  # COCO counts from 1
        sizes=index.sizes.astype(np.int64),
        offsets=index.offsets,
        targets=index.targets,
        annotation_ids=np.arange(1, len(index.targets) + 1, dtype=np.int64),
        categories=CocoCategories(dataset.category_ids, dataset.names, dataset.skeleton),
    )


def _public_keys(settings: DataSettings) -> dict[str, object]:
    skeleton = settings.skeleton
    keys: dict[str, object] = {
        "names": dict(enumerate(settings.names)),
        "kpt_shape": [len(skeleton), settings.keypoint_dims],
        "kpt_names": {label: list(skeleton.names) for label in range(len(settings.names))},
    }
    if skeleton.flip_idx is not None:
        keys["flip_idx"] = skeleton.flip_idx.tolist()
    if skeleton.sigmas is not None:
        keys["kpt_oks_sigmas"] = list(skeleton.sigmas)
    block: dict[str, object] = {}
    if skeleton.edges:
        block["edges"] = [[skeleton.names[a], skeleton.names[b]] for a, b in skeleton.edges]
    if skeleton.classes is not None:
        listed = zip(settings.names, skeleton.classes, strict=True)
        block["classes"] = {name: [skeleton.names[k] for k in points] for name, points in listed}
    return {**keys, "skeleton": block} if block else keys


def _write_yaml(path: Path, content: Mapping[str, object]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(
            yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, default_flow_style=None),
            encoding="utf-8",
        )


def _notes(losses: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(f"{count} {what}" for what, count in losses.items() if count)
