"""Programs that rewrite ONNX files: ours go through them and stay the same network with the same card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ModelCard
from pose_export import ExportResult, export, load, load_runtime

if TYPE_CHECKING:
    from onnx import ModelProto
    from pose_nn import PoseNet

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "onnxruntime")
Exported = Callable[..., ExportResult]
Simplify = Callable[["ModelProto"], "ModelProto"]


def by_onnxsim(model: ModelProto) -> ModelProto:
    import onnxsim

    return onnxsim.simplify(model)[0]  # type: ignore[no-any-return]


def by_onnxslim(model: ModelProto) -> ModelProto:
    import onnxslim

    return onnxslim.slim(model)  # type: ignore[no-any-return]


TOOLS = [
    pytest.param(by_onnxsim, marks=pytest.mark.needs("onnxsim"), id="onnxsim"),
    pytest.param(by_onnxslim, id="onnxslim"),
]
FILES = [("raw", False), ("heads", False), ("nms", False), ("raw", True)]


@pytest.fixture(scope="module")
def as_traced(net: PoseNet, card: ModelCard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torch traced it, with something left to simplify."""
    return export((net, card), output=tmp_path_factory.mktemp("traced") / "best.onnx", simplify=False).path


def rewrite(source: Path, target: Path, simplify: Simplify) -> tuple[int, int]:
    """Send a file through a tool; return its number of nodes before and after."""
    import onnx

    model = onnx.load(source)
    before = len(model.graph.node)
    simplified = simplify(model)
    onnx.save(simplified, target)
    return before, len(simplified.graph.node)


def count_same_people(source: Path, target: Path, noise: NDArray[np.uint8]) -> int:
    """Hold a file against the one that it was made of; return how many people both find."""
    before, after = load_runtime(source), load_runtime(target)
    assert after.card == before.card
    np.testing.assert_allclose(after(noise), before(noise), rtol=1e-5, atol=0.01)
    expected, poses = load(source)(noise[0]), load(target)(noise[0])
    np.testing.assert_allclose(poses.keypoints, expected.keypoints, atol=0.01)
    return len(poses)


@pytest.mark.parametrize("simplify", TOOLS)
@pytest.mark.parametrize(("contract", "dynamic"), FILES, ids=["raw", "heads", "nms", "dynamic"])
def test_our_files_go_through(
    contract: str, dynamic: bool, simplify: Simplify, exported: Exported, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    source, target = exported("onnx", contract=contract, dynamic=dynamic).path, tmp_path / "again.onnx"
    rewrite(source, target, simplify)
    assert count_same_people(source, target, noise) > 0


@pytest.mark.parametrize("simplify", TOOLS)
def test_what_was_traced_gets_smaller_and_stays_the_same(
    simplify: Simplify, as_traced: Path, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    before, after = rewrite(as_traced, tmp_path / "again.onnx", simplify)
    assert after < before
    assert count_same_people(as_traced, tmp_path / "again.onnx", noise) > 0
