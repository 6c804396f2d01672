"""The decoder that the README gives to authors of clients finds what this package finds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_export import BOUNDS, ExportResult, load
from pose_export.formats import make_table

README = Path(__file__).resolve().parents[1] / "README.md"
GUIDE = README.parents[2] / "docs" / "export.md"
needs_readme = pytest.mark.skipif(not README.exists(), reason="the README isn't beside the tests here")


@needs_readme
def test_decoder_of_the_readme_finds_the_same_people(
    exported: Callable[..., ExportResult], noise: NDArray[np.uint8]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    (code,) = (block for block in _python_blocks() if "def find_people" in block)
    names: dict[str, Any] = {}
    exec(compile(code, str(README), "exec"), names)
    path = exported("onnx").path
    image = noise[0, :40]  # wider than high, so that there is a border
    boxes, scores, keypoints = names["find_people"](onnxruntime.InferenceSession(str(path)), image)
    poses = load(path)(image)
    assert len(poses) > 0
    np.testing.assert_allclose(scores, poses.scores, atol=1e-5)
    np.testing.assert_allclose(np.clip(boxes, 0, [64, 40, 64, 40]), poses.boxes, atol=1e-3)
    np.testing.assert_allclose(keypoints[..., :2], poses.keypoints, atol=1e-3)
    np.testing.assert_allclose(keypoints[..., 2], poses.keypoint_scores, atol=1e-5)


@pytest.mark.parametrize("page", [README, GUIDE], ids=["readme", "guide"])
def test_tables_of_the_documents_are_made_from_the_table_of_formats(page: Path) -> None:
    if not page.exists():
        pytest.skip(f"{page.name} isn't beside the tests here")
    assert make_table() in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [README, GUIDE], ids=["readme", "guide"])
def test_bounds_of_the_documents_are_the_bounds_of_the_gate(page: Path) -> None:
    if not page.exists():
        pytest.skip(f"{page.name} isn't beside the tests here")
    text = page.read_text(encoding="utf-8")
    for words, name, factor in (
        ("corner of a box, at most", "box_max", 1),
        ("corner of a box, on average", "box_mean", 1),
        ("score of a class or keypoint, at most", "score_max", 1),
        ("score of a class or keypoint, on average", "score_mean", 1),
        ("class scores within 0.25, at least", "class_scores", 100),
        ("keypoint scores within 0.25, at least", "keypoint_scores", 100),
        ("keypoints within 1 px, at least", "within_1", 100),
        ("keypoints within 4 px, at least", "within_4", 100),
        ("weakest box side or keypoint of a level within 4 px, at least", "weakest", 100),
        ("any coordinate of any anchor, over the largest, at most", "everywhere", 1),
        ("people found by both, at least", "people", 100),
        ("AP lost, at most (if measured)", "ap_drop", 1),
    ):
        (line,) = re.findall(rf"^\| {re.escape(words)} \|.*$", text, flags=re.MULTILINE)
        figures = [float(cell.split()[0]) for cell in line.strip("|").split("|")[1:]]
        assert figures == [getattr(BOUNDS[precision], name) * factor for precision in BOUNDS]


def _python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
