"""The pose command and the Pose object: train, validate, predict and export keypoint networks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from pose_cli._version import __version__

if TYPE_CHECKING:
    from pose_cli.following import TrackedResult
    from pose_cli.pose import Pose
    from pose_cli.results import Result
    from pose_cli.validation import BlockFigures, Validation

__all__ = ["BlockFigures", "Pose", "Result", "TrackedResult", "Validation", "__version__"]

# The objects need numpy and torch; `pose --help` and the rest of the world that only asks for the version don't.
_HOMES = {
    "BlockFigures": "validation",
    "Pose": "pose",
    "Result": "results",
    "TrackedResult": "following",
    "Validation": "validation",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
