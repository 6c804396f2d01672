"""What has to be installed for a job, and the command that installs it."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from pose_data import ExportError

# Module -> what pip is asked for; the same floors as in pyproject.toml, where a test compares them.
REQUIREMENTS = {
    "pose_nn": "pose-nn>=0.1,<0.2",
    "torch": "torch>=2.4",
    "onnx": "onnx>=1.16",
    "onnxslim": "onnxslim>=0.1.40",
    "onnxruntime": "onnxruntime>=1.18",
}
_SIBLINGS = {"pose_nn": "./packages/pose-nn"}  # installed from a checkout, never from an index


def require_modules(modules: tuple[str, ...], *, job: str, extra: str) -> None:
    """Refuse a job whose packages aren't installed, before it starts. Imports nothing.

    Args:
        modules: what the job imports.
        job: the job in words, such as "exporting to onnx".
        extra: the extra of pose-export that holds all of it.

    Raises:
        ExportError: naming every missing package and the pip command for exactly those.
    """
    missing = [module for module in dict.fromkeys(modules) if not _installed(module)]
    if not missing:
        return
    words = " ".join(_SIBLINGS.get(module, f'"{REQUIREMENTS[module]}"') for module in missing)
    where = " in a checkout of this project" if set(missing) & set(_SIBLINGS) else ""
    names = ", ".join(module.replace("_", "-") for module in missing)
    raise ExportError(
        f"{job} needs packages that are not installed: {names}; run{where}: pip install {words} "
        f"(all of it is the extra pose-export[{extra}])"
    )


def _installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    return find_spec(module) is not None
