"""Networks with seeded weights, cards, and files that look like other people's."""

import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pose_data import ModelCard, Skeleton
from pose_nn import PoseNet, build_network

ORACLES = Path(__file__).parent / "oracles"
THREE = Skeleton(names=("head", "left", "right"), mirror=((1, 2),), edges=((0, 1), (0, 2)), sigmas=(0.1, 0.1, 0.1))


def _load_seeded_weights() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("seeded_weights", ORACLES / "seeded_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def seeded() -> types.ModuleType:
    """The maker of weights and images."""
    return _load_seeded_weights()


@pytest.fixture(scope="session")
def fill(seeded) -> Callable[[PoseNet], PoseNet]:
    """Fills a network with seeded weights, in evaluation mode."""

    def fill_net(net: PoseNet) -> PoseNet:
        net = net.to_empty(device="cpu")
        state = seeded.seeded_state({name: tuple(tensor.shape) for name, tensor in net.state_dict().items()})
        net.load_state_dict({name: torch.from_numpy(np.asarray(array)) for name, array in state.items()})
        return net.eval()

    return fill_net


@pytest.fixture(scope="session")
def build_seeded(fill) -> Callable[..., PoseNet]:
    """Builds a network by name with seeded weights."""

    def build(name: str, **shape: object) -> PoseNet:
        with torch.device("meta"):
            net = build_network(name, **shape)
        return fill(net)

    return build


@pytest.fixture(scope="session")
def small(build_seeded) -> PoseNet:
    """n with 2 classes and 3 keypoints; not to be changed by a test."""
    return build_seeded("yolov8n-pose", num_classes=2, kpt_shape=(3, 3))


@pytest.fixture
def card() -> ModelCard:
    """The card of `small`."""
    return ModelCard(
        architecture="yolov8n-pose",
        names=("cat", "dog"),
        skeleton=THREE,
        imgsz=(96, 64),
        data="pets.yaml",
        licence="CC0-1.0",
        provenance="made in a test",
        facts={"ap": "0.5"},
    )


FOREIGN_CLASSES = {
    "PoseNet": "ultralytics.nn.tasks.PoseModel",
    "ConvBlock": "ultralytics.nn.modules.conv.Conv",
    "Concat": "ultralytics.nn.modules.conv.Concat",
    "C2f": "ultralytics.nn.modules.block.C2f",
    "C2": "ultralytics.nn.modules.block.C2",
    "Bottleneck": "ultralytics.nn.modules.block.Bottleneck",
    "SPPF": "ultralytics.nn.modules.block.SPPF",
    "DistanceBins": "ultralytics.nn.modules.block.DFL",
    "PoseHead": "ultralytics.nn.modules.head.Pose",
}


@pytest.fixture
def save_foreign(monkeypatch, tmp_path) -> Callable[..., Path]:
    """Saves a network as other people do: the module pickled whole, its classes named as theirs.

    Only the names are theirs: the classes are empty, and gone when the test ends.
    """

    def save(net: PoseNet, *, attributes: dict, document: dict | None = None, classes: dict | None = None) -> Path:
        for module in net.modules():
            full = {**FOREIGN_CLASSES, **(classes or {})}.get(type(module).__name__)
            if full is None:
                continue
            package, _, name = full.rpartition(".")
            parts = package.split(".")
            for parent in (".".join(parts[:i]) for i in range(1, len(parts) + 1)):
                if parent not in sys.modules:
                    monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
            holder = sys.modules[package]
            if not hasattr(holder, name):
                setattr(holder, name, type(name, (torch.nn.Module,), {"__module__": package}))
            kept = {key: value for key, value in module.__dict__.items() if key.startswith("_") or key == "training"}
            kept.pop("_kept", None)
            module.__class__ = getattr(holder, name)
            module.__dict__.clear()
            module.__dict__.update(kept)
        for name, value in attributes.items():
            setattr(net, name, value)
        path = tmp_path / "foreign.pt"
        torch.save({"model": net.half(), "ema": None, **(document or {})}, path)
        return path

    return save
