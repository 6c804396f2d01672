"""What has to be installed for a job, and the command that installs it."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pose_data import ExportError

if TYPE_CHECKING:
    from pose_export.formats import Format

# Module -> what pip is asked for; the same floors as in pyproject.toml, where a test compares them.
REQUIREMENTS = {
    "pose_nn": "pose-nn>=0.1,<0.2",
    "torch": "torch>=2.4",
    "onnx": "onnx>=1.16",
    "onnxslim": "onnxslim>=0.1.40",
    "onnxruntime": "onnxruntime>=1.18",
    "openvino": "openvino>=2024.4",
    "nncf": "nncf>=2.14",
    "coremltools": "coremltools>=8.0",
    "PIL": "pillow>=10",
    "ncnn": "ncnn>=1.0.20240410",
    "pnnx": "pnnx>=20240410",
    "tensorflow": "tensorflow-cpu>=2.18",
    "ai_edge_litert": "ai-edge-litert>=1.2",
    "paddle": "paddlepaddle>=3.0",
    "tensorrt": "tensorrt>=10.3",
    "cuda.bindings": "cuda-bindings>=12.6",
}
_SIBLINGS = {"pose_nn": "./packages/pose-nn"}  # installed from a checkout, never from an index
_FLOOR = re.compile(r"([\w.-]+)>=([\d.]+)")


class NotInstalledError(ExportError):
    """Something that a job needs isn't installed, or too old; the message has the command that installs it."""


def require_modules(modules: tuple[str, ...], *, job: str, extra: str) -> None:
    """Refuse a job whose packages are missing or too old, before it starts. Imports none of them.

    Args:
        modules: what the job imports.
        job: the job in words, such as "exporting to onnx".
        extra: the extra of pose-export that holds all of it.

    Raises:
        NotInstalledError: naming every missing package and the pip command for exactly those.
    """
    wanted = tuple(dict.fromkeys(modules))
    missing = [module for module in wanted if not _installed(module)]
    if missing:
        names = ", ".join(module.replace("_", "-") for module in missing)
        raise NotInstalledError(f"{job} needs packages that are not installed: {names}; {_way_out(missing, extra)}")
    old = {module: seen for module in wanted if (seen := _too_old(module))}
    if old:
        names = ", ".join(f"{REQUIREMENTS[module]} (installed: {seen})" for module, seen in old.items())
        raise NotInstalledError(f"{job} needs newer packages: {names}; {_way_out(list(old), extra)}")


def what_is_missing(row: Format, *, int8: bool = False) -> str:
    """Say what has to be installed before files of a format can be made and run here; "" where nothing is missing."""
    needs = (*row.convert_needs, *(row.int8_needs if int8 else ()), *(() if row.why_not_run else row.run_needs))
    try:
        require_modules(needs, job=f"exporting to {row.name}", extra=row.extra)
    except NotInstalledError as error:
        return str(error)
    return ""


def _way_out(modules: list[str], extra: str) -> str:
    words = " ".join(_SIBLINGS.get(module, f'"{REQUIREMENTS[module]}"') for module in modules)
    where = " in a checkout of this project" if set(modules) & set(_SIBLINGS) else ""
    return f"run{where}: pip install {words} (all of it is the extra pose-export[{extra}])"


def _installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # it is part of a module that isn't there
        return False


def _too_old(module: str) -> str:
    """The installed version where it is below the floor; "" where it isn't, or where nothing says so."""
    from importlib.metadata import PackageNotFoundError, version  # takes longer than all of this package

    floor = _FLOOR.match(REQUIREMENTS.get(module, ""))
    if floor is None:
        return ""
    try:
        seen = version(floor[1])
    except PackageNotFoundError:  # another distribution of the same module, such as onnxruntime-gpu
        return ""
    return seen if _numbers(seen) < _numbers(floor[2]) else ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text.split("+")[0]))
