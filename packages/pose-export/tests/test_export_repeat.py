"""The same network gives the same bytes, in every format whose converter allows it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import ModelCard
from pose_export import FORMATS, ExportResult, export, get_format

if TYPE_CHECKING:
    from pose_nn import PoseNet

Need = Callable[..., None]
pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim")

ANYWHERE = ("safetensors", "onnx", "coreml", "pb", "tflite", "tfjs", "paddle", "ncnn")
# Their converters number what they make for as long as a process lives. TensorRT's builder never repeats itself.
IN_A_FRESH_PROCESS = ("torchscript", "openvino", "saved_model")
EXPORT = """
import sys
from pathlib import Path
import numpy as np
from pose_export import export
weights, images, name, output = sys.argv[1:]
export(Path(weights), format=name, output=Path(output), images=list(np.load(images)))
"""


OPTIONS = (
    ("onnx", {"half": True}),
    ("onnx", {"dynamic": True}),
    ("onnx", {"contract": "nms"}),
    ("onnx", {"contract": "heads"}),
    ("onnx", {"int8": True}),
    ("tflite", {"half": True}),
    ("tflite", {"int8": True}),
    ("edgetpu", {}),
    ("coreml", {"half": True}),
    ("coreml", {"int8": True}),
    ("ncnn", {"half": True}),
)


def contents(path: Path) -> dict[str, bytes]:
    """Every file of an export by its place in it."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def different_parts(first: Path, second: Path) -> list[str]:
    """Names of files that aren't the same in both exports."""
    one, other = contents(first), contents(second)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


@pytest.mark.parametrize("name", ANYWHERE)
def test_same_network_gives_the_same_bytes(
    name: str,
    exported: Callable[..., ExportResult],
    net: PoseNet,
    card: ModelCard,
    noise: NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    first = exported(name).path
    target = tmp_path / f"again{get_format(name).suffix}"
    again = export((net, card), format=name, output=target, images=list(noise))
    assert different_parts(first, again.path) == []


def test_every_format_has_a_word_on_this() -> None:
    assert {*ANYWHERE, *IN_A_FRESH_PROCESS, "engine", "edgetpu"} == {row.name for row in FORMATS}


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=lambda case: str(case))
def test_options_give_the_same_bytes_too(
    name: str,
    options: dict[str, object],
    net: PoseNet,
    card: ModelCard,
    noise: NDArray[np.uint8],
    tmp_path: Path,
    need: Need,
) -> None:
    row = get_format(name)
    need(*row.convert_needs, *row.run_needs, *(row.int8_needs if options.get("int8") else ()))
    if options.get("int8") or row.int8_only:
        options = {**options, "calibration": list(noise)}
    paths = [tmp_path / turn / f"net{row.suffix}" for turn in ("first", "second")]
    for path in paths:
        path.parent.mkdir()
        export((net, card), format=name, output=path, images=list(noise), force=True, **options)  # type: ignore[arg-type]
    assert different_parts(*paths) == []


@pytest.mark.parametrize("name", IN_A_FRESH_PROCESS)
def test_same_network_gives_the_same_bytes_in_fresh_processes(
    name: str,
    exported: Callable[..., ExportResult],
    net: PoseNet,
    card: ModelCard,
    noise: NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    from pose_nn import save_checkpoint

    exported(name)  # skips where a package is missing
    save_checkpoint(tmp_path / "net.safetensors", net, card)
    np.save(tmp_path / "images.npy", noise)
    paths = [tmp_path / turn / f"net{get_format(name).suffix}" for turn in ("first", "second")]
    for path in paths:
        path.parent.mkdir()
        words = [str(tmp_path / "net.safetensors"), str(tmp_path / "images.npy"), name, str(path)]
        subprocess.run([sys.executable, "-c", EXPORT, *words], check=True, capture_output=True)
    assert different_parts(*paths) == []
