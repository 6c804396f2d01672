"""Core ML packages: made and read back anywhere, run on macOS only, and said to be so."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard, Poses, Predictor, Runtime, card_from_json
from pose_export import ExportResult, export, find_misses, load_runtime

if TYPE_CHECKING:
    from pose_export.run.coreml import CoreMlRuntime
    from pose_nn import PoseNet

pytestmark = [
    pytest.mark.needs("coremltools", "torch", "pose_nn"),
    pytest.mark.skipif(sys.platform == "darwin", reason="on macOS these files are run"),
]
Exported = Callable[..., ExportResult]
AssertSamePeople = Callable[..., None]


def load_reader() -> ModuleType:
    """The reader of packages that lies beside the tests."""
    spec = importlib.util.spec_from_file_location("core_ml", Path(__file__).with_name("core_ml.py"))
    assert spec is not None and spec.loader is not None
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    return reader


def open_stand_in(path: Path) -> CoreMlRuntime:
    """Open a package as on macOS, but have torch calculate what it says in place of Core ML."""
    from pose_export.run.coreml import CoreMlRuntime

    runtime = CoreMlRuntime(path)
    runtime._model = load_reader().StandIn(path)
    return runtime


def find_people(runtime: Runtime, images: NDArray[np.uint8]) -> list[Poses]:
    """Find people behind a network, or those that the file selects."""
    return Predictor(runtime).predict_batch(list(images))


@pytest.fixture(scope="module")
def network(net: PoseNet, card: ModelCard) -> Runtime:
    from pose_nn import TorchRuntime

    return TorchRuntime(net, card, device="cpu")


@pytest.mark.parametrize("contract", ["raw", "rows", "normalised"])
def test_package_says_what_the_network_does(
    contract: str, exported: Exported, network: Runtime, noise: NDArray[np.uint8]
) -> None:
    runtime = open_stand_in(exported("coreml", contract=contract).path)
    np.testing.assert_allclose(runtime(noise), network(noise), rtol=1e-4, atol=0.01)


def test_people_are_selected_in_the_package(
    exported: Exported, network: Runtime, noise: NDArray[np.uint8], assert_same_people: AssertSamePeople
) -> None:
    runtime = open_stand_in(exported("coreml", contract="nms").path)
    assert_same_people(find_people(runtime, noise), find_people(network, noise))


def test_people_of_each_class_are_selected_by_themselves(
    two_classes: tuple[PoseNet, ModelCard],
    noise: NDArray[np.uint8],
    tmp_path: Path,
    assert_same_people: AssertSamePeople,
) -> None:
    from pose_nn import TorchRuntime

    path = export(two_classes, format="coreml", output=tmp_path / "two.mlpackage", nms=True).path
    found = find_people(open_stand_in(path), noise)
    assert [set(people.labels) for people in found] == [{0, 1}, {0, 1}]
    assert_same_people(found, find_people(TorchRuntime(*two_classes, device="cpu"), noise))


@pytest.mark.parametrize("contract", ["raw", "rows", "normalised", "nms"])
@pytest.mark.parametrize("size", [(64, 64), (32, 96), (128, 64)], ids=str)
def test_package_of_any_size_decodes_where_the_pixels_are(
    contract: str, size: tuple[int, int], exported: Exported, network: Runtime
) -> None:
    runtime = open_stand_in(exported("coreml", contract=contract, dynamic=True).path)
    image = np.random.default_rng(1).integers(0, 256, (1, *size, 3), np.uint8)
    found, expected = runtime(image), network(image)
    if contract == "nms":
        best = expected[0, 4].argmax()
        np.testing.assert_allclose(found[0, :, 0], expected[0, :, best], rtol=1e-4, atol=0.01)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=0.01)


def test_package_of_any_size_says_its_limits(exported: Exported) -> None:
    import coremltools

    result = exported("coreml", dynamic=True)
    assert (result.card.dynamic, result.card.batch) == (True, 1)
    picture = coremltools.utils.load_spec(str(result.path)).description.input[0].type.imageType
    for ends in (picture.imageSizeRange.heightRange, picture.imageSizeRange.widthRange):
        assert (ends.lowerBound, ends.upperBound) == (32, 128)
    with pytest.raises(ExportError, match=r"takes images of at most 128x128 \(height x width\); got 160x64; letterbox"):
        open_stand_in(result.path)(np.zeros((1, 160, 64, 3), np.uint8))


@pytest.mark.parametrize("contract", ["raw", "nms"])
@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_fewer_bits_keep_the_pose(
    contract: str, precision: str, net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    from pose_export.gate import Reference

    options: dict[str, Any] = {"half": True} if precision == "float16" else {"int8": True, "calibration": list(noise)}
    made = export((net, card), format="coreml", output=tmp_path / "a.mlpackage", contract=contract, **options)
    parity = Reference(net, images=list(noise)).compare(made.card, open_stand_in(made.path))
    assert parity.compared
    assert find_misses(parity, precision) == ()


@pytest.mark.parametrize("contract", ["raw", "nms"])
def test_in_sixteen_bits_the_decode_is_in_float(contract: str, exported: Exported) -> None:
    result = exported("coreml", half=True, contract=contract)
    reader = load_reader()
    program = reader.read_program(result.path)
    halved = [o.op_type for o in program.operations if reader.kind_of(o.outputs[0]) == "fp16"]
    assert halved.count("conv") == 72  # all but that of the decode
    assert not {"sigmoid", "softmax", "sub", "matmul", "topk"} & set(halved)
    assert reader.kind_of(program.outputs[0]) == "fp32"


def test_only_weights_of_layers_are_in_eight_bits(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = tmp_path / "a.mlpackage"  # with so many anchors that they would be worth it
    export((net, card), format="coreml", output=path, int8=True, imgsz=256, calibration=list(noise))
    operations = load_reader().read_program(path).operations
    takers = [o.outputs[0].child_ops for o in operations if o.op_type == "constexpr_affine_dequantize"]
    assert len(takers) > 60
    assert {taker.op_type for taking in takers for taker in taking} == {"conv"}


def test_file_that_cannot_be_run_here_is_never_called_passed(exported: Exported) -> None:
    result = exported("coreml")
    assert (result.parity, result.status) == (None, "not run: Core ML predicts on macOS only")
    assert result.card.facts["gate"] == result.status
    assert any("nothing but its form was checked" in note for note in result.notes)


def test_description_says_what_the_card_says(exported: Exported) -> None:
    import coremltools

    result = exported("coreml")
    description = coremltools.utils.load_spec(str(result.path)).description
    picture = description.input[0].type.imageType
    assert (description.input[0].name, picture.height, picture.width) == ("images", 64, 64)
    assert [output.name for output in description.output] == ["output0"]
    metadata = description.metadata.userDefined
    assert card_from_json(metadata["pose_card"], source="") == result.card
    assert metadata["kpt_shape"] == "[3, 3]"


def test_running_it_here_is_refused_with_the_reason(exported: Exported) -> None:
    with pytest.raises(ExportError, match=r"can't be run on this machine: Core ML predicts on macOS only"):
        load_runtime(exported("coreml").path)


@pytest.mark.parametrize("share", [0, 0.5])
def test_cut_off_package_is_refused(share: float, exported: Exported, tmp_path: Path) -> None:
    from pose_export.run.coreml import CoreMlRuntime

    path = Path(shutil.copytree(exported("coreml").path, tmp_path / "best.mlpackage"))
    (model,) = path.rglob("*.mlmodel")
    content = model.read_bytes()
    model.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ExportError, match=r"best\.mlpackage: must be a whole Core ML package") as caught:
        CoreMlRuntime(path)
    assert "\n" not in str(caught.value)


def test_package_without_its_manifest_is_refused(exported: Exported, tmp_path: Path) -> None:
    from pose_export.run.coreml import CoreMlRuntime

    path = Path(shutil.copytree(exported("coreml").path, tmp_path / "best.mlpackage"))
    (path / "Manifest.json").unlink()
    with pytest.raises(ExportError, match=r"best\.mlpackage: must be a whole Core ML package"):
        CoreMlRuntime(path)
