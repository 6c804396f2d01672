"""OpenVINO models: their precision, their card, and folders that can't be run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from pose_data import ExportError
from pose_export import ExportResult, load_runtime

pytestmark = pytest.mark.needs("openvino", "torch", "pose_nn", "onnx", "onnxslim")
Exported = Callable[..., ExportResult]


@pytest.fixture
def copied(exported: Exported, tmp_path: Path) -> Path:
    """A folder of its own, to be damaged."""
    return Path(shutil.copytree(exported("openvino").path, tmp_path / "best_openvino_model"))


def test_model_is_compiled_at_the_precision_of_its_card(exported: Exported) -> None:
    import openvino

    runtime = load_runtime(exported("openvino").path)
    hint = runtime._compiled.get_property("INFERENCE_PRECISION_HINT")  # type: ignore[attr-defined]
    assert hint == openvino.Type.f32  # left to itself it takes bfloat16 where the processor has it
    assert runtime.device == "CPU"  # type: ignore[attr-defined]


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_weights_in_16_bit_are_never_run_in_bfloat16(exported: Exported, device: str) -> None:
    runtime = load_runtime(exported("openvino", half=True).path, device=device)
    facts = [layer.get_rt_info() for layer in runtime._compiled.get_runtime_model().get_ops()]  # type: ignore[attr-defined]
    precisions = {fact["runtimePrecision"].astype(str) for fact in facts if "runtimePrecision" in fact}
    assert precisions & {"f16", "f32"}
    assert "bf16" not in precisions


def test_folder_has_the_model_and_what_readers_look_for(exported: Exported) -> None:
    path = exported("openvino").path
    assert sorted(file.name for file in path.iterdir()) == ["metadata.yaml", "model.bin", "model.xml"]
    metadata = yaml.safe_load((path / "metadata.yaml").read_text(encoding="utf-8"))
    assert (metadata["task"], metadata["imgsz"], metadata["names"]) == ("pose", "[64, 64]", "{0: 'person'}")


def test_card_is_in_the_model_too(copied: Path, exported: Exported) -> None:
    (copied / "metadata.yaml").unlink()
    assert load_runtime(copied).file_card == exported("openvino").card  # type: ignore[attr-defined]


def test_threads_are_taken_as_asked(exported: Exported) -> None:
    runtime = load_runtime(exported("openvino").path, threads=1)
    assert runtime._compiled.get_property("INFERENCE_NUM_THREADS") == 1  # type: ignore[attr-defined]


def test_results_of_two_calls_do_not_share_memory(exported: Exported, noise: NDArray[np.uint8]) -> None:
    runtime = load_runtime(exported("openvino").path)
    first = runtime(noise[:1])
    before = first.copy()
    runtime(noise[1:])
    np.testing.assert_array_equal(first, before)


def test_device_that_is_not_here_names_those_that_are(exported: Exported) -> None:
    with pytest.raises(ExportError, match=r"device must be one that OpenVINO has here, .*CPU.*; got 'NPU'"):
        load_runtime(exported("openvino").path, device="npu")


def test_cut_off_weights_are_refused(copied: Path) -> None:
    weights = copied / "model.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ExportError, match=rf"model\.bin: must be {len(whole):,} bytes.*copy the whole folder"):
        load_runtime(copied)


def test_cut_off_graph_is_refused(copied: Path) -> None:
    graph = copied / "model.xml"
    (copied / "metadata.yaml").unlink()
    graph.write_text(graph.read_text(encoding="utf-8")[:5000], encoding="utf-8")
    with pytest.raises(ExportError, match=r"must be a whole OpenVINO model") as caught:
        load_runtime(copied)
    assert "\n" not in str(caught.value)


def test_folder_without_a_part_is_refused(copied: Path) -> None:
    (copied / "model.bin").unlink()
    with pytest.raises(ExportError, match=r"must be a whole openvino folder; it has no model\.bin"):
        load_runtime(copied)


def test_card_that_lies_about_the_shape_is_refused(copied: Path, exported: Exported) -> None:
    from dataclasses import replace

    other = replace(exported("openvino").card, imgsz=(96, 64))
    with pytest.raises(ExportError, match=r"input height 96, the file has 64"):
        load_runtime(copied, card=other)


def test_metadata_that_is_no_yaml_is_refused(copied: Path) -> None:
    (copied / "metadata.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ExportError, match=r"metadata\.yaml: must be YAML") as caught:
        load_runtime(copied)
    assert "\n" not in str(caught.value)
