"""The card in a small zip archive after the end of a file: where TFLite keeps what belongs to a model."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from pose_data import ExportError, ModelCard

from pose_export.card import make_metadata

_NAME = "metadata.json"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the earliest that zip knows; the same card gives the same bytes


def write_zipped(path: Path, card: ModelCard) -> None:
    """Put a card at the end of a file, in place of one that may be there."""
    content = path.read_bytes()[: _content_length(path)]
    path.write_bytes(content)
    with zipfile.ZipFile(path, "a") as archive:
        text = json.dumps(make_metadata(card), ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo(_NAME, _WHEN), text)


def read_zipped(path: Path) -> dict[str, str]:
    """Read metadata back; empty when there is none.

    Raises:
        ExportError: the archive is damaged.
    """
    if not zipfile.is_zipfile(path):
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            if _NAME not in archive.namelist():
                return {}
            content = json.loads(archive.read(_NAME))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise ExportError(f"{path}: its metadata can't be read ({error}); export it again") from error
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _content_length(path: Path) -> int | None:
    """Bytes before the archive; None when there is none."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return min((entry.header_offset for entry in archive.infolist()), default=None)
