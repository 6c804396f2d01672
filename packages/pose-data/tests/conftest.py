"""Tiny images and data sets that tests build for themselves."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

WriteImage = Callable[..., Path]
WriteDataset = Callable[..., Path]

# A whole object: box in the middle, the points on a diagonal, visible, hidden and not labelled.
ROW = "0 0.5 0.5 0.4 0.4 0.4 0.4 2 0.5 0.5 1 0 0 0"

YAML = """\
train: images/train
val: images/val
names: [mouse]
kpt_shape: [3, 3]
flip_idx: [0, 2, 1]
kpt_names: [nose, left_ear, right_ear]
kpt_oks_sigmas: [0.05, 0.05, 0.05]
"""


@pytest.fixture(scope="session")
def row() -> str:
    """One good row of label text for K = 3 with visibility."""
    return ROW


@pytest.fixture
def write_image() -> WriteImage:
    """Write an image file of noise; `seed` keeps two images apart."""

    def write(path: Path, *, height: int = 40, width: int = 80, seed: int = 0) -> Path:
        pixels: NDArray[np.uint8] = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
        return path

    return write


@pytest.fixture
def write_dataset(tmp_path: Path, write_image: WriteImage) -> WriteDataset:
    """Write a data set of label files: images of 80 x 40 pixels and, for each, the text of its labels or None."""

    def write(labels: dict[str, str | None] | None = None, *, yaml: str = YAML) -> Path:
        if labels is None:
            labels = {"train/a": ROW, "train/b": "", "train/c": None, "val/d": ROW}
        for seed, (name, text) in enumerate(labels.items()):
            write_image(tmp_path / "images" / f"{name}.png", seed=seed)
            if text is not None:
                label = tmp_path / "labels" / f"{name}.txt"
                label.parent.mkdir(parents=True, exist_ok=True)
                label.write_text(text, encoding="utf-8")
        file = tmp_path / "data.yaml"
        file.write_text(yaml, encoding="utf-8")
        return file

    return write


@pytest.fixture
def coco_content() -> dict[str, object]:
    """A COCO keypoint file of two images (the second has nobody), one mouse and one crowd."""
    return {
        "images": [
            {"id": 7, "file_name": "a.png", "width": 80, "height": 40},
            {"id": 9, "file_name": "b.png", "width": 80, "height": 40},
        ],
        "annotations": [
            {
                "id": 100,
                "image_id": 7,
                "category_id": 3,
                "bbox": [10, 5, 30, 20],
                "area": 350.5,
                "iscrowd": 0,
                "num_keypoints": 2,
                "keypoints": [12, 8, 2, 20.5, 10, 1, 0, 0, 0],
            },
            {
                "id": 101,
                "image_id": 7,
                "category_id": 3,
                "bbox": [0, 0, 80, 40],
                "area": 3000,
                "iscrowd": 1,
                "num_keypoints": 0,
                "keypoints": [0, 0, 0, 0, 0, 0, 0, 0, 0],
            },
        ],
        "categories": [
            {
                "id": 3,
                "name": "mouse",
                "keypoints": ["nose", "left_ear", "right_ear"],
                "skeleton": [[1, 2], [1, 3]],
            }
        ],
    }
