"""Several formats in one go: what fails or has no part in it doesn't stop the rest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ExportError, ModelCard
from pose_export import FORMATS, export_all

if TYPE_CHECKING:
    from pose_nn import PoseNet

pytestmark = pytest.mark.needs("torch", "pose_nn")
NAMES = ["safetensors", "torchscript", "onnx"]


def test_each_format_gets_its_line(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxslim", None)
    told: list[tuple[str, str]] = []
    outcomes = export_all(
        (net, card),
        formats=NAMES,
        output=tmp_path,
        options={"images": list(noise), "imgsz": 64},
        progress=lambda *words: told.append(words),
    )
    native, script, onnx = outcomes
    assert (native.status, native.failed) == ("left out: it has no imgsz", False)
    assert (script.status, script.failed) == ("passed", False)
    assert script.result is not None and script.result.path == tmp_path / "best.torchscript"
    assert script.milliseconds is not None and script.milliseconds > 0
    assert onnx.failed
    assert onnx.status.startswith("not installed: exporting to onnx needs packages that are not installed: onnxslim")
    assert ("torchscript", "converting to torchscript") in told
    assert [path.name for path in tmp_path.iterdir()] == ["best.torchscript"]


def test_of_all_formats_those_without_their_packages_are_no_failures(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tuple(row for row in FORMATS if row.name in NAMES)
    monkeypatch.setattr(sys.modules["pose_export.export_all"], "FORMATS", kept)
    monkeypatch.setitem(sys.modules, "onnxslim", None)
    outcomes = {o.format: o for o in export_all((net, card), output=tmp_path, options={"images": list(noise)})}
    assert outcomes["onnx"].status.startswith("not installed: exporting to onnx needs packages that are not installed")
    assert [outcome.failed for outcome in outcomes.values()] == [False] * 3


@pytest.mark.needs("onnx", "onnxslim", "tensorflow")
@pytest.mark.parametrize("named", [True, False])
def test_packages_of_node_that_are_missing_are_not_installed(
    net: PoseNet, card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    monkeypatch.setattr(
        sys.modules["pose_export.export_all"], "FORMATS", tuple(row for row in FORMATS if row.name == "tfjs")
    )
    monkeypatch.setenv("PATH", "")
    (outcome,) = export_all((net, card), formats=["tfjs"] if named else None, output=tmp_path)
    assert outcome.status.startswith("not installed: running tfjs files needs node 18 or later; it is not on the PATH")
    assert outcome.failed == named
    assert not list(tmp_path.iterdir())


def test_checkpoint_is_not_written_over_itself(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    from pose_nn import save_checkpoint

    save_checkpoint(tmp_path / "best.safetensors", net, card)
    (outcome,) = export_all(tmp_path / "best.safetensors", formats=["safetensors"])
    assert outcome.status == "left out: that is the checkpoint itself"


def test_format_without_the_contract_is_left_out(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    (outcome,) = export_all((net, card), formats=["ncnn"], output=tmp_path, options={"nms": True})
    assert outcome.status == "left out: it has no contract 'nms'"


def test_unknown_option_is_refused_before_any_work(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"options must be arguments of export; got 'size'"):
        export_all((net, card), output=tmp_path, options={"size": 64})


def test_option_that_none_of_the_formats_can_use_is_refused(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"calibration must come with int8=True"):
        export_all((net, card), formats=["onnx"], output=tmp_path, options={"calibration": "photos"})


def test_calibration_is_for_those_that_are_always_in_8_bit(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    options = {"calibration": "gone"}
    native, edge = export_all((net, card), formats=["safetensors", "edgetpu"], output=tmp_path, options=options)
    assert native.status == "passed"
    assert edge.failed


def test_layers_in_float_are_for_8_bit_alone(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="keep_float must come with int8=True"):
        export_all((net, card), output=tmp_path, options={"keep_float": ["model.2.cv1.conv"]})


@pytest.mark.needs("onnx", "onnxslim", "onnxruntime")
def test_all_formats_are_made_that_are_installed_for(
    net: PoseNet, card: ModelCard, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    told: list[str] = []
    options = {"images": list(noise), "calibration": list(noise)}
    outcomes = export_all((net, card), output=tmp_path, options=options, progress=lambda name, _: told.append(name))
    others = [one for one in outcomes if one.format != "engine"]  # for which a GPU has to be there as well
    made = {one.format: one for one in others if not one.status.startswith("not installed")}
    assert [outcome.format for outcome in outcomes] == [row.name for row in FORMATS]
    assert made.keys() >= {"safetensors", "onnx", "torchscript"}
    for name, one in made.items():
        assert one.result is not None and not one.failed, one.status
        assert one.result.path.exists()
        assert name in told
        assert (one.milliseconds is not None) == one.result.runs_here
        assert one.status.startswith("passed" if one.result.runs_here else "not run")


def test_every_format_has_its_turn_when_none_is_named(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    outcomes = export_all((net, card), output=tmp_path, options={"opset": 9})
    assert [outcome.format for outcome in outcomes] == [row.name for row in FORMATS]
    lacking = [outcome for outcome in outcomes if outcome.status == "left out: it has no opset"]
    assert len(lacking) == len(FORMATS) - sum("opset" in row.options for row in FORMATS)
    assert list(tmp_path.iterdir()) == []
