"""What a run was made of, written down so that it can still be told in ten years."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from pose_data import DataError, ModelCard, PoseDataset, PoseTargets, Samples, atomic_path, card_from_json

from pose_train.data import OneClass, RunData
from pose_train.learner import Learner

PACKAGES = (
    *("pose-data", "pose-eval", "pose-nn", "pose-train"),
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
    settings, engine, plan = learner.settings, learner.engine, learner.plan
    document: Json = {
        "seed": settings.seed,
        "data": settings.data,
        "train": fingerprint(data.source),
        "val": fingerprint(data.held_out) if data.held_out is not None else None,
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "device": _device_name(engine.device),
        "processes": engine.world,
        "mixed_precision": engine.accelerator.mixed_precision,
        "plan": {"optimizer": plan.name, "lr0": plan.lr, "nbs": plan.nbs, "in_words": learner.description},
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(Path.cwd()),
        "start": json.loads(card.to_json()),
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_start_card(path: Path) -> ModelCard | None:
    """Read the card of the start of a run back; None where there is no record."""
    if not path.exists():
        return None
    return card_from_json(json.dumps(json.loads(path.read_text(encoding="utf-8"))["start"]), source=str(path))


def check_same_data(path: Path, data: RunData) -> None:
    """Check that a run that goes on has the images and labels that it began with.

    Args:
        path: of its record.json.
        data: what it would learn from now.

    Raises:
        DataError: they have changed.
    """
    record = json.loads(path.read_text(encoding="utf-8"))
    for split, samples in (("train", data.source), ("val", data.held_out)):
        before, now = record.get(split), fingerprint(samples) if samples is not None else None
        if before and now and (change := _change(before, now)):
            raise DataError(
                f"resume: the {split} images must be those that the run began with; got {change}; put them back, or "
                "begin another run with model=<its weights/last.safetensors>"
            )


def _change(before: Json, now: Json) -> str:
    """Say what is different about a data set; nothing where it is the same."""
    if before["images"] != now["images"]:
        return f"{now['images']} images in place of {before['images']}"
    if before.get("files_sha256") != now.get("files_sha256"):
        return "files of other names or sizes"
    return "other labels" if before["labels_sha256"] != now["labels_sha256"] else ""


def fingerprint(samples: Samples) -> Json:
    """Describe a data set so that another one can be told from it.

    Returns:
        Images and people, the bytes of the image files, and SHA-256 hashes: `files` of paths and sizes, `labels` of
        boxes, classes, keypoints, visibility, crowds and areas. Of a data set without files only some labels are
        hashed, evenly spread.
    """
    if isinstance(samples, OneClass):
        return fingerprint(samples.samples)
    if isinstance(samples, PoseDataset):
        return _file_fingerprint(samples)
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


def git_commit(folder: Path) -> str | None:
    """Find the commit that is checked out in a folder or around it; None outside a repository."""
    for place in (folder, *folder.parents):
        git = place / ".git"
        if git.is_file():  # a worktree or a submodule
            git = place / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        if (git / "HEAD").is_file():
            return _head(git)
    return None


def _head(git: Path) -> str | None:
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref: "):
        return head
    name = head.removeprefix("ref: ")
    common = git / "commondir"
    shared = git / common.read_text(encoding="utf-8").strip() if common.is_file() else git
    for root in (git, shared):
        if (root / name).is_file():
            return (root / name).read_text(encoding="utf-8").strip()
    packed = shared / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), None)


def _file_fingerprint(dataset: PoseDataset) -> Json:
    index = dataset.index
    paths = [dataset.image_path(i) for i in range(len(dataset))]
    sizes = [path.stat().st_size for path in paths]
    files, labels = hashlib.sha256(), hashlib.sha256()
    for path, size in zip(paths, sizes, strict=True):
        files.update(f"{path}\0{size}\n".encode())
    labels.update(np.ascontiguousarray(index.offsets).tobytes())
    _add_arrays(labels, index.targets)
    return {
        "kind": "files",
        "images": len(dataset),
        "people": len(index.targets),
        "first": str(paths[0]) if paths else None,
        "bytes": sum(sizes),
        "files_sha256": files.hexdigest(),
        "labels_sha256": labels.hexdigest(),
    }


def _add_arrays(digest: hashlib._Hash, targets: PoseTargets) -> None:
    for values in (targets.labels, targets.boxes, targets.keypoints, targets.visibility, targets.crowd, targets.areas):
        digest.update(np.ascontiguousarray(values).tobytes())


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
