"""SavedModel folders and frozen graphs, run by TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Poses
from pose_export import ExportResult, benchmark, export, load, load_runtime

if TYPE_CHECKING:
    from pose_nn import PoseNet

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "tensorflow")
Exported = Callable[..., ExportResult]
SelectTwoClasses = Callable[[str], tuple[list[Poses], list[Poses]]]
AssertSamePeople = Callable[..., None]
FORMATS = ["saved_model", "pb"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("contract", ["raw", "rows", "normalised", "heads"])
def test_file_gives_what_the_network_gives(
    name: str, contract: str, exported: Exported, noise: NDArray[np.uint8]
) -> None:
    result, expected = exported(name, contract=contract), exported("onnx")
    assert result.status == "passed"
    np.testing.assert_allclose(
        load_runtime(result.path)(noise), load_runtime(expected.path)(noise), rtol=1e-4, atol=0.01
    )


@pytest.mark.parametrize("name", FORMATS)
def test_people_are_selected_in_the_file(name: str, exported: Exported, noise: NDArray[np.uint8]) -> None:
    result = exported(name, contract="nms")
    found, expected = load(result.path)(noise[0]), load(exported(name).path)(noise[0])
    assert result.status == "passed"
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.01)


@pytest.mark.parametrize("name", FORMATS)
def test_people_of_each_class_are_selected_by_themselves(
    name: str, select_two_classes: SelectTwoClasses, assert_same_people: AssertSamePeople
) -> None:
    found, expected = select_two_classes(name)
    assert [set(people.labels) for people in found] == [{0, 1}, {0, 1}]
    assert_same_people(found, expected)


@pytest.mark.parametrize("name", FORMATS)
def test_card_is_read_back(name: str, exported: Exported) -> None:
    result = exported(name)
    assert load_runtime(result.path).card == result.card
    assert result.card.facts["gate"] == "passed"
    assert "tensorflow " in result.card.facts["tools"]


def test_size_and_batch_are_those_asked_for(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    result = export((net, card), format="pb", output=tmp_path / "best.pb", batch=2, imgsz=(32, 96))
    runtime = load_runtime(result.path)
    assert runtime.card.batch == 2
    assert runtime(np.zeros((3, 32, 96, 3), np.uint8)).shape == (3, 14, 63)


def test_signature_is_what_serving_looks_for(exported: Exported) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(exported("saved_model").path))
    function = loaded.signatures["serving_default"]
    ((), inputs) = function.structured_input_signature
    assert {name: spec.shape.as_list() for name, spec in inputs.items()} == {"images": [1, 64, 64, 3]}
    assert {name: t.shape.as_list() for name, t in function.structured_outputs.items()} == {"output0": [1, 14, 84]}


@pytest.mark.parametrize("name", FORMATS)
def test_cut_off_file_is_refused(name: str, exported: Exported, tmp_path: Path) -> None:
    source = exported(name).path
    target = tmp_path / source.name
    whole, broken = (source / "saved_model.pb", target / "saved_model.pb") if source.is_dir() else (source, target)
    broken.parent.mkdir(exist_ok=True)
    broken.write_bytes(whole.read_bytes()[:100_000])
    with pytest.raises(ExportError, match=r"must be a whole (SavedModel|frozen graph)"):
        load(target)


@pytest.mark.parametrize("name", FORMATS)
def test_threads_are_for_formats_that_can_be_told(name: str, net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    (one,) = benchmark((net, card), formats=[name], output=tmp_path, calls=1, threads=1)
    assert one.times is not None, one.status


def test_empty_frozen_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "best.pb").touch()
    with pytest.raises(ExportError, match=r"must be a whole frozen graph .*; it says: it has 0 inputs and 0 outputs"):
        load(tmp_path / "best.pb")


def test_folder_without_its_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "best_saved_model").mkdir()
    with pytest.raises(ExportError, match=r"it has no saved_model\.pb"):
        load(tmp_path / "best_saved_model")
