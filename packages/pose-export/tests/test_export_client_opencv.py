"""OpenCV's own network reader: every contract of an ONNX file comes back to our poses."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pose_export import CONTRACTS, ExportResult, load, load_runtime

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "onnxruntime")
Exported = Callable[..., ExportResult]
Outputs = list[NDArray[np.float32]]


def run_opencv(path: Path, image: NDArray[np.uint8]) -> Outputs:
    """All outputs of a file for one image, (H, W, 3) RGB, in the order of the file."""
    reader = cv2.dnn.readNetFromONNX(str(path))
    reader.setInput(cv2.dnn.blobFromImage(image, 1 / 255))
    return list(reader.forward(reader.getUnconnectedOutLayersNames()))


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
def test_opencv_gives_what_onnxruntime_gives(dynamic: bool, exported: Exported, noise: NDArray[np.uint8]) -> None:
    path = exported("onnx", dynamic=dynamic).path
    (output,) = run_opencv(path, noise[0])
    np.testing.assert_allclose(output, load_runtime(path)(noise[:1]), rtol=1e-4, atol=0.01)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_outputs_of_opencv_decode_to_our_poses(
    contract: str, exported: Exported, noise: NDArray[np.uint8], examples: Path
) -> None:
    spec = importlib.util.spec_from_file_location("decode_example", examples / "decode.py")
    assert spec is not None and spec.loader is not None
    decoder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(decoder)
    result = exported("onnx", contract=contract)
    outputs = run_opencv(result.path, noise[0])
    boxes, scores, labels, points = decoder.decode(outputs, json.loads(result.card.to_json()), size=(64, 64))
    poses = load(result.path)(noise[0])
    assert len(scores) == len(poses) > 0
    np.testing.assert_allclose(np.clip(boxes, 0, 64), poses.boxes, atol=0.01)
    np.testing.assert_allclose(scores, poses.scores, atol=1e-4)
    np.testing.assert_array_equal(labels, poses.labels)
    np.testing.assert_allclose(points[..., :2], poses.keypoints, atol=0.01)
    np.testing.assert_allclose(points[..., 2], poses.keypoint_scores, atol=1e-4)
