"""The card beside a TensorRT engine: the engine itself stays as TensorRT wrote it, for any program that reads it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pose_data import ExportError, ModelCard

from pose_export.card import make_metadata

_ENGINE = "engine"  # key of what tells the engine that a card belongs to from others
_ADVICE = "copy both files again, or export it again"


def engine_card_path(engine: Path) -> Path:
    """Where the card of an engine lies: best.engine.json beside best.engine."""
    return engine.with_name(engine.name + ".json")


def write_engine_card(engine: Path, card: ModelCard) -> None:
    """Write a card beside an engine, and which engine it belongs to.

    Args:
        engine: the file as TensorRT wrote it.
        card: all that there is to know of it.
    """
    document = {**make_metadata(card), _ENGINE: _identify(engine.read_bytes())}
    text = json.dumps(document, ensure_ascii=False, indent=1)
    engine_card_path(engine).write_text(text + "\n", encoding="utf-8")


def read_engine_card(engine: Path, plan: bytes) -> dict[str, str]:
    """Read the metadata beside an engine back; empty when there is no such file.

    Args:
        engine: where the engine is.
        plan: what is in it.

    Raises:
        ExportError: it is no JSON object, or belongs to another engine.
    """
    source = engine_card_path(engine)
    if not source.is_file():
        return {}
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except ValueError as error:  # neither UTF-8 nor JSON
        raise ExportError(f"{source}: must be JSON that says what {engine.name} is ({error}); {_ADVICE}") from error
    if not isinstance(content, dict):
        raise ExportError(f"{source}: must be a JSON object; got {type(content).__name__}; {_ADVICE}")
    promised, found = content.pop(_ENGINE, None), _identify(plan)
    if promised is not None and promised != found:
        raise ExportError(f"{engine}: must be the engine that {source.name} was written for; got another; {_ADVICE}")
    return {str(key): str(value) for key, value in content.items()}


def _identify(plan: bytes) -> dict[str, str | int]:
    return {"bytes": len(plan), "sha256": hashlib.sha256(plan).hexdigest()}
