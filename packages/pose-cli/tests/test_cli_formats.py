"""Files of every format go into the same commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pose_export import FORMATS, NotInstalledError, export, get_format

APART = ("safetensors", "engine")  # weights are exported by `benchmark`; engines have tests with a stand-in of TensorRT
NAMES = [row.name for row in FORMATS if not row.why_not_run and row.name not in APART]


@pytest.fixture
def file(request: pytest.FixtureRequest, weights: Path, photos: Path, tmp_path: Path) -> Path:
    """The tiny network in one format; skipped, or a failure where it must be there, where a package is missing."""
    row = get_format(request.param)
    try:
        return export(weights, format=row.name, output=tmp_path / f"tiny{row.suffix}", **options(row.name, photos)).path
    except NotInstalledError as error:
        missing = str(error)
    if row.name in os.environ.get("POSE_CLI_MUST", "").split(","):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


def options(name: str, photos: Path) -> dict[str, object]:
    """What a network of random weights needs besides."""
    return {"imgsz": 64, "force": True, **({"calibration": photos} if get_format(name).int8_only else {})}


@pytest.mark.parametrize("file", NAMES, indirect=True)
def test_commands_take_a_file(
    file: Path, run: Callable[..., object], photos: Path, dataset: Path, in_empty_folder: Path
) -> None:
    for words, last in (
        (("predict", file, photos, "conf=0.0001", "save=False"), "2 images"),
        (("track", file, photos, "save=False"), "2 frames"),
        (("val", file, f"data={dataset}", "plots=False"), ""),
        (("benchmark", file, f"data={dataset}", "calls=1"), ""),
    ):
        outcome = run(*words)
        assert outcome.status == 0, (words, outcome.err)
        assert outcome.out.strip(), words
        assert last in outcome.out, (words, outcome.out)
    assert file.name in outcome.out
    assert "measured" in outcome.out
