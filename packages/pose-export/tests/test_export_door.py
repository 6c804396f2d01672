"""The door of the package: what it shows, and how light it is."""

from __future__ import annotations

import subprocess
import sys
import types

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
