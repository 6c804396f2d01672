"""ncnn models: what is read of them before ncnn does, which says nothing of a damaged one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError
from pose_export import ExportResult, load_runtime

pytestmark = pytest.mark.needs("ncnn", "pnnx", "torch", "pose_nn")
Exported = Callable[..., ExportResult]


@pytest.fixture
def copied(exported: Exported, tmp_path: Path) -> Path:
    """A folder of its own, to be damaged."""
    return Path(shutil.copytree(exported("ncnn").path, tmp_path / "best_ncnn_model"))


def test_images_of_a_batch_go_through_one_by_one(exported: Exported, noise: NDArray[np.uint8]) -> None:
    runtime = load_runtime(exported("ncnn").path)
    both = runtime(noise)
    np.testing.assert_allclose(both[1:], runtime(noise[1:]), atol=1e-4)
    assert np.abs(both[0] - both[1]).max() > 1


def test_only_the_model_and_its_card_are_in_the_folder(exported: Exported) -> None:
    names = sorted(file.name for file in exported("ncnn").path.iterdir())
    assert names == ["metadata.yaml", "model.ncnn.bin", "model.ncnn.param"]


def test_cut_off_weights_are_refused(copied: Path) -> None:
    weights = copied / "model.ncnn.bin"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ExportError, match=r"model\.ncnn\.bin: must be .* bytes, .*; got 1,000 bytes"):
        load_runtime(copied)


def test_cut_off_graph_of_another_program_is_refused(copied: Path, exported: Exported) -> None:
    (copied / "metadata.yaml").unlink()
    graph = copied / "model.ncnn.param"
    graph.write_text("\n".join(graph.read_text(encoding="utf-8").split("\n")[:50]), encoding="utf-8")
    with pytest.raises(ExportError, match=r"model\.ncnn\.param: must have \d+ layers, as it says; got 48"):
        load_runtime(copied, card=exported("ncnn").card)


def test_graph_that_is_none_is_refused(copied: Path) -> None:
    (copied / "metadata.yaml").unlink()
    (copied / "model.ncnn.param").write_text("words", encoding="utf-8")
    with pytest.raises(ExportError, match=r"must begin with ncnn's 7767517; got 'words'"):
        load_runtime(copied)


def test_card_of_another_size_is_refused(copied: Path, exported: Exported) -> None:
    other = replace(exported("ncnn").card, imgsz=(96, 96))
    with pytest.raises(ExportError, match=r"its card promises 189 anchors \(96x96\), the file has 84"):
        load_runtime(copied, card=other)


def test_model_without_a_card_asks_for_one(copied: Path) -> None:
    (copied / "metadata.yaml").unlink()
    with pytest.raises(ExportError, match=r"model card; .*card=ModelCard"):
        load_runtime(copied)
