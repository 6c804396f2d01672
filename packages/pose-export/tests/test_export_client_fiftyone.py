"""FiftyOne's converter reads our results, written as a COCO result file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import cxcywh_from_xyxy, poses_to_coco
from pose_export import ExportResult, load

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "onnxruntime", "fiftyone")
SCRIPT = Path(__file__).with_name("client_fiftyone.py")


def test_fiftyone_reads_our_poses(
    exported: Callable[..., ExportResult], noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    image = noise[0, :40]  # wider than high, so that a swap of the sides would show
    poses = load(exported("onnx").path)(image)
    results = tmp_path / "results.json"
    results.write_text(json.dumps(poses_to_coco(poses, image_id=1, file_name="noise.png")), encoding="utf-8")
    # It writes settings into HOME and reports its use unless it is told not to.
    quiet = {"HOME": str(tmp_path), "FIFTYONE_DISABLE_SERVICES": "1", "FIFTYONE_DO_NOT_TRACK": "true"}
    command = [sys.executable, str(SCRIPT), str(results), "64", "40"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **quiet})
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)

    assert len(found["keypoints"]) == len(found["detections"]) == len(poses) > 0
    assert {one["label"] for one in found["keypoints"] + found["detections"]} == {"person"}
    size = np.array([64, 40])
    np.testing.assert_allclose([one["points"] for one in found["keypoints"]], poses.keypoints / size, atol=1e-6)
    np.testing.assert_allclose([one["visible"] for one in found["keypoints"]], poses.keypoint_scores, atol=1e-5)
    np.testing.assert_allclose([one["score"] for one in found["detections"]], poses.scores, atol=1e-5)
    boxes = np.array([one["box"] for one in found["detections"]])
    expected = cxcywh_from_xyxy(poses.boxes) / np.tile(size, 2)
    np.testing.assert_allclose(boxes[:, :2] + boxes[:, 2:] / 2, expected[:, :2], atol=1e-4)
    np.testing.assert_allclose(boxes[:, 2:], expected[:, 2:], atol=1e-4)
