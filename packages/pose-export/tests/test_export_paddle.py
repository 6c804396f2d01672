"""Paddle inference models, run by Paddle in this process and in one of its own."""

from __future__ import annotations

import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, Poses
from pose_export import ExportResult, load, load_runtime

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "paddle")
Exported = Callable[..., ExportResult]
SelectTwoClasses = Callable[[str], tuple[list[Poses], list[Poses]]]
AssertSamePeople = Callable[..., None]


@pytest.mark.parametrize("contract", ["raw", "rows", "normalised", "heads"])
def test_folder_gives_what_the_network_gives(contract: str, exported: Exported, noise: NDArray[np.uint8]) -> None:
    result, expected = exported("paddle", contract=contract), exported("onnx")
    np.testing.assert_allclose(
        load_runtime(result.path)(noise), load_runtime(expected.path)(noise), rtol=1e-4, atol=0.01
    )


def test_people_are_selected_in_the_file(
    exported: Exported, noise: NDArray[np.uint8], assert_same_people: AssertSamePeople
) -> None:
    result = exported("paddle", contract="nms")
    assert (result.status, result.card.contract) == ("passed", "nms")
    assert_same_people([load(result.path)(noise[0])], [load(exported("paddle").path)(noise[0])])


def test_people_of_each_class_are_selected_by_themselves(
    select_two_classes: SelectTwoClasses, assert_same_people: AssertSamePeople
) -> None:
    found, expected = select_two_classes("paddle")
    assert [set(people.labels) for people in found] == [{0, 1}, {0, 1}]
    assert_same_people(found, expected)


def test_card_is_beside_the_network(exported: Exported) -> None:
    result = exported("paddle")
    assert sorted(path.name for path in result.path.iterdir()) == ["metadata.yaml", "model.json", "model.pdiparams"]
    assert load_runtime(result.path).card == result.card
    assert "paddle " in result.card.facts["tools"]


def test_where_tensorflow_was_imported_paddle_runs_beside(
    exported: Exported, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported("paddle").path
    expected = load_runtime(path)(noise)
    monkeypatch.delitem(sys.modules, "paddle", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    beside = load_runtime(path)
    assert "paddle" not in sys.modules
    np.testing.assert_array_equal(beside(noise), expected)


def test_damaged_graph_is_refused(exported: Exported, tmp_path: Path) -> None:
    result, broken = exported("paddle"), tmp_path / "best_paddle_model"
    shutil.copytree(result.path, broken)
    (broken / "metadata.yaml").unlink()
    (broken / "model.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ExportError, match=r"must be a whole Paddle model"):
        load(broken, card=result.card)


def test_cut_off_weights_are_refused(exported: Exported, tmp_path: Path) -> None:
    broken = tmp_path / "best_paddle_model"
    shutil.copytree(exported("paddle").path, broken)
    weights = broken / "model.pdiparams"
    weights.write_bytes(weights.read_bytes()[:100_000])
    with pytest.raises(ExportError, match=r"model\.pdiparams: must be [\d,]+ bytes.*got 100,000 bytes"):
        load(broken)
