"""OpenVINO's benchmark_app measures our folder as it measures anybody's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pose_export import ExportResult

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "openvino", "benchmark_app")
CALLS = 20


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_benchmark_app_measures_our_file(
    name: str, benchmark_app: str, exported: Callable[..., ExportResult], noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = exported(name).path
    model = path / "model.xml" if path.is_dir() else path
    cv2.imwrite(str(tmp_path / "picture.png"), noise[0][..., ::-1])
    words = ("-m", str(model), "-i", str(tmp_path / "picture.png"), "-d", "CPU", "-niter", str(CALLS), "-hint", "none")
    one_core = ("-nireq", "1", "-nstreams", "1", "-nthreads", "1", "-infer_precision", "f32")
    report = ("-json_stats", "-report_type", "no_counters", "-report_folder", str(tmp_path))
    done = subprocess.run([benchmark_app, *words, *one_core, *report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "images (node: images) : u8 / [N,C,H,W] / [1,3,64,64]" in done.stdout  # what it took our input for
    results = json.loads((tmp_path / "benchmark_report.json").read_text(encoding="utf-8"))["execution_results"]
    assert int(results["total number of iterations"]) == CALLS
    assert float(results["throughput"]) > 0
