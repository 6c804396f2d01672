"""What several tests of pose-cli share: a tiny network in a file, images, a data set, and a way to run a command."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pose_cli.main import main

SIDE = 64  # pixels of every image and input in these tests


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `pose` in this process with the words given."""

    def run_command(*words: object) -> Outcome:
        capfd.readouterr()
        status = main([str(word) for word in words])
        captured = capfd.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run_command


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the test in a folder of its own, where `runs/` may appear."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data YAML with K = 3: two training and two validation images, one person in each."""
    from pose_data import write_image

    folder = tmp_path_factory.mktemp("dataset")
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("a", "b"):
            image = generator.integers(0, 255, (SIDE, SIDE, 3), np.uint8)
            write_image(folder / "images" / split / f"{name}.png", image)
            label = folder / "labels" / split / f"{name}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("0 0.5 0.5 0.5 0.5 0.4 0.4 2 0.5 0.5 2 0.6 0.6 1\n", encoding="utf-8")
    lines = ("train: images/train", "val: images/val", "names: [person]", "kpt_shape: [3, 3]", "flip_idx: [0, 1, 2]")
    text = "\n".join((*lines, "kpt_oks_sigmas: [0.1, 0.1, 0.1]")) + "\n"
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return folder / "data.yaml"


@pytest.fixture(scope="session")
def weights(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a random yolov8n-pose network for three keypoints, whose card names the data set."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch
    from pose_data import ModelCard, make_skeleton
    from pose_nn import build_network, save_checkpoint

    torch.manual_seed(0)
    net = build_network("yolov8n-pose", num_classes=1, kpt_shape=(3, 3))
    skeleton = make_skeleton(("top", "middle", "bottom"), flip_idx=(0, 1, 2), edges=((0, 1),), sigmas=(0.1, 0.1, 0.1))
    card = ModelCard("yolov8n-pose", ("person",), skeleton, imgsz=(SIDE, SIDE), data=str(dataset), licence="Apache-2.0")
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, net, card)
    return path


@pytest.fixture(scope="session")
def onnx_file(weights: Path) -> Path:
    """The same network as an ONNX file."""
    from pose_export import export

    return export(weights, format="onnx").path


@pytest.fixture(scope="session")
def photos(dataset: Path) -> Path:
    """A folder with two images."""
    return dataset.parent / "images" / "val"
