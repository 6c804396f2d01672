"""What holds of a file of any format: cut off, in part or under a false card it is refused in a line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pose_data import CheckpointError, ExportError
from pose_export import FORMATS, ExportResult, get_format, load_runtime

Exported = Callable[..., ExportResult]
NAMES = [row.name for row in FORMATS if row.name != "engine"]  # whose tests have a stand-in of TensorRT
RUN_HERE = [name for name in NAMES if not get_format(name).why_not_run]
FOLDERS = [name for name in RUN_HERE if get_format(name).folder]
LIARS = [name for name in RUN_HERE if name != "safetensors"]  # which takes no lie


@pytest.fixture
def copied(exported: Exported, tmp_path: Path) -> Callable[[str], Path]:
    """Copy the file of a format, to be damaged."""

    def copy(name: str) -> Path:
        source = exported(name, contract=get_format(name).contracts[0]).path
        target = tmp_path / source.name
        return Path(shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target))

    return copy


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", RUN_HERE)
def test_a_cut_off_file_is_refused(name: str, share: float, copied: Callable[[str], Path]) -> None:
    path = copied(name)
    parts = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    largest = max(parts, key=lambda part: part.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: int(share * largest.stat().st_size)])
    with pytest.raises((ExportError, CheckpointError)) as refused:
        load_runtime(path)
    assert path.name in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_without_one_of_its_parts_is_refused(name: str, copied: Callable[[str], Path]) -> None:
    path = copied(name)
    for part in get_format(name).parts:
        away = path.parent / "away"
        (path / part).rename(away)
        with pytest.raises(ExportError, match=rf"{path.name}: must be a whole {name} folder; it has no {part}"):
            load_runtime(path)
        away.rename(path / part)


@pytest.mark.parametrize("name", LIARS)
def test_a_card_that_lies_about_the_file_is_refused(
    name: str, exported: Exported, copied: Callable[[str], Path]
) -> None:
    card = exported(name, contract=get_format(name).contracts[0]).card
    path = copied(name)
    get_format(name).load_converter().write_card(path, replace(card, names=("person", "horse")))
    with pytest.raises((ExportError, CheckpointError)) as refused:
        load_runtime(path)
    assert path.name in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_the_input_takes(name: str, exported: Exported) -> None:
    words = exported(name, contract=get_format(name).contracts[0]).card.facts["preprocessing"]
    assert words.startswith("scaled to fit, never distorted, and centred on grey 114; as `i")
    assert words.endswith(get_format(name).pixels_int8 if name == "edgetpu" else get_format(name).pixels)
