"""What outputs mean: every contract comes back to the same poses, here and in the decoders for client authors."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Poses, cxcywh_from_xyxy, select
from pose_export import CONTRACTS, ExportResult, export, get_format, load, load_runtime
from pose_export.contracts import output_shapes, to_raw
from pose_export.options import CANDIDATES, ConvertOptions, check_contract

if TYPE_CHECKING:
    from pose_nn import PoseNet

Exported = Callable[..., ExportResult]
SelectTwoClasses = Callable[[str], tuple[list[Poses], list[Poses]]]
AssertSamePeople = Callable[..., None]
Outputs = list[NDArray[np.float32]]
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
needs_examples = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples aren't beside the tests here")
SIZE = (64, 64)
BOX = np.float32([8, 16, 24, 48])  # of the person at anchor 10 of `planted`, xyxy
POINTS = np.float32([[10, 20], [16, 32], [22, 44]])


def golden(contract: str, planted: NDArray[np.float32]) -> Outputs:
    """What a file of a contract returns for the one person of `planted`, written down from the contract's words."""
    if contract == "raw":
        return [planted]
    if contract == "normalised":
        scaled = planted / 64
        scaled[:, [4, 7, 10, 13]] = planted[:, [4, 7, 10, 13]]
        return [scaled]
    if contract == "rows":
        rows = planted.transpose(0, 2, 1).copy()
        rows[0, 10, :4] = BOX
        return [rows]
    if contract == "nms":
        found = np.zeros((1, 5, 15), np.float32)
        found[0, 0] = [*BOX, 0.9, 0, 10, 20, 0.8, 16, 32, 0.7, 22, 44, 0.6]
        return [found]
    return golden_heads()


def golden_heads() -> Outputs:
    """Logits of the same person at cell (row 3, column 2) of stride 8, whose centre is at (20, 28)."""
    shapes = output_shapes(make_card("heads"), batch=1, size=SIZE)
    outputs = [np.full(shape, -20, np.float32) for shape in shapes.values()]
    boxes, scores, points = (output[0, :, 3, 2] for output in outputs[:3])
    boxes[:] = np.float32([distance_logits(d) for d in (1.5, 1.5, 0.5, 2.5)]).reshape(-1)  # cells to each side
    scores[0] = np.log(0.9 / 0.1)
    for i, (x, y) in enumerate(POINTS):
        score = (0.8, 0.7, 0.6)[i]
        points[3 * i : 3 * i + 3] = [(x / 8 - 2) / 2, (y / 8 - 3) / 2, np.log(score / (1 - score))]
    return outputs


def distance_logits(distance: float) -> list[float]:
    """Half of the weight on the bin below and half on the bin above: their mean is in the middle."""
    return [0.0 if abs(bin_ - distance) < 1 else -40.0 for bin_ in range(16)]


def make_card(contract: str) -> ModelCard:
    from pose_data import Skeleton

    points = Skeleton(("nose", "left_hand", "right_hand"))
    return ModelCard("yolov8n-pose", ("person",), points, imgsz=SIZE, dynamic=False, contract=contract)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_planted_person_comes_back_from_every_contract(contract: str, planted: NDArray[np.float32]) -> None:
    outputs, card = golden(contract, planted), make_card(contract)
    assert [o.shape for o in outputs] == [
        tuple(5 if n is None else n for n in shape) for shape in output_shapes(card, batch=1, size=SIZE).values()
    ]
    (poses,) = select(to_raw(outputs, card, size=SIZE), num_classes=1, keypoint_dims=3, conf=0.25, iou=0.7)
    np.testing.assert_allclose(poses.boxes, [BOX], atol=1e-4)
    np.testing.assert_allclose(poses.scores, [0.9], atol=1e-6)
    np.testing.assert_allclose(poses.keypoints, [POINTS], atol=1e-4)
    np.testing.assert_allclose(poses.keypoint_scores, [[0.8, 0.7, 0.6]], atol=1e-6)


@needs_examples
@pytest.mark.parametrize("contract", CONTRACTS)
def test_golden_files_are_what_the_words_of_the_contract_say(contract: str, planted: NDArray[np.float32]) -> None:
    document = json.loads((EXAMPLES / "golden" / f"{contract}.json").read_text(encoding="utf-8"))
    assert document["card"] == json.loads(make_card(contract).to_json())
    assert document["size"] == list(SIZE)
    for stored, output in zip(document["outputs"], golden(contract, planted), strict=True):
        assert stored["dims"] == list(output.shape)
        np.testing.assert_allclose(stored["data"], output.ravel(), rtol=1e-5)
    (person,) = document["people"]
    np.testing.assert_allclose(person["box"], BOX)
    np.testing.assert_allclose(person["keypoints"], [[*xy, s] for xy, s in zip(POINTS, (0.8, 0.7, 0.6), strict=True)])
    assert (person["score"], person["label"]) == (0.9, 0)


@needs_examples
@pytest.mark.parametrize("contract", CONTRACTS)
def test_decoder_in_numpy_finds_the_planted_person(contract: str, planted: NDArray[np.float32]) -> None:
    card = json.loads(make_card(contract).to_json())
    boxes, scores, labels, keypoints = python_decoder().decode(golden(contract, planted), card, size=SIZE)
    np.testing.assert_allclose(boxes, [BOX], atol=1e-4)
    assert (scores.round(4).tolist(), labels.tolist()) == ([pytest.approx(0.9)], [0])
    np.testing.assert_allclose(keypoints[0, :, :2], POINTS, atol=1e-4)


@needs_examples
@pytest.mark.skipif(shutil.which("node") is None, reason="node isn't installed")
def test_decoder_in_javascript_finds_the_planted_person(planted: NDArray[np.float32], tmp_path: Path) -> None:
    cases = {
        contract: {
            "card": json.loads(make_card(contract).to_json()),
            "outputs": [{"dims": o.shape, "data": o.ravel().tolist()} for o in golden(contract, planted)],
        }
        for contract in CONTRACTS
    }
    (tmp_path / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    (tmp_path / "run.mjs").write_text(
        f"import {{ decode }} from {json.dumps((EXAMPLES / 'decode.mjs').as_uri())};\n"
        'import { readFileSync } from "node:fs";\n'
        'const cases = JSON.parse(readFileSync(new URL("cases.json", import.meta.url)));\n'
        "const size = { height: 64, width: 64 };\n"
        "for (const key in cases) cases[key] = decode(cases[key].outputs, cases[key].card, size);\n"
        "console.log(JSON.stringify(cases));\n",
        encoding="utf-8",
    )
    done = subprocess.run(["node", str(tmp_path / "run.mjs")], capture_output=True, text=True, check=True)
    for contract, people in json.loads(done.stdout).items():
        (person,) = people
        np.testing.assert_allclose(person["box"], BOX, atol=1e-4, err_msg=contract)
        assert (round(person["score"], 4), person["label"]) == (0.9, 0)
        np.testing.assert_allclose(np.array(person["keypoints"])[:, :2], POINTS, atol=1e-4)


@needs_examples
@pytest.mark.parametrize("contract", ["raw", "rows", "normalised", "heads"])
@pytest.mark.parametrize(("stride", "dims"), [(32, 3), (64, 3), (32, 2)])
def test_decoder_in_numpy_finds_what_a_predictor_finds(contract: str, stride: int, dims: int) -> None:
    size = (64, 128)
    points = make_card(contract).skeleton
    card = ModelCard("a", ("cat", "dog"), points, dims, stride, imgsz=size, dynamic=False, contract=contract)
    generator = np.random.default_rng(1)
    shapes = output_shapes(card, batch=1, size=size)
    outputs = [generator.normal(0, 1, [n or 1 for n in shape]).astype(np.float32) for shape in shapes.values()]
    if contract != "heads":  # random boxes of some width, and scores between 0 and 1
        (rows,) = outputs if contract == "rows" else [outputs[0].transpose(0, 2, 1)]
        rows[..., 4:6] = generator.uniform(0, 1, rows[..., 4:6].shape)
        rows[..., 2:4] = np.abs(rows[..., 2:4]) + (rows[..., :2] if contract == "rows" else 0)
    (expected,) = select(to_raw(outputs, card, size=size), num_classes=2, keypoint_dims=dims, conf=0.6, iou=0.7)
    boxes, scores, labels, keypoints = python_decoder().decode(outputs, json.loads(card.to_json()), size=size, conf=0.6)
    assert len(expected) > 3
    np.testing.assert_allclose(scores, expected.scores, rtol=1e-5)
    np.testing.assert_array_equal(labels, expected.labels)
    np.testing.assert_allclose(boxes, expected.boxes, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(keypoints[..., :2], expected.keypoints, rtol=1e-4, atol=1e-3)


@needs_examples
def test_decoders_keep_the_better_of_two_boxes(planted: NDArray[np.float32]) -> None:
    twice = planted.copy()
    twice[0, :, 11] = planted[0, :, 10]
    twice[0, 4, 11] = 0.8
    card = json.loads(make_card("raw").to_json())
    assert python_decoder().decode([twice], card, size=SIZE)[1].tolist() == [pytest.approx(0.9)]


@pytest.mark.parametrize("name", ["onnx", "torchscript", "openvino"])
@pytest.mark.parametrize("contract", ["rows", "normalised", "heads", "nms"])
def test_every_contract_gives_the_poses_of_the_raw_one(
    contract: str, name: str, exported: Exported, noise: NDArray[np.uint8]
) -> None:
    result = exported(name, contract=contract)
    assert (result.status, result.card.contract) == ("passed", contract)
    runtime = load_runtime(result.path)
    assert (runtime.card.contract, runtime.file_card.contract) == ("raw", contract)  # type: ignore[attr-defined]
    found, expected = load(result.path)(noise[0]), load(exported(name).path)(noise[0])
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.01)


def test_names_and_shapes_in_the_file_are_those_of_the_contract(exported: Exported) -> None:
    onnx = pytest.importorskip("onnx")
    for contract in ("rows", "heads"):
        result = exported("onnx", contract=contract)
        outputs = onnx.load(result.path).graph.output
        found = {o.name: tuple(d.dim_value for d in o.type.tensor_type.shape.dim) for o in outputs}
        assert found == output_shapes(result.card, batch=1, size=SIZE)
    assert list(found)[:3] == ["boxes_8", "scores_8", "keypoints_8"]


@pytest.mark.parametrize(("conf", "anchors"), [(0.3, 400), (0.25, 600), (0.1, 1100), (0.0, 500)])
def test_selection_in_the_graph_is_the_greedy_one(conf: float, anchors: int) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("pose_nn")
    from pose_export.convert.nms import select_in_graph

    rng = np.random.default_rng(5)
    low = rng.uniform(0, 60, (2, anchors, 2))
    scores = rng.uniform(0, 1, (2, anchors, 2))
    rows = np.concatenate([low, low + rng.uniform(10, 40, (2, anchors, 2)), scores], axis=2)
    rows = np.concatenate([rows, rng.uniform(0, 99, (2, anchors, 4))], axis=2).astype(np.float32)
    found = select_in_graph(torch.from_numpy(rows), classes=2, conf=conf, iou=0.5, max_det=60).numpy()
    raw = rows.transpose(0, 2, 1).copy()
    raw[:, :4] = cxcywh_from_xyxy(rows[..., :4]).transpose(0, 2, 1)
    for image, expected in zip(
        found, select(raw, num_classes=2, keypoint_dims=2, conf=conf, iou=0.5, max_det=60), strict=True
    ):
        assert len(expected) == 60
        np.testing.assert_allclose(image[:, :4], expected.boxes, atol=1e-4)
        np.testing.assert_array_equal(image[:, 5], expected.labels)
        np.testing.assert_allclose(image[:, 6:].reshape(60, 2, 2), expected.keypoints, atol=1e-4)


def test_selection_takes_no_room_in_a_file(exported: Exported) -> None:
    onnx = pytest.importorskip("onnx")
    sizes = [
        max(np.prod(tensor.dims) for tensor in model.graph.initializer if "conv" not in tensor.name)
        for model in (onnx.load(exported("onnx", contract=contract).path) for contract in ("rows", "nms"))
    ]
    assert sizes[1] <= max(sizes[0], CANDIDATES)  # and not CANDIDATES times CANDIDATES


@pytest.mark.parametrize("options", [{"imgsz": 320}, {"imgsz": 64, "dynamic": True}])
def test_threshold_that_lets_more_pass_than_are_compared_is_refused(
    options: dict[str, Any], net: PoseNet, card: ModelCard, tmp_path: Path
) -> None:
    pytest.importorskip("onnxslim")
    with pytest.raises(ExportError, match=r"conf must be at least 0.1 .* 1024 best of .* anchors; got 0.001; raise"):
        export((net, card), output=tmp_path / "a.onnx", nms=True, conf=0.001, **options)


def test_low_threshold_is_fine_where_all_anchors_are_compared(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    pytest.importorskip("onnxslim")
    pytest.importorskip("onnxruntime")
    made = export((net, card), output=tmp_path / "a.onnx", nms=True, conf=0.0, images=list(noise), opset=11)
    assert made.status == "passed"


@pytest.mark.parametrize("name", ["onnx", "torchscript", "openvino"])
def test_selecting_file_of_any_size_takes_several_images(
    name: str, exported: Exported, noise: NDArray[np.uint8]
) -> None:
    runtime = load_runtime(exported(name, contract="nms", dynamic=True).path)
    both, first = runtime(noise), runtime(noise[:1])
    np.testing.assert_allclose(both[:1], first, atol=0.01)
    assert np.abs(both[1] - both[0]).max() > 1


@pytest.mark.parametrize("name", ["onnx", "torchscript", "openvino"])
def test_people_of_each_class_are_selected_by_themselves(
    name: str, select_two_classes: SelectTwoClasses, assert_same_people: AssertSamePeople
) -> None:
    for module in get_format(name).convert_needs + get_format(name).run_needs:
        pytest.importorskip(module)
    found, expected = select_two_classes(name)
    assert [set(people.labels) for people in found] == [{0, 1}, {0, 1}]
    assert_same_people(found, expected)


def test_nobody_leaves_rows_of_zeros() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("pose_nn")
    from pose_export.convert.nms import select_in_graph

    found = select_in_graph(torch.zeros(2, 21, 14), classes=1, conf=0.25, iou=0.7, max_det=300)
    assert (tuple(found.shape), float(found.abs().max())) == ((2, 300, 15), 0.0)


def test_contract_that_a_format_lacks_is_refused() -> None:

    with pytest.raises(ExportError, match=r"format 'ncnn' has the contracts raw; got 'nms'"):
        check_contract(get_format("ncnn"), "nms")


def test_unknown_contract_names_the_known() -> None:
    with pytest.raises(ExportError, match=r"contract must be one of raw, nms, .*; got 'boxes'"):
        ConvertOptions(contract="boxes")


def test_card_of_a_selecting_file_has_its_thresholds(exported: Exported) -> None:
    facts = exported("onnx", contract="nms").card.facts
    assert (facts["conf"], facts["iou"], facts["max_det"]) == ("0.25", "0.7", "300")


def test_contract_of_another_file_is_refused(exported: Exported) -> None:
    path = exported("onnx").path
    card = replace(load_runtime(path).card, contract="rows")
    with pytest.raises(ExportError, match=r"output0 \(1, 84, 14\) .*the file has output 0 \(1, 14, 84\)"):
        load_runtime(path, card=card)


def python_decoder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("decode_example", EXAMPLES / "decode.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
