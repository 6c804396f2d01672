"""Pictures of a run: what the network was shown, and what it found beside what is there."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pose_data import (
    PoseTargets,
    Predictor,
    Runtime,
    Samples,
    Skeleton,
    atomic_path,
    contact_sheet,
    draw_poses,
    draw_targets,
)

from pose_train.batches import Batch, BatchTargets

TILES = 16


def write_batch_picture(path: Path, batch: Batch, skeleton: Skeleton) -> None:
    """Draw the augmented images of a batch with their targets."""
    images = batch.images[:TILES].permute(0, 2, 3, 1).cpu().numpy()
    drawn = [
        draw_targets(np.ascontiguousarray(image), _of_image(batch.targets, i), skeleton)
        for i, image in enumerate(images)
    ]
    write_picture(path, contact_sheet(drawn, columns=4))


def write_validation_picture(path: Path, runtime: Runtime, samples: Samples, *, imgsz: int) -> None:
    """Draw the truth of some validation images beside what the network finds in them."""
    predictor = Predictor(runtime, imgsz=imgsz)
    tiles = []
    for index in np.linspace(0, len(samples) - 1, min(TILES // 2, len(samples))).astype(int):
        sample = samples[int(index)]
        tiles.append(draw_targets(sample.image, sample.targets, samples.skeleton))
        tiles.append(draw_poses(sample.image, predictor(sample.image), samples.skeleton))
    write_picture(path, contact_sheet(tiles, columns=4))


def _of_image(targets: BatchTargets, index: int) -> PoseTargets:
    """Take the targets of one image back out of a batch."""
    rows = targets.image_index == index
    boxes = targets.boxes[rows].cpu().numpy()
    return PoseTargets(
        boxes=boxes,
        labels=targets.labels[rows].cpu().numpy(),
        keypoints=targets.keypoints[rows].cpu().numpy(),
        visibility=targets.visibility[rows].cpu().numpy(),
        areas=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        crowd=np.zeros(len(boxes), np.bool_),
    )


def write_picture(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an (H, W, 3) uint8 RGB image, whole or not at all, in the format that the path's suffix names."""
    done, encoded = cv2.imencode(path.suffix, image[..., ::-1])
    assert done
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
