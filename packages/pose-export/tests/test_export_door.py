"""The door of the package: what it shows, and how light it is."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import pose_export

_HEAVY = ("torch", "onnx", "onnxruntime", "onnxslim", "pose_nn", "safetensors")


def test_all_is_what_the_door_shows() -> None:
    shown = {
        name
        for name, value in vars(pose_export).items()
        if not name.startswith("_") and not (isinstance(value, types.ModuleType))
    }
    assert {*shown, "__version__"} == set(pose_export.__all__)


def test_import_loads_no_runtime() -> None:
    code = f"import sys, pose_export; print([m for m in {_HEAVY!r} if m in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_import_costs_little_beside_numpy_and_opencv(tmp_path: Path) -> None:
    def measure(modules: str) -> float:
        code = f"import time; start = time.process_time(); import {modules}; print(time.process_time() - start)"
        command = [sys.executable, "-c", code]
        runs = [subprocess.run(command, env=cached, capture_output=True, text=True, check=True) for _ in range(4)]
        return min(float(run.stdout) for run in runs)

    cached = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    base, whole = measure("numpy, cv2"), measure("numpy, cv2, pose_export")
    assert whole - base < max(0.15, base), (base, whole)  # 0.05 s where nothing else runs
