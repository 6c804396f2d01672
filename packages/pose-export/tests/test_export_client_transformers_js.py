"""transformers.js in node: our ONNX file in the folder that it expects, without a network, gives our poses."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pose_data import Poses
from pose_export import ExportResult, load, load_runtime

pytestmark = pytest.mark.needs("torch", "pose_nn", "onnx", "onnxslim", "onnxruntime", "transformers.js")
SCRIPT = Path(__file__).with_name("client_transformers.mjs")
PREPROCESSING = {
    "image_processor_type": "YolosFeatureExtractor",
    "do_resize": True,
    "size": {"height": 64, "width": 64},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": False,
    "do_pad": False,
}


def test_transformers_js_finds_our_poses(
    exported: Callable[..., ExportResult],
    noise: NDArray[np.uint8],
    examples: Path,
    node_package: Callable[[str], Path],
    check_people: Callable[[list[dict[str, Any]], Poses], None],
    tmp_path: Path,
) -> None:
    path = exported("onnx").path
    folder = tmp_path / "models" / "people"
    (folder / "onnx").mkdir(parents=True)
    shutil.copy(path, folder / "onnx" / "model.onnx")
    (folder / "config.json").write_text(json.dumps({"model_type": "yolov8"}), encoding="utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING), encoding="utf-8")
    (tmp_path / "card.json").write_text(exported("onnx").card.to_json(), encoding="utf-8")
    cv2.imwrite(str(tmp_path / "picture.png"), noise[0][..., ::-1])

    files = (f"{folder.parent}/", "people", tmp_path / "picture.png", examples / "decode.mjs", tmp_path / "card.json")
    command = ["node", str(SCRIPT), str(node_package("@huggingface/transformers")), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["version"].startswith("4.")
    output = np.array(answer["output"]["data"], np.float32).reshape(answer["output"]["dims"])
    np.testing.assert_allclose(output, load_runtime(path)(noise[:1]), rtol=1e-4, atol=0.01)
    check_people(answer["people"], load(path)(noise[0]))
