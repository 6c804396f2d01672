"""The table of formats, and the messages that are made from it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pose_data import ExportError, describe_runtime
from pose_export import FORMATS, ExportResult, format_of, get_format, load_runtime
from pose_export.options import check_options, check_run_options
from pose_export.requirements import REQUIREMENTS, require_modules


def test_unknown_format_names_the_nearest() -> None:
    with pytest.raises(ExportError, match=r"got 'onxn'; did you mean 'onnx'"):
        get_format("onxn")


def test_format_of_a_file_is_told_by_its_suffix() -> None:
    assert format_of(Path("a/best.onnx")).name == "onnx"
    assert format_of(Path("a/best.PT")).name == "safetensors"


def test_unknown_suffix_names_the_known_ones() -> None:
    with pytest.raises(ExportError, match=r"best\.xyz.*\.onnx"):
        format_of(Path("best.xyz"))


def test_option_that_the_format_lacks_is_refused() -> None:
    with pytest.raises(ExportError, match=r"format 'torchscript' takes .*; got 'opset'"):
        check_options(get_format("torchscript"), ("half", "opset"))


def test_run_option_that_the_runtime_lacks_is_refused() -> None:
    with pytest.raises(
        ExportError,
        match=r"device must be left out for files of format 'onnx', which can't be told it; it is for safetensors",
    ):
        check_run_options(get_format("onnx"), ("device",))


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_every_row_names_modules_that_exist(row: object) -> None:
    for module in (row.converter, row.runtime):  # type: ignore[attr-defined]
        assert importlib.util.find_spec(module) is not None


def test_suffixes_differ() -> None:
    suffixes = [suffix for row in FORMATS for suffix in (row.suffix, *row.also)]
    assert len(set(suffixes)) == len(suffixes)


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_extras_of_the_package_hold_what_the_table_needs(row: object) -> None:
    declared = importlib.metadata.requires("pose-export") or []
    making = row.convert_needs + row.run_needs + row.int8_needs  # type: ignore[attr-defined]
    for extras, modules in ((row.extra, making), (row.run_extra, row.run_needs)):  # type: ignore[attr-defined]
        words = "|".join(extras.split(","))
        of_extra = [_normal(line.split(";")[0]) for line in declared if re.search(rf"extra == .({words})\W", line)]
        for module in modules:
            assert _normal(REQUIREMENTS[module]) in of_extra


def _normal(requirement: str) -> tuple[str, frozenset[str]]:
    name, bounds = re.fullmatch(r"([\w-]+)(.*)", requirement.strip().replace(" ", "")).groups()  # type: ignore[union-attr]
    return name, frozenset(bounds.split(","))


def test_missing_package_gives_the_exact_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxslim", None)
    with pytest.raises(ExportError, match=r'onnxslim; run: pip install "onnxslim>=0.1.40" \(.*pose-export\[convert\]'):
        require_modules(("numpy", "onnxslim"), job="exporting to onnx", extra="convert")


def test_missing_sibling_is_installed_from_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pose_nn", None)
    with pytest.raises(ExportError, match=r"run in a checkout of this project: pip install \./packages/pose-nn"):
        require_modules(("pose_nn",), job="exporting to onnx", extra="convert")


@pytest.mark.parametrize(
    ("installed", "refused"), [("1.17.9", True), ("1.18", False), ("1.18.0+cpu", False), ("2.0", False)]
)
def test_package_that_is_too_old_is_named_with_its_version_and_the_command(
    installed: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr("importlib.metadata.version", lambda _: installed)
    words = (
        r'running onnx files needs newer packages: onnxruntime>=1\.18 \(installed: 1\.17\.9\); run: pip install "onnxr'
    )
    expected = pytest.raises(ExportError, match=words) if refused else contextlib.nullcontext()
    with expected:
        require_modules(("onnxruntime",), job="running onnx files", extra="onnxruntime")


@pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("safetensors", "torch, c"),
        ("onnx", "ONNX Runtime, "),
        ("torchscript", "torch, TorchScript on the CPU"),
        ("openvino", "OpenVINO, CPU"),
        ("ncnn", "ncnn, CPU"),
        ("tflite", "LiteRT, CPU"),
        ("saved_model", "TensorFlow"),
        ("tfjs", "TF.js in node, WebAssembly"),
        ("paddle", "Paddle, CPU"),
    ],
)
def test_runtimes_say_what_runs_a_file(name: str, words: str, exported: Callable[..., ExportResult]) -> None:
    assert describe_runtime(load_runtime(exported(name).path)).startswith(words)
