"""The card beside a model, for formats that have no room for it inside."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from pose_data import ExportError, ModelCard

from pose_export.card import make_metadata

SIDECAR = "metadata.yaml"  # the name under which readers of such folders look
_FILES = "files"  # name of each file beside it -> bytes, by which one that was cut off is found out


def write_sidecar(folder: Path, card: ModelCard) -> None:
    """Write a card, and how long the other files are, as metadata.yaml; JSON, which every reader of YAML can read.

    Args:
        folder: of the model, all of whose other files are there.
    """
    document = {**make_metadata(card), _FILES: _measure_files(folder)}
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (folder / SIDECAR).write_text(text + "\n", encoding="utf-8")


def read_sidecar(folder: Path) -> dict[str, str]:
    """Read metadata back, ours or another program's; empty when there is none.

    Raises:
        ExportError: it is no YAML mapping, or a file that it names isn't whole.
    """
    source = folder / SIDECAR
    if not source.is_file():
        return {}
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise ExportError(f"{source}: must be YAML that says what the model is ({reason}); export it again") from error
    if not isinstance(content, dict):
        raise ExportError(
            f"{source}: must be a YAML mapping that says what the model is; got {type(content).__name__}; "
            "export it again"
        )
    files = content.pop(_FILES, {})
    _check_files(folder, files if isinstance(files, dict) else {})
    return {str(key): str(value) for key, value in content.items()}


def _measure_files(folder: Path) -> dict[str, int]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and file != folder / SIDECAR)
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}


def _check_files(folder: Path, promised: dict[str, int]) -> None:
    found = _measure_files(folder)
    for name, size in promised.items():
        if found.get(name) != size:
            seen = f"{found[name]:,} bytes" if name in found else "nothing"
            raise ExportError(
                f"{folder / name}: must be {size:,} bytes, as {SIDECAR} says; got {seen}; copy the whole folder again"
            )
