"""Every format against the network that it was made from, and what is written into the files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard
from pose_export import FORMATS, ExportResult, export, load, load_runtime

if TYPE_CHECKING:
    from pose_nn import PoseNet

torch = pytest.importorskip("torch")
pytest.importorskip("pose_nn")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxslim")

Exported = Callable[..., ExportResult]
NAMES = [row.name for row in FORMATS if not row.why_not_run and not row.int8_only]
HALF = [row.name for row in FORMATS if "half" in row.options and not row.why_not_run]
DYNAMIC = [row.name for row in FORMATS if "dynamic" in row.options and not row.why_not_run]


def run_torch(net: PoseNet, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The network itself, not fused, without any of this project's runtimes."""
    with torch.no_grad():
        output: NDArray[np.float32] = net(torch.from_numpy(images.transpose(0, 3, 1, 2) / np.float32(255))).numpy()
    return output


@pytest.mark.parametrize("name", NAMES)
def test_every_format_gives_what_the_network_gives(
    name: str, exported: Exported, net: PoseNet, noise: NDArray[np.uint8]
) -> None:
    result = exported(name)
    assert result.parity.box_max < 0.01
    np.testing.assert_allclose(load_runtime(result.path)(noise), run_torch(net, noise), rtol=1e-4, atol=0.01)


@pytest.mark.parametrize("name", HALF)
def test_sixteen_bits_halve_the_file_and_keep_the_pose(name: str, exported: Exported) -> None:
    full, half = exported(name), exported(name, half=True)
    assert half.megabytes == pytest.approx(full.megabytes / 2, rel=0.1)  # graphs written as text stay as long
    assert half.card.precision == "float16"
    assert half.parity.within[2] > 0.999


@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic_file_takes_other_sizes_and_batches(name: str, exported: Exported, net: PoseNet) -> None:
    runtime = load_runtime(exported(name, dynamic=True).path)
    assert runtime.card.dynamic
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 96, 3), np.uint8)
    np.testing.assert_allclose(runtime(images), run_torch(net, images), rtol=1e-4, atol=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_every_format_gives_the_same_poses(name: str, exported: Exported, noise: NDArray[np.uint8]) -> None:
    expected, poses = (load(exported(one).path)(noise[0]) for one in ("onnx", name))
    assert len(poses) == len(expected) > 0
    np.testing.assert_allclose(poses.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(poses.keypoints, expected.keypoints, atol=0.01)


def test_fixed_batch_and_size_are_written_into_the_file(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    result = export((net, card), output=tmp_path / "best.onnx", batch=2, imgsz=(32, 64), simplify=False)
    model = onnx.load(result.path)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [2, 3, 32, 64]
    assert [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim] == [2, 14, 42]
    assert (result.card.batch, result.card.imgsz) == (2, (32, 64))
    assert load_runtime(result.path)(np.zeros((3, 32, 64, 3), np.uint8)).shape == (3, 14, 42)


@pytest.mark.parametrize("opset", [11, 20])
def test_opset_is_the_one_that_was_asked_for(opset: int, net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    model = onnx.load(export((net, card), output=tmp_path / "best.onnx", opset=opset, simplify=False).path)
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": opset}


def test_graph_that_is_not_simplified_has_more_nodes(
    exported: Exported, net: PoseNet, card: ModelCard, tmp_path: Path
) -> None:
    full = export((net, card), output=tmp_path / "full.onnx", simplify=False)
    assert len(onnx.load(full.path).graph.node) > len(onnx.load(exported("onnx").path).graph.node)


def test_file_has_the_names_and_keys_that_readers_look_for(exported: Exported) -> None:
    model = onnx.load(exported("onnx").path)
    assert [entry.name for entry in model.graph.input] == ["images"]
    assert [entry.name for entry in model.graph.output] == ["output0"]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata.pop("pose_card")
    assert metadata == {
        "task": "pose",
        "stride": "32",
        "batch": "1",
        "imgsz": "[64, 64]",
        "names": "{0: 'person'}",
        "kpt_shape": "[3, 3]",
    }


def test_native_file_has_the_public_keys_of_the_onnx_file(
    exported: Exported, net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    safetensors = pytest.importorskip("safetensors")
    written = {entry.key: entry.value for entry in onnx.load(exported("onnx").path).metadata_props}
    del written["pose_card"]
    with safetensors.safe_open(exported("safetensors").path, framework="pt") as file:
        header = file.metadata()
    export((net, card), format="safetensors", output=tmp_path / "best.pt", images=list(noise))
    document = torch.load(tmp_path / "best.pt", weights_only=True)
    assert written.keys() == {"task", "stride", "batch", "imgsz", "names", "kpt_shape"}
    assert {key: header[key] for key in written} == {key: document[key] for key in written} == written


def test_dynamic_lengths_have_names(exported: Exported) -> None:
    graph = onnx.load(exported("onnx", dynamic=True).path).graph
    lengths = [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    assert lengths == ["batch", 3, "height", "width"]
    assert [d.dim_param or d.dim_value for d in graph.output[0].type.tensor_type.shape.dim] == ["batch", 14, "anchors"]


def test_file_says_nothing_of_the_machine_it_was_made_on(exported: Exported) -> None:
    content = exported("onnx").path.read_bytes()
    for folder in (Path(__file__).parent, Path(onnx.__file__).parent, exported("onnx").path.parent):
        assert str(folder).encode() not in content
    assert not any(node.doc_string for node in onnx.load(exported("onnx").path).graph.node)


@pytest.mark.parametrize("name", NAMES)
def test_card_in_the_file_carries_licence_and_parity(name: str, exported: Exported) -> None:
    result = exported(name)
    card = getattr(load_runtime(result.path), "file_card", result.card)
    assert card == result.card
    assert (card.licence, card.provenance) == ("Apache-2.0", "made by a test")
    assert card.facts["gate"] == "passed"
    assert card.facts["parity"] == result.parity.to_text()


def test_card_names_the_tools(exported: Exported) -> None:
    facts = exported("onnx").card.facts
    assert facts["opset"] == "17"
    assert f"torch {torch.__version__}, onnx {onnx.__version__}, onnxslim " in facts["tools"]


def test_network_is_left_as_it_was(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    export((net, card), format="torchscript", output=tmp_path / "best.torchscript", half=True)
    after = net.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_predictions_with_an_onnx_file_need_no_torch(exported: Exported) -> None:
    code = (
        "import sys, numpy, pose_export\n"
        f"predictor = pose_export.load({str(exported('onnx').path)!r}, conf=0.01)\n"
        "poses = predictor(numpy.zeros((80, 60, 3), numpy.uint8))\n"
        "assert len(poses) > 0 and poses.keypoints.shape[1:] == (3, 2)\n"
        "print([name for name in ('torch', 'pose_nn', 'onnx', 'onnxslim', 'safetensors') if name in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


@pytest.mark.parametrize("options", [{}, {"half": True}, {"dynamic": True, "nms": True}], ids=["plain", "half", "nms"])
def test_optimised_torchscript_gives_the_same_and_is_smaller(
    options: dict[str, Any], net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    made = [
        export((net, card), format="torchscript", output=tmp_path / f"{name}.torchscript", images=list(noise), **asked)
        for name, asked in (("usual", options), ("optimised", {**options, "optimize": True}))
    ]
    usual, optimised = (load_runtime(result.path)(noise[:1]) for result in made)
    np.testing.assert_allclose(optimised, usual, atol=1e-4)
    assert (made[1].status, made[1].megabytes < made[0].megabytes) == ("passed", True)


def test_torchscript_gets_a_view_of_one_image_in_the_order_of_its_pixels(
    exported: Callable[..., ExportResult], noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    runtime = load_runtime(exported("torchscript").path)
    given: list[torch.Tensor] = []
    module = runtime._module  # type: ignore[attr-defined]
    monkeypatch.setattr(runtime, "_module", lambda planes: given.append(planes) or module(planes))
    view = noise[0][None]
    assert view.strides[0] == 0
    np.testing.assert_allclose(runtime(view), runtime(noise[:1]), atol=1e-4)
    assert [planes.is_contiguous(memory_format=torch.channels_last) for planes in given] == [True, True]


def test_only_torchscript_is_optimised(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"format 'onnx' takes the options .*; got 'optimize'; leave it out"):
        export((net, card), output=tmp_path / "a.onnx", optimize=True)


@pytest.mark.parametrize("half", [False, True])
def test_native_file_is_also_written_for_plain_torch(
    half: bool, net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    output = tmp_path / "best.pt"
    result = export((net, card), format="safetensors", output=output, half=half, images=list(noise), force=half)
    opened = torch.load(output, weights_only=True)
    kinds = {tensor.dtype for key in opened if isinstance(opened[key], dict) for tensor in opened[key].values()}
    assert (torch.float16 in kinds, result.path) == (half, output)
    assert load_runtime(output).card.precision == result.card.precision
