"""Eight bits: what is quantised and what isn't, on which images, and which layers go back to float first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, SettingsError, write_image
from pose_export import BOUNDS, CONTRACTS, ExportResult, export, load, measure_layers
from pose_export.calibrate import gather_calibration
from pose_export.options import ConvertOptions

if TYPE_CHECKING:
    from pose_nn import PoseNet

Images = NDArray[np.uint8]
Export8 = Callable[..., ExportResult]
needs_onnx = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "onnxruntime")
LAYERS = 72  # convolutions of the n network; the fixed one that averages distances isn't counted
FIRST = ("/model.0/conv", "/model.1/conv", "/model.2/cv1/conv", "/model.2/cv2/conv")
LAST = tuple(f"/model.22/cv{kind}.{level}/cv{kind}.{level}.2" for kind in (2, 3, 4) for level in range(3))


@pytest.fixture
def export_8(net: PoseNet, card: ModelCard, noise: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export8:
    """Export to 8 bit with bounds that random weights, which exaggerate its error, can keep."""
    shares = ("class_scores", "keypoint_scores", "weakest")
    loose = replace(BOUNDS["int8"], box_max=1e9, box_mean=1e9, score_max=2, within_1=0, within_4=0, everywhere=1e9)
    monkeypatch.setitem(BOUNDS, "int8", replace(loose, score_mean=1.0, people=0.0, **dict.fromkeys(shares, 0.0)))

    def run(name: str = "onnx", **options: object) -> ExportResult:
        output = tmp_path / ("best.onnx" if name == "onnx" else "best_openvino_model")
        settings = {"images": list(noise), "calibration": list(noise), **options}
        return export((net, card), format=name, output=output, int8=True, **settings)

    return run


@needs_onnx
def test_all_layers_but_the_first_and_the_last_are_in_8_bit(export_8: Export8) -> None:
    import onnx

    result = export_8(keep_float=("model.4.cv1.conv", "model.22.cv4.2.1.conv"))
    assert result.card.precision == "int8"
    assert result.card.facts["float_layers"] == "model.4.cv1.conv, model.22.cv4.2.1.conv"
    assert result.megabytes < 4
    nodes = onnx.load(result.path).graph.node
    made_by = {output: node.op_type for node in nodes for output in node.output}
    in_float = [n.name for n in nodes if n.op_type == "Conv" and made_by.get(n.input[1]) != "DequantizeLinear"]
    names = (*FIRST, "/model.4/cv1/conv", "/model.22/cv4.2/cv4.2.1/conv", *LAST, "/dfl")
    assert sorted(in_float) == sorted(f"{name}/Conv" for name in names)
    assert sum(node.op_type == "Conv" for node in nodes) == LAYERS + 1
    assert made_by["output0"] == "Concat"


@needs_onnx
def test_nothing_is_wasted_on_what_silu_makes_zero(export_8: Export8) -> None:
    import onnx

    graph = onnx.load(export_8().path).graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users = {name: node for node in graph.node for name in node.input if node.op_type in ("Sigmoid", "Conv")}
    before = [n for n in graph.node if n.op_type == "DequantizeLinear" and n.output[0] in users]
    into_silu = [n for n in before if users[n.output[0]].op_type == "Sigmoid"]
    least = [-float(values[n.input[1]]) * int(values[n.input[2]]) for n in into_silu]
    assert len(into_silu) == LAYERS - len(FIRST) - len(LAST)
    assert all(-6.1 < value < 0 for value in least)
    assert "Clip" not in {node.op_type for node in graph.node}


@needs_onnx
@pytest.mark.parametrize(
    "options",
    [{"contract": "rows"}, {"contract": "normalised"}, {"contract": "nms"}, {"dynamic": True}],
    ids=str,
)
def test_files_of_8_bit_give_the_same_people_whatever_their_form(
    options: dict[str, object], export_8: Export8, noise: Images
) -> None:
    expected = load(export_8().path)(noise[0])
    found = load(export_8(**options).path)(noise[0])
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.01)


@needs_onnx
def test_a_batch_of_8_bit_scores_as_single_images_do(export_8: Export8, noise: Images) -> None:
    import onnxruntime

    # Ranges measured in pairs differ in their seventh digit, by which now and then a weight is rounded the other way.
    planes = np.ascontiguousarray(noise.transpose(0, 3, 1, 2), dtype=np.float32) / 255
    single = onnxruntime.InferenceSession(export_8().path)
    expected = np.concatenate([single.run(None, {"images": planes[i : i + 1]})[0] for i in range(len(planes))])
    found = onnxruntime.InferenceSession(export_8(batch=2).path).run(None, {"images": planes})[0]
    assert expected[:, 4].max() > 0.25
    np.testing.assert_allclose(found[:, 4], expected[:, 4], atol=0.01)


@needs_onnx
def test_heads_of_8_bit_are_in_8_bit_throughout(export_8: Export8, noise: Images) -> None:
    import onnx

    result = export_8(contract="heads")
    assert len(load(result.path)(noise[0])) > 0
    nodes = onnx.load(result.path).graph.node
    made_by = {output: node.op_type for node in nodes for output in node.output}
    assert {made_by[n.input[0]] for n in nodes if n.op_type == "Conv"} == {"DequantizeLinear"}


@pytest.mark.needs("openvino", "nncf", "torch", "pose_nn", "onnx", "onnxslim")
def test_openvino_model_has_the_same_layers_in_8_bit(export_8: Export8) -> None:
    import openvino

    result = export_8("openvino", keep_float=("model.4.cv1.conv", "model.22.cv4.2.1.conv"))
    assert result.megabytes < 5
    assert "nncf" in result.card.facts["tools"]
    model = openvino.Core().read_model(result.path / "model.xml")
    layers = [op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"]
    weights = {op.get_friendly_name(): op.input_value(1).get_node().get_type_name() for op in layers}
    in_float = {name for name, kind in weights.items() if kind != "Multiply"}  # whole numbers times a scale
    names = (*FIRST, "/model.4/cv1/conv", "/model.22/cv4.2/cv4.2.1/conv", *LAST)
    assert in_float == {*(f"{name}/Conv/WithoutBiases" for name in names), "/dfl/Conv"}


@needs_onnx
def test_worst_layers_go_back_to_float_until_enough_is_kept(export_8: Export8, net: PoseNet, noise: Images) -> None:
    from pose_export.convert.sensitivity import compare_layers

    figures = iter([0.9, 0.5, 0.7, 0.895])  # the network's; then all in 8 bit, two kept, four kept
    told: list[str] = []
    result = export_8(max_ap_drop=1.0, measure_ap=lambda _: next(figures), progress=told.append)
    kept = result.card.facts["float_layers"].split(", ")
    calibrated = np.stack([*noise])
    assert kept == [error.name for error in compare_layers(net, calibrated) if not error.stays_float][:4]
    assert [words for words in told if "keeping" in words] == [
        "keeping the 2 worst layers in float",
        "keeping the 4 worst layers in float",
    ]
    assert result.parity is not None and result.parity.ap_drop == pytest.approx(0.005)
    assert any(note.startswith("left in float: ") for note in result.notes)


@needs_onnx
def test_force_takes_the_last_file_that_loses_too_much(export_8: Export8) -> None:
    figures = iter([0.9, *[0.5] * 9])  # the network's; then of every file
    told: list[str] = []
    result = export_8(max_ap_drop=1.0, force=True, measure_ap=lambda _: next(figures), progress=told.append)
    assert result.status.startswith("refused, handed over by force: AP drops by 0.4000")
    kept = len(result.card.facts["float_layers"].split(", "))
    assert [words for words in told if "keeping" in words][-1] == f"keeping the {kept} worst layers in float"


@needs_onnx
@pytest.mark.parametrize("contract", CONTRACTS)
def test_layers_of_a_graph_have_the_names_of_the_network(
    contract: str, exported: Callable[..., ExportResult], net: PoseNet
) -> None:
    import onnx
    from pose_export.convert.layers import list_layers
    from pose_export.convert.sensitivity import find_layers

    assert list_layers(onnx.load(exported("onnx", contract=contract).path)).keys() == find_layers(net).keys()


@needs_onnx
def test_a_refusal_for_lost_ap_says_what_brings_it_back(export_8: Export8) -> None:
    figures = iter([0.61, 0.59])  # first the network's, then the file's
    with pytest.raises(ExportError, match=r"AP drops by 0\.0200 \(at most 0\.01\).*float with max_ap_drop=1, which"):
        export_8(measure_ap=lambda _: next(figures))


@needs_onnx
def test_a_refusal_with_ap_kept_asks_for_other_images(export_8: Export8, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BOUNDS, "int8", replace(BOUNDS["int8"], box_mean=0.0))
    with pytest.raises(ExportError, match=r"Give calibration images like .*, or keep layers in float with keep_float"):
        export_8(measure_ap=lambda _: 0.61)


@needs_onnx
def test_a_layer_that_the_network_lacks_is_refused(export_8: Export8) -> None:
    with pytest.raises(
        ExportError, match=r"keep_float must name conv.*got 'model\.0\.cnv'; did you mean 'model\.0\.conv'"
    ):
        export_8(keep_float=("model.0.cnv",))


@pytest.mark.needs("torch", "pose_nn")
def test_layers_are_listed_worst_first(net: PoseNet, card: ModelCard, noise: Images) -> None:
    errors = measure_layers((net, card), calibration=list(noise))
    assert len(errors) == LAYERS
    assert [e.signal_to_noise for e in errors] == sorted(e.signal_to_noise for e in errors)
    assert all(0 < error.signal_to_noise < 100 for error in errors)
    last = {f"model.22.cv{kind}.{level}.2" for kind in (2, 3, 4) for level in range(3)}
    early = {name[1:].replace("/", ".") for name in FIRST}
    assert {error.name for error in errors if error.stays_float} == {*early, *last}


@pytest.mark.needs("torch", "pose_nn")
def test_a_worst_layer_can_be_kept_in_float_by_its_name(net: PoseNet, card: ModelCard, export_8: Export8) -> None:
    worst = next(error.name for error in measure_layers((net, card)) if not error.stays_float)
    assert export_8(keep_float=(worst,)).card.facts["float_layers"] == worst


@pytest.mark.needs("torch", "pose_nn")
def test_layers_are_not_measured_without_images_or_at_half_a_stride(net: PoseNet, card: ModelCard) -> None:
    with pytest.raises(ExportError, match="calibration must hold at least one image"):
        measure_layers((net, card), calibration=[])
    with pytest.raises(SettingsError, match="imgsz"):
        measure_layers((net, card), imgsz=70)


def test_measuring_layers_names_the_packages_that_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("pose_nn", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExportError, match=r"measuring layers needs packages .*: pose-nn, torch; run .* pip"):
        measure_layers(tmp_path / "best.safetensors")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"opset": 12}, r"opset must be at least 13 with int8; got 12"),
        ({"half": True}, r"half and int8 must not be asked for together"),
        ({"max_ap_drop": 1.0}, r"max_ap_drop must come with measure_ap .*data="),
        ({"max_ap_drop": -1.0, "measure_ap": lambda _: 0.5}, r"from 0 to 100 points of AP; got -1"),
        ({"keep_float": "model.4.cv1.conv"}, r"keep_float must be a list of names; got the text 'model\.4\.cv1\.conv'"),
        ({"calibration": []}, r"calibration must hold at least one image"),
        ({"calibration": "no/such/folder"}, r"calibration must be images or a folder of them: no/such/folder"),
    ],
)
@needs_onnx
def test_wrong_call_is_refused_in_one_line(options: dict[str, object], words: str, export_8: Export8) -> None:
    with pytest.raises(ExportError, match=words) as caught:
        export_8(**options)
    assert "\n" not in str(caught.value)


def test_calibration_images_of_a_folder_are_evenly_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    monkeypatch.setattr("pose_export.calibrate.MOST_IMAGES", 3)
    for i in range(9):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((32, 32, 3), i, np.uint8))
    images = gather_calibration(tmp_path, (32, 32), tell=lambda _: None)
    assert images[:, 0, 0, 0].tolist() == [0, 4, 8]


def test_calibration_images_are_read_from_a_folder_and_letterboxed(tmp_path: Path) -> None:
    write_image(tmp_path / "wide.png", np.full((32, 64, 3), 200, np.uint8))
    images = gather_calibration(tmp_path, (64, 64), tell=lambda _: None)
    assert images.shape == (1, 64, 64, 3)
    assert images[0, :, 0, 0].tolist() == [114] * 16 + [200] * 32 + [114] * 16


def test_many_images_are_thinned_out_evenly() -> None:
    many = [np.full((32, 32, 3), i, np.uint8) for i in range(256)]
    images = gather_calibration(many, (32, 32), tell=lambda _: None)
    assert len(images) == 128
    assert (images[0, 0, 0, 0], images[-1, 0, 0, 0]) == (0, 255)


def test_drawn_people_stand_in_when_there_are_no_images() -> None:
    assert gather_calibration(None, (64, 96), tell=lambda _: None).shape[1:] == (64, 96, 3)


@needs_onnx
def test_images_of_a_batch_are_handed_out_as_the_file_takes_them() -> None:
    from pose_export.convert.qdq import _Images

    reader = _Images(np.zeros((5, 32, 32, 3), np.uint8), batch=2)
    shapes: Iterator[object] = iter(reader.get_next, None)
    assert [part["images"].shape for part in shapes] == [(2, 3, 32, 32)] * 2  # type: ignore[index]


def test_precision_on_the_card_is_that_of_the_options() -> None:
    assert (ConvertOptions(int8=True).precision, ConvertOptions(half=True).precision) == ("int8", "float16")
