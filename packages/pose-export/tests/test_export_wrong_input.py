"""What can't be exported or run: one clear line, nothing half-written."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pose_data import CheckpointError, ExportError, ModelCard, PoseError
from pose_export import ExportResult, export, load_runtime

if TYPE_CHECKING:
    from pose_nn import PoseNet

pytest.importorskip("torch")
pytest.importorskip("pose_nn")
pytest.importorskip("onnx")
pytest.importorskip("onnxslim")

Exported = Callable[..., ExportResult]
WrongCall = Callable[[Path], dict[str, object]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda folder: {"output": folder / "a.onnx", "imgsz": 70},
            r"imgsz must be a multiple of .*got 70; use 64",
        ),
        (lambda folder: {"output": folder / "a.onnx", "imgsz": 0}, r"got 0; use 32"),
        (lambda folder: {"output": folder / "a.onnx", "imgsz": 64.5}, r"imgsz must be a side, or .*; got 64\.5; write"),
        (lambda folder: {"output": folder / "a.onnx", "imgsz": "64"}, r"imgsz must be a side, or .*; got '64'"),
        (lambda folder: {"output": folder / "a.onnx", "imgsz": (64,)}, r"imgsz must be a side, or .*; got \(64,\)"),
        (lambda folder: {"output": folder / "a.onnx", "batch": "2"}, r"batch must be a whole number; got '2'"),
        (lambda folder: {"output": folder / "a.onnx", "batch": 2.0}, r"batch must be a whole number; got 2\.0"),
        (lambda folder: {"output": folder / "a.onnx", "opset": "17"}, r"opset must be a whole number; got '17'"),
        (lambda folder: {"output": folder / "a.onnx", "nms": True, "conf": "x"}, r"conf must be a number from 0 to 1"),
        (lambda folder: {"output": folder / "a.onnx", "format": 3}, r"format must be one of .*; got '3'"),
        (
            lambda folder: {"format": "coreml", "output": folder / "a.mlpackage", "int8": True, "keep_float": ["x"]},
            r"format 'coreml' takes the options .*; got 'keep_float'; leave it out",
        ),
        (
            lambda folder: {"output": folder / "a.onnx", "keep_float": ["x"]},
            r"keep_float must come with int8=True; got it",
        ),
        (lambda folder: {"output": folder / "a.onnx", "calibration": "gone"}, r"calibration must come with int8=True"),
        (lambda folder: {"output": folder / "a.onnx", "conf": 0.5}, r"conf must come with nms=True; got it alone"),
        (lambda folder: {"output": folder / "a.onnx", "iou": 0.5}, r"iou must come with nms=True"),
        (lambda folder: {"output": folder / "a.onnx", "max_det": 9, "contract": "rows"}, r"max_det must come with nms"),
        (lambda folder: {"output": folder / "a.onnx", "batch": 0}, r"batch must be at least 1; got 0"),
        (lambda folder: {"output": folder / "a.onnx", "opset": 10}, r"opset must be from 11 to 20; got 10; use 11"),
        (lambda folder: {"output": folder / "a.onnx", "opset": 99}, r"opset must be from 11 to 20; got 99; use 20"),
        (lambda folder: {"output": folder / "a.onnx", "format": "onyx"}, r"did you mean 'onnx'"),
        (lambda folder: {"output": folder / "a.torchscript", "format": "torchscript", "opset": 17}, r"got 'opset'"),
        (lambda folder: {"output": folder / "a.safetensors", "format": "safetensors", "imgsz": 64}, r"got 'imgsz'"),
        (lambda folder: {"output": folder}, r"output must be a file; got the folder .*best\.onnx"),
        (lambda folder: {"output": folder / "a.bin"}, r"output must end in \.onnx .*use .*a\.onnx"),
        (lambda folder: {}, r"output must be given when a network is exported"),
    ],
)
def test_wrong_call_is_refused_in_one_line(
    call: WrongCall, words: str, net: PoseNet, card: ModelCard, tmp_path: Path
) -> None:
    with pytest.raises(PoseError, match=words) as caught:
        export((net, card), **call(tmp_path))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    path.write_text("not weights", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"best\.safetensors"):
        export(path)
    assert list(tmp_path.iterdir()) == [path]


def test_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.safetensors"):
        export(tmp_path / "gone.safetensors")


def test_checkpoint_of_another_task_is_named(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    import torch

    class DetectionModel(torch.nn.Module):
        """Of another program, which isn't needed to read the file."""

    DetectionModel.__module__, DetectionModel.__qualname__ = "ultralytics.nn.tasks", "DetectionModel"
    module = types.ModuleType("ultralytics.nn.tasks")
    module.DetectionModel = DetectionModel  # type: ignore[attr-defined]
    path = tmp_path / "boxes.pt"
    with pytest.MonkeyPatch.context() as patch:
        for parent in ("ultralytics", "ultralytics.nn"):
            patch.setitem(sys.modules, parent, types.ModuleType(parent))
        patch.setitem(sys.modules, "ultralytics.nn.tasks", module)
        torch.save({"model": DetectionModel()}, path)
    with pytest.raises(CheckpointError, match=r"boxes\.pt: .*holds a 'DetectionModel'; only YOLOv8 pose networks"):
        export(path)
    assert list(tmp_path.iterdir()) == [path]


def test_an_engine_is_not_made_where_tensorrt_does_not_run(
    net: PoseNet, card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ExportError, match=r"can't be made on this machine: TensorRT runs on Linux and Windows only"):
        export((net, card), format="engine", output=tmp_path / "best.engine")


def test_checkpoint_is_not_written_over_itself(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"output must not be the checkpoint itself"):
        export(tmp_path / "best.safetensors", format="safetensors", half=True)


def test_card_of_another_network_is_refused(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"the card must describe the network"):
        export((net, replace(card, keypoint_dims=2)), output=tmp_path / "best.onnx")


def test_read_only_file_is_not_replaced(net: PoseNet, card: ModelCard, tmp_path: Path) -> None:
    target = tmp_path / "best.onnx"
    target.write_text("keep me", encoding="utf-8")
    target.chmod(0o444)
    with pytest.raises(ExportError, match=r"read-only"):
        export((net, card), output=target)
    assert target.read_text(encoding="utf-8") == "keep me"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_is_one_line(net: PoseNet, card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pose_export.convert import onnx as converter

    def fill_the_disk(*_: object) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"weights")

    monkeypatch.setattr(converter, "convert", fill_the_disk)
    with pytest.raises(PoseError, match=r"best\.onnx: can't be written \(No space left on device\)"):
        export((net, card), output=tmp_path / "best.onnx")
    assert list(tmp_path.iterdir()) == []


def test_tool_that_fails_on_a_full_disk_is_not_blamed(
    net: PoseNet, card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pose_export.convert import onnx as converter

    def fail(*_: object) -> None:
        raise RuntimeError("iostream error")

    monkeypatch.setattr(converter, "convert", fail)
    monkeypatch.setattr(sys.modules["pose_export.export"], "disk_is_full", lambda _: True)
    with pytest.raises(PoseError, match=r"best\.onnx: can't be written \(No space left on device\); free some space"):
        export((net, card), output=tmp_path / "best.onnx")
    monkeypatch.setattr(sys.modules["pose_export.export"], "disk_is_full", lambda _: False)
    with pytest.raises(ExportError, match=r"failed with RuntimeError: iostream error; try other versions"):
        export((net, card), output=tmp_path / "best.onnx")


def test_missing_package_is_named_before_any_work(
    net: PoseNet, card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxslim", None)
    with pytest.raises(ExportError, match=r"exporting to onnx needs packages that are not installed: onnxslim"):
        export((net, card), output=tmp_path / "best.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [0, 100, 5000])
def test_cut_off_torchscript_is_refused(length: int, exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / "best.torchscript"
    path.write_bytes(exported("torchscript").path.read_bytes()[:length])
    with pytest.raises(
        ExportError, match=r"best\.torchscript: must be a whole TorchScript file; got one that is cut off"
    ):
        load_runtime(path)


def test_cut_off_onnx_is_refused(exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / "best.onnx"
    content = exported("onnx").path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ExportError, match=r"best\.onnx: must be a whole ONNX file") as caught:
        load_runtime(path)
    assert "\n" not in str(caught.value)


def test_torchscript_of_a_fixed_size_refuses_another(exported: Exported) -> None:
    with pytest.raises(ExportError, match=r"takes images of 64x64"):
        load_runtime(exported("torchscript").path)(np.zeros((1, 96, 64, 3), np.uint8))


def test_images_of_another_type_are_refused(exported: Exported) -> None:
    with pytest.raises(ExportError, match=r"images must be \(B, H, W, 3\) uint8; got \(1, 64, 64, 3\) float32"):
        load_runtime(exported("onnx").path)(np.zeros((1, 64, 64, 3), np.float32))
