"""TFLite files of 32, 16 and 8 bit, run by LiteRT; and those for the Edge TPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Poses
from pose_export import ExportResult, benchmark, benchmark_files, export, export_all, load, load_runtime

if TYPE_CHECKING:
    from pose_nn import PoseNet

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "tensorflow", "ai_edge_litert")
Exported = Callable[..., ExportResult]
SelectTwoClasses = Callable[[str], tuple[list[Poses], list[Poses]]]
AssertSamePeople = Callable[..., None]
ExportInt8 = Callable[..., ExportResult]
IN_8_BIT = 72 - 4 - 9  # convolutions of the n network without the earliest and the last of each branch


@pytest.fixture(scope="module")
def export_int8(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> ExportInt8:
    """Export to 8 bit once per name and options, with noise to measure ranges on."""
    results: dict[str, ExportResult] = {}

    def make(name: str, *, contract: str | None = None, keep_float: tuple[str, ...] = ()) -> ExportResult:
        key = f"{name}-{contract}-{len(keep_float)}"
        if key not in results:
            suffix = "_edgetpu.tflite" if name == "edgetpu" else ".tflite"
            results[key] = export(
                (net, card),
                format=name,
                output=tmp_path_factory.mktemp("int8") / f"best{suffix}",
                int8=True,
                contract=contract,
                keep_float=keep_float,
                calibration=list(noise),
                images=list(noise),
            )
        return results[key]

    return make


def kinds_of_tensors(path: Path) -> set[str]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    ends = (*interpreter.get_input_details(), *interpreter.get_output_details())
    return {np.dtype(details["dtype"]).name for details in ends}


@pytest.mark.parametrize("contract", ["raw", "rows", "normalised", "heads"])
def test_file_gives_what_the_network_gives(contract: str, exported: Exported, noise: NDArray[np.uint8]) -> None:
    result, expected = exported("tflite", contract=contract), exported("onnx")
    np.testing.assert_allclose(
        load_runtime(result.path)(noise), load_runtime(expected.path)(noise), rtol=1e-4, atol=0.01
    )


@pytest.mark.parametrize("options", [{}, {"batch": 2}, {"half": True}, {"conf": 0.1, "iou": 0.5, "max_det": 20}])
def test_people_selected_in_the_file_are_the_greedy_ones(
    options: dict[str, Any], net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], exported: Exported, tmp_path: Path
) -> None:
    output = tmp_path / "best.tflite"
    result = export((net, card), format="tflite", output=output, images=list(noise), nms=True, **options)
    assert (result.status, result.card.contract) == ("passed", "nms")
    thresholds = {name: options[name] for name in ("conf", "iou", "max_det") if name in options}
    found, expected = (
        load(path, **thresholds)(noise[0]) for path in (output, exported("tflite", half="half" in options).path)
    )
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.01)


def test_sixteen_bits_halve_the_file_and_keep_the_pose(exported: Exported) -> None:
    half = exported("tflite", half=True)
    assert half.megabytes == pytest.approx(exported("tflite").megabytes / 2, rel=0.05)
    assert half.parity is not None
    assert half.parity.within[2] > 0.999
    assert kinds_of_tensors(half.path) == {"float32"}


def test_card_is_read_back(exported: Exported) -> None:
    result = exported("tflite")
    assert load_runtime(result.path).card == result.card


def test_predictions_need_no_tensorflow(exported: Exported) -> None:
    code = (
        "import sys, numpy, pose_export\n"
        f"predictor = pose_export.load({str(exported('tflite').path)!r}, conf=0.01)\n"
        "assert len(predictor(numpy.zeros((80, 60, 3), numpy.uint8))) > 0\n"
        "print([name for name in ('torch', 'pose_nn', 'onnx', 'tensorflow') if name in sys.modules])"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def tensors_of(path: Path) -> list[dict[str, Any]]:
    """What LiteRT says of every tensor of a file."""
    from ai_edge_litert.interpreter import Interpreter

    details: list[dict[str, Any]] = Interpreter(str(path)).get_tensor_details()
    return details


def test_cut_off_file_is_refused(exported: Exported, tmp_path: Path) -> None:
    broken = tmp_path / "best.tflite"
    broken.write_bytes(exported("tflite").path.read_bytes()[:100_000])
    with pytest.raises(ExportError, match=r"best\.tflite"):
        load(broken)


def test_eight_bits_decode_in_float(export_int8: ExportInt8, exported: Exported) -> None:
    result = export_int8("tflite")
    assert kinds_of_tensors(result.path) == {"float32"}
    assert result.megabytes < 0.3 * exported("tflite").megabytes
    assert result.parity is not None
    assert result.parity.box_max < 2
    assert result.parity.score_max < 0.05


def test_people_of_each_class_are_selected_by_themselves(
    select_two_classes: SelectTwoClasses, assert_same_people: AssertSamePeople
) -> None:
    found, expected = select_two_classes("tflite")
    assert [set(people.labels) for people in found] == [{0, 1}, {0, 1}]
    assert_same_people(found, expected)


@pytest.mark.parametrize("contract", ["raw", "rows", "nms"])
def test_nothing_of_the_decode_is_in_eight_bits(contract: str, export_int8: ExportInt8) -> None:
    tensors = tensors_of(export_int8("tflite", contract=contract).path)
    decode = {np.dtype(entry["dtype"]).name for entry in tensors if entry["name"].startswith("decode/")}
    assert "float32" in decode
    assert "int8" not in decode


def test_convolutions_are_in_eight_bits_and_silu_is_in_float(export_int8: ExportInt8) -> None:
    tensors = tensors_of(export_int8("tflite").path)
    sigmoids = [entry for entry in tensors if entry["name"].endswith("/Sigmoid")]
    assert {np.dtype(entry["dtype"]).name for entry in sigmoids} == {"float32"}
    weights = [entry for entry in tensors if len(entry["quantization_parameters"]["scales"]) > 1]
    assert len([entry for entry in weights if entry["dtype"] == np.int8]) == IN_8_BIT


def test_what_goes_into_silu_begins_where_silu_gives_nearly_nothing(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pose_export.convert import integers

    monkeypatch.setattr(integers, "LEAST_INPUT", -0.25)  # random weights give nothing below -6
    path = tmp_path / "best.tflite"
    export((net, card), format="tflite", output=path, int8=True, calibration=list(noise), force=True)
    in_8_bit = [
        entry for entry in tensors_of(path) if "/conv/Conv/Conv2D" in entry["name"] and entry["dtype"] == np.int8
    ]
    given = [entry for entry in in_8_bit if len(entry["quantization_parameters"]["scales"]) == 1]  # weights: more
    assert len(given) == IN_8_BIT
    for entry in given:
        scale, zero_point = entry["quantization"]
        assert (-128 - zero_point) * scale >= -0.25 - scale


def test_people_selected_in_a_file_of_eight_bits_are_the_greedy_ones(
    export_int8: ExportInt8, noise: NDArray[np.uint8]
) -> None:
    result = export_int8("tflite", contract="nms")
    assert (result.status, kinds_of_tensors(result.path)) == ("passed", {"float32"})
    found, expected = load(result.path)(noise[0]), load(export_int8("tflite").path)(noise[0])
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.01)


@pytest.mark.parametrize("contract", ["heads", "normalised"])
def test_eight_bits_of_other_contracts_are_integers_throughout(contract: str, export_int8: ExportInt8) -> None:
    from pose_export.convert.edgetpu import check_operations

    result = export_int8("tflite", contract=contract)
    assert kinds_of_tensors(result.path) == {"int8"}
    assert "(B, H, W, 3) int8" in result.card.facts["preprocessing"]
    assert check_operations(result.path)["CONV_2D"] >= 72


def test_scores_survive_eight_bits(export_int8: ExportInt8) -> None:
    for contract in ("raw", "heads", "normalised"):
        parity = export_int8("tflite", contract=contract).parity
        assert parity is not None
        assert parity.score_max < 0.1


def test_layer_that_is_kept_in_float_is_found_in_the_file(export_int8: ExportInt8) -> None:
    result = export_int8("tflite", keep_float=("model.9.cv1.conv", "model.22.cv4.0.0.conv"))
    tensors = tensors_of(result.path)
    for scope in ("model.9/cv1/conv/Conv", "model.22/cv4.0/cv4.0.0/conv/Conv"):
        assert "float32" in {np.dtype(entry["dtype"]).name for entry in tensors if scope in entry["name"]}
    assert result.card.facts["float_layers"] == "model.9.cv1.conv, model.22.cv4.0.0.conv"


def test_with_all_layers_but_one_in_float_hardly_anything_is_lost(
    net: PoseNet, export_int8: ExportInt8, exported: Exported, noise: NDArray[np.uint8]
) -> None:
    from pose_export.convert.sensitivity import find_layers

    layers = find_layers(net).keys() - {"model.21.cv2.conv"}
    paths = (export_int8("tflite", keep_float=tuple(layers)).path, export_int8("tflite").path)
    wanted = load_runtime(exported("tflite").path)(noise)
    one, all_of_them = (np.abs(load_runtime(path)(noise) - wanted).mean() for path in paths)
    assert 0 < one < all_of_them / 4


def test_a_file_of_8_bit_without_a_layer_in_8_bit_is_refused(net: PoseNet, export_int8: ExportInt8) -> None:
    from pose_export.convert.sensitivity import find_layers

    with pytest.raises(ExportError, match="int8 must have layers to put into 8 bit; got all of them in keep_float"):
        export_int8("tflite", keep_float=tuple(find_layers(net)))


def test_what_follows_a_layer_in_float_is_in_float_too(export_int8: ExportInt8) -> None:
    from ai_edge_litert import schema_py_generated as schema

    content = export_int8("tflite", keep_float=("model.2.cv1.conv",)).path.read_bytes()
    (graph,) = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0)).subgraphs
    kinds = {tensor.name.decode(): tensor.type for tensor in graph.tensors}
    activated = {kinds[name] for name in kinds if name.startswith("model.2/cv1/act/")}
    assert activated == {schema.TensorType.FLOAT32}


def test_the_worst_layers_of_a_file_of_integers_can_go_back_to_float(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    from pose_export.convert.sensitivity import compare_layers

    figures = iter([0.9, 0.5, 0.895])  # the network's; then all in 8 bit, and two kept
    result = export(
        (net, card),
        format="tflite",
        output=tmp_path / "best.tflite",
        int8=True,
        contract="normalised",
        calibration=list(noise),
        images=list(noise),
        measure_ap=lambda _: next(figures),
        max_ap_drop=1.0,
    )
    worst = [error.name for error in compare_layers(net, np.stack([*noise]))[:2]]
    assert result.card.facts["float_layers"].split(", ") == worst
    assert kinds_of_tensors(result.path) == {"float32"}
    assert "(B, H, W, 3) float32" in result.card.facts["preprocessing"]


def test_edge_tpu_file_is_of_integers_that_it_calculates_with(export_int8: ExportInt8) -> None:
    from pose_export.convert.edgetpu import check_operations

    result = export_int8("edgetpu")
    assert load_runtime(result.path).file_card.contract == "heads"
    assert result.card.precision == "int8"
    assert check_operations(result.path).keys() <= {
        *("ADD", "CONCATENATION", "CONV_2D", "LOGISTIC", "MAX_POOL_2D", "MUL", "PAD", "QUANTIZE"),
        *("RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "TRANSPOSE"),
    }


def test_a_file_that_the_compiler_made_is_run_elsewhere(card: ModelCard, tmp_path: Path) -> None:
    """Made by hand: one tensor in and out of the one operation that the Edge TPU's compiler leaves."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    from pose_export.zipped import write_zipped

    def tensor(name: str) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, [1, 64, 64, 3], schema.TensorType.INT8, 0
        return made

    code, operator, graph, model = schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    code.customCode, code.builtinCode, code.deprecatedBuiltinCode = "edgetpu-custom-op", 32, 32  # CUSTOM
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [tensor("a"), tensor("b")], [operator], [0], [1]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "best_edgetpu.tflite"
    path.write_bytes(bytes(builder.Output()))
    write_zipped(path, card)
    with pytest.raises(ExportError, match=r"can't be run on this machine: it is compiled for the Edge TPU"):
        load(path)
    assert benchmark_files([path])[0].status.startswith("not run: ")


def test_edge_tpu_file_says_how_to_compile_it(export_int8: ExportInt8, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = export_int8("edgetpu", contract="normalised")
    assert any(f"edgetpu_compiler --show_operations --out_dir compiled {result.path}" in note for note in result.notes)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of the Edge TPU's compiler, which can't be had here: it puts a word before what it is given."""
    stand_in = tmp_path / "edgetpu_compiler"
    stand_in.write_text(
        f"#!{sys.executable}\n"
        "import sys, pathlib\n"
        "if sys.argv[1] == '--version': sys.exit(print('stand-in 1.0'))\n"
        "folder, source = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])\n"
        "(folder / 'model_edgetpu.tflite').write_bytes(b'compiled' + source.read_bytes())\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("compiler")
def test_compiler_on_the_path_compiles_the_file_after_the_gate(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    output = tmp_path / "best_edgetpu.tflite"
    result = export((net, card), format="edgetpu", output=output, calibration=list(noise), images=list(noise))
    assert output.read_bytes().startswith(b"compiled")
    assert result.card.facts["compiled"] == "stand-in 1.0"
    assert result.status == "not run: it is compiled for its chip; before that it passed"
    assert result.parity is not None
    assert result.status in result.notes


@pytest.mark.usefixtures("compiler")
def test_a_compiled_file_is_not_timed_where_nothing_runs_it(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    options = {"calibration": list(noise), "images": list(noise)}
    (outcome,) = export_all((net, card), formats=["edgetpu"], output=tmp_path / "all", options=options)
    assert (outcome.failed, outcome.milliseconds) == (False, None)
    (one,) = benchmark((net, card), formats=["edgetpu"], output=tmp_path / "bench", calibration=list(noise))
    assert one.status.startswith("not run: it is compiled")
    assert one.megabytes is not None and one.times is None


def test_float_file_is_none_for_the_edge_tpu(exported: Exported) -> None:
    from pose_export.convert.edgetpu import check_operations

    with pytest.raises(ExportError, match=r"the Edge TPU calculates in integers; got FLOAT32"):
        check_operations(exported("tflite", contract="heads").path)
