"""TF.js graph models, run by node on its WebAssembly backend."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, Poses
from pose_export import ExportResult, load, load_runtime

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "tensorflow", "node")
Exported = Callable[..., ExportResult]
SelectTwoClasses = Callable[[str], tuple[list[Poses], list[Poses]]]
AssertSamePeople = Callable[..., None]


@pytest.mark.parametrize("contract", ["raw", "rows", "normalised", "heads"])
def test_folder_gives_what_the_network_gives(contract: str, exported: Exported, noise: NDArray[np.uint8]) -> None:
    result, expected = exported("tfjs", contract=contract), exported("onnx")
    np.testing.assert_allclose(
        load_runtime(result.path)(noise), load_runtime(expected.path)(noise), rtol=1e-4, atol=0.01
    )


def test_people_are_selected_in_the_file(
    exported: Exported, noise: NDArray[np.uint8], assert_same_people: AssertSamePeople
) -> None:
    result = exported("tfjs", contract="nms")
    assert (result.status, result.card.contract) == ("passed", "nms")
    assert_same_people([load(result.path)(noise[0])], [load(exported("tfjs").path)(noise[0])])


def test_people_of_each_class_are_selected_by_themselves(
    select_two_classes: SelectTwoClasses, assert_same_people: AssertSamePeople
) -> None:
    found, expected = select_two_classes("tfjs")
    assert [set(people.labels) for people in found] == [{0, 1}, {0, 1}]
    assert_same_people(found, expected)


def test_sixteen_bits_halve_the_folder_and_keep_the_pose(exported: Exported) -> None:
    half = exported("tfjs", half=True)
    assert half.megabytes == pytest.approx(exported("tfjs").megabytes / 2, rel=0.1)
    assert half.parity is not None
    assert half.parity.within[2] > 0.999


def test_card_is_where_readers_of_the_format_look(exported: Exported) -> None:
    result = exported("tfjs")
    metadata = json.loads((result.path / "model.json").read_text(encoding="utf-8"))["userDefinedMetadata"]
    assert metadata["pose_card"] == result.card.to_json()
    assert (metadata["task"], metadata["kpt_shape"]) == ("pose", "[3, 3]")
    assert load_runtime(result.path).card == result.card


def test_weights_are_in_pieces_that_browsers_keep(exported: Exported) -> None:
    folder = exported("tfjs").path
    (group,) = json.loads((folder / "model.json").read_text(encoding="utf-8"))["weightsManifest"]
    sizes = [(folder / name).stat().st_size for name in group["paths"]]
    assert len(sizes) == 3
    assert sizes[:-1] == [4 * 1024 * 1024] * 2
    assert sum(sizes) == sum(4 * int(np.prod(weight["shape"])) for weight in group["weights"])


def test_missing_piece_is_named(exported: Exported, tmp_path: Path) -> None:
    broken = tmp_path / "best_web_model"
    shutil.copytree(exported("tfjs").path, broken)
    (broken / "group1-shard2of3.bin").unlink()
    with pytest.raises(ExportError, match=r"can't be run: ENOENT.*group1-shard2of3\.bin"):
        load(broken)


def test_missing_node_is_named(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    path = exported("tfjs").path
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExportError, match=r"needs node 18 or later; it is not on the PATH"):
        load(path)


def test_missing_packages_of_node_give_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pose_export.run.tfjs import check_node

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NODE_PATH", raising=False)
    with pytest.raises(ExportError, match=r"npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm"):
        check_node()
