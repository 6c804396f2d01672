"""What a run was made of, written down so that it can still be told in ten years."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from pose_data import (
    CheckpointError,
    DataError,
    ModelCard,
    PoseDataset,
    PoseTargets,
    Samples,
    atomic_path,
    card_from_json,
)

from pose_train.checkout import describe_checkout, describe_code
from pose_train.data import OneClass, RunData
from pose_train.engine import Engine
from pose_train.learner import Learner
from pose_train.messages import utc_now
from pose_train.resume import Progress

PACKAGES = (
    *("pose-data", "pose-eval", "pose-nn", "pose-train", "pose-cli"),
    *("torch", "accelerate", "numpy", "opencv-python-headless", "safetensors"),
)
SAMPLED = 16  # images of a data set without files whose labels are hashed: each may have to be drawn for it

Json = dict[str, object]


def write_record(path: Path, *, learner: Learner, data: RunData, card: ModelCard) -> None:
    """Write record.json.

    Args:
        path: of the file.
        learner: with its settings, which settings.yaml beside the file holds, what they came to, device and processes.
        data: what it learns from.
        card: of the weights that it starts from, with their licence and where they came from.
    """
    settings, plan = learner.settings, learner.plan
    document: Json = {
        "began": utc_now(),
        "seed": settings.seed,
        "data": settings.data,
        "train": fingerprint(data.source),
        "val": fingerprint(data.held_out) if data.held_out is not None else None,
        **_surroundings(learner.engine),
        "plan": {"optimizer": plan.name, "lr0": plan.lr, "nbs": plan.nbs, "in_words": learner.description},
        "start": json.loads(card.to_json()),
    }
    _write(path, document)


def add_resumption(path: Path, learner: Learner, progress: Progress) -> None:
    """Add to record.json that a run goes on: when, from where in it, and with what.

    Raises:
        CheckpointError: the file can't be read as a record.
    """
    entry: Json = {
        "at": utc_now(),
        "after_epoch": progress.epoch,
        "after_step": progress.step,
        "data": learner.settings.data,
        **_surroundings(learner.engine),
    }
    document = read_record(path)
    earlier = document.get("resumed")
    _write(path, {**document, "resumed": [*(earlier if isinstance(earlier, list) else []), entry]})


def read_record(path: Path) -> Json:
    """Read what a run wrote down.

    Raises:
        CheckpointError: there is no file, or it isn't what a run wrote.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file; it says what network the run has learnt with") from error
    except ValueError as error:
        raise _damaged(path, f"text that isn't JSON ({error})") from error
    if not isinstance(document, dict):
        raise _damaged(path, f"a {type(document).__name__}")
    if not isinstance(document.get("start"), dict):
        raise _damaged(path, "no 'start'")
    for split in ("train", "val"):
        if not _is_fingerprint(document.get(split), optional=split == "val"):
            raise _damaged(path, f"'{split}' without 'images' and 'labels_sha256'")
    return document


def read_start_card(path: Path) -> ModelCard:
    """Read the card of the start of a run back.

    Raises:
        CheckpointError: there is no record, or none that can be read.
    """
    return card_from_json(json.dumps(read_record(path)["start"]), source=str(path))


def check_same_data(path: Path, data: RunData) -> None:
    """Check that a run that goes on has the images and labels that it began with, wherever they lie now.

    Args:
        path: of its record.json.
        data: what it would learn from now.

    Raises:
        CheckpointError: the record can't be read.
        DataError: they have changed.
    """
    record = read_record(path)
    for split, samples in (("train", data.source), ("val", data.held_out)):
        before = record.get(split)
        if isinstance(before, dict) and samples is not None and (change := _change(before, samples)):
            raise DataError(
                f"resume: the {split} images must be those that the run began with; got {change}; put them back, or "
                "begin another run with model=<its weights/last.safetensors>"
            )


def _change(before: Json, samples: Samples) -> str:
    """Say what is different about a data set; nothing where it is the same."""
    moves = "root" in before  # older records know files by their whole paths
    now = fingerprint(samples, relative=moves)
    if before["images"] != now["images"]:
        return f"{now['images']} images in place of {before['images']}"
    if before.get("files_sha256") != now.get("files_sha256"):
        return "files of other names or sizes" if moves else "files at other paths, or of other sizes"
    return "other labels" if before["labels_sha256"] != now["labels_sha256"] else ""


def fingerprint(samples: Samples, *, relative: bool = True) -> Json:
    """Describe a data set so that another one can be told from it.

    Args:
        samples: the data set.
        relative: know files by their paths from the folder that holds them all, so that they may move with it;
            otherwise by their whole paths.

    Returns:
        Images and people, the folder that holds all image files (`root`), their bytes, what was left out because it
        can't be used, and SHA-256 hashes: `files` of paths and sizes, `labels` of boxes, classes, keypoints,
        visibility, crowds and areas. Of a data set without files only some labels are hashed, evenly spread.
    """
    if isinstance(samples, OneClass):
        return fingerprint(samples.samples, relative=relative)
    if isinstance(samples, PoseDataset):
        return _file_fingerprint(samples, relative=relative)
    chosen = np.unique(np.linspace(0, max(len(samples) - 1, 0), min(SAMPLED, len(samples))).astype(int))
    labels = hashlib.sha256()
    for index in chosen.tolist():
        _add_arrays(labels, samples.targets(index))
    return {
        "kind": type(samples).__name__,
        "images": len(samples),
        "labels_sampled": len(chosen),
        "labels_sha256": labels.hexdigest(),
    }


def _file_fingerprint(dataset: PoseDataset, *, relative: bool) -> Json:
    index = dataset.index
    paths = [dataset.image_path(i) for i in range(len(dataset))]
    sizes = [path.stat().st_size for path in paths]
    root = _common_folder(paths)
    names = [path.relative_to(root).as_posix() if relative and root else str(path) for path in paths]
    files, labels = hashlib.sha256(), hashlib.sha256()
    for name, size in zip(names, sizes, strict=True):
        files.update(f"{name}\0{size}\n".encode())
    labels.update(np.ascontiguousarray(index.offsets).tobytes())
    _add_arrays(labels, index.targets)
    return {
        "kind": "files",
        "images": len(dataset),
        "people": len(index.targets),
        "root": str(root) if root else None,
        "first": str(paths[0]) if paths else None,
        "bytes": sum(sizes),
        "left_out": [str(fault) for fault in dataset.faults],
        "files_sha256": files.hexdigest(),
        "labels_sha256": labels.hexdigest(),
    }


def _common_folder(paths: Sequence[Path]) -> Path | None:
    """Find the innermost folder that holds all files; None where there is none, as on two drives."""
    try:
        return Path(os.path.commonpath({path.parent for path in paths}))
    except ValueError:
        return None


def _add_arrays(digest: hashlib._Hash, targets: PoseTargets) -> None:
    for values in (targets.labels, targets.boxes, targets.keypoints, targets.visibility, targets.crowd, targets.areas):
        digest.update(np.ascontiguousarray(values).tobytes())


def _surroundings(engine: Engine) -> Json:
    """Describe where a run learns, and with which code."""
    return {
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "machine": platform.node(),
        "device": _device_name(engine.device),
        "processes": engine.world,
        "mixed_precision": engine.accelerator.mixed_precision,
        "threads": torch.get_num_threads(),
        "git": {"working_folder": describe_checkout(Path.cwd()), "code": describe_code(Path(__file__).resolve())},
    }


def _write(path: Path, document: Json) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _is_fingerprint(value: object, *, optional: bool) -> bool:
    if value is None:
        return optional
    return isinstance(value, Mapping) and {"images", "labels_sha256"} <= value.keys()


def _damaged(path: Path, seen: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: must be the record that the run wrote, with its 'start', 'train' and 'val'; got {seen}; put it back "
        "as it was, or begin another run with model=<its weights/last.safetensors>"
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
