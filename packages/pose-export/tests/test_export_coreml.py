"""Core ML packages: made and read back anywhere, run on macOS only, and said to be so."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pose_data import ExportError, card_from_json
from pose_export import ExportResult, load_runtime

pytestmark = [
    pytest.mark.needs("coremltools", "torch", "pose_nn"),
    pytest.mark.skipif(sys.platform == "darwin", reason="on macOS these files are run"),
]
Exported = Callable[..., ExportResult]


def test_file_that_cannot_be_run_here_is_never_called_passed(exported: Exported) -> None:
    result = exported("coreml")
    assert (result.parity, result.status) == (None, "not run: Core ML predicts on macOS only")
    assert result.card.facts["gate"] == result.status
    assert any("nothing but its form was checked" in note for note in result.notes)


def test_description_says_what_the_card_says(exported: Exported) -> None:
    import coremltools

    result = exported("coreml")
    description = coremltools.utils.load_spec(str(result.path)).description
    picture = description.input[0].type.imageType
    assert (description.input[0].name, picture.height, picture.width) == ("images", 64, 64)
    assert [output.name for output in description.output] == ["output0"]
    metadata = description.metadata.userDefined
    assert card_from_json(metadata["pose_card"], source="") == result.card
    assert metadata["kpt_shape"] == "[3, 3]"


def test_running_it_here_is_refused_with_the_reason(exported: Exported) -> None:
    with pytest.raises(ExportError, match=r"can't be run on this machine: Core ML predicts on macOS only"):
        load_runtime(exported("coreml").path)


@pytest.mark.parametrize("share", [0, 0.5])
def test_cut_off_package_is_refused(share: float, exported: Exported, tmp_path: Path) -> None:
    from pose_export.run.coreml import CoreMlRuntime

    path = Path(shutil.copytree(exported("coreml").path, tmp_path / "best.mlpackage"))
    (model,) = path.rglob("*.mlmodel")
    content = model.read_bytes()
    model.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ExportError, match=r"best\.mlpackage: must be a whole Core ML package") as caught:
        CoreMlRuntime(path)
    assert "\n" not in str(caught.value)


def test_package_without_its_manifest_is_refused(exported: Exported, tmp_path: Path) -> None:
    from pose_export.run.coreml import CoreMlRuntime

    path = Path(shutil.copytree(exported("coreml").path, tmp_path / "best.mlpackage"))
    (path / "Manifest.json").unlink()
    with pytest.raises(ExportError, match=r"best\.mlpackage: must be a whole Core ML package"):
        CoreMlRuntime(path)
